"""The API server is found by a kubeconfig or a service account, and its tokens are kept fresh."""

import ssl
from pathlib import Path

import pytest
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config

from operators import access
from operators.access import Access, NoAccessError


def kubeconfig(folder: Path, token: str) -> Path:
    path = folder / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [
                    {
                        "name": "x",
                        "cluster": {
                            "server": "https://10.0.0.1:6443/",
                            "insecure-skip-tls-verify": True,
                        },
                    }
                ],
                "users": [{"name": "x", "user": {"token": token}}],
            }
        )
    )
    return path


async def test_a_kubeconfig_is_read_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "one")))
    reach = await access.load()
    assert reach.server == "https://10.0.0.1:6443"
    assert await reach.headers() == {"Authorization": "Bearer one"}
    assert reach.tls.verify_mode == ssl.CERT_NONE
    kubeconfig(tmp_path, "two")
    await reach.renew()
    assert await reach.headers() == {"Authorization": "Bearer two"}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod's service account."""
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_text("a certificate")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for name, file in (("TOKEN", "token"), ("CERT", "ca.crt")):
        monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", str(tmp_path / file))
    return tmp_path


async def test_in_a_pod_the_service_account_is_used(account: Path) -> None:
    reach = await access.load()
    assert reach.server == "https://10.0.0.1:443"
    assert await reach.headers() == {"Authorization": "Bearer one"}


async def test_a_token_that_was_rotated_is_found_when_the_old_one_is_refused(
    account: Path,
) -> None:
    reach = await access.load()
    (account / "token").write_text("two")
    await reach.renew()
    assert await reach.headers() == {"Authorization": "Bearer two"}


async def test_without_any_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(NoAccessError, match="set KUBECONFIG"):
        await access.load()


async def test_no_credentials_are_no_header() -> None:
    assert await Access(Configuration(host="http://127.0.0.1")).headers() == {}
