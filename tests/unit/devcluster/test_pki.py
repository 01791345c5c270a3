import datetime
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from devcluster import kubeconfig, pki
from devcluster.layout import Layout

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def made(layout: Layout) -> Path:
    pki.create(layout, NOW)
    return layout.pki


def _certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_by_its_authority(layout: Layout, made: Path) -> None:
    for identity in pki.identities(layout):
        certificate = _certificate(made, identity.file)
        certificate.verify_directly_issued_by(_certificate(made, identity.authority))


def test_the_groups_decide_what_an_identity_may_do(made: Path) -> None:
    groups = {
        name: [
            attribute.value
            for attribute in _certificate(made, name).subject.get_attributes_for_oid(
                NameOID.ORGANIZATION_NAME
            )
        ]
        for name in ("admin", "node2", "scheduler")
    }
    assert groups == {"admin": ["system:masters"], "node2": ["system:nodes"], "scheduler": []}


def test_the_api_server_answers_on_the_machine_and_inside(layout: Layout, made: Path) -> None:
    extension = _certificate(made, "apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = {str(found) for found in extension.value.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", str(layout.kubernetes_service)} <= addresses


def test_keys_are_only_for_their_owner(made: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in made.glob("*.key")} == {0}
    assert made.stat().st_mode & 0o077 == 0


def test_certificates_last_as_long_as_the_cluster(layout: Layout, made: Path) -> None:
    before = (made / "ca.crt").read_bytes()
    pki.create(layout, NOW)
    assert (made / "ca.crt").read_bytes() == before


def test_a_killed_creation_is_done_again(layout: Layout) -> None:
    half = layout.pki.with_suffix(".new")
    half.mkdir()
    (half / "ca.key").write_text("half a key")
    pki.create(layout, NOW)
    assert not half.exists()
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")


def test_a_kubeconfig_needs_no_other_file(layout: Layout, made: Path) -> None:
    path = kubeconfig.write(layout, layout.kubeconfig, "admin")
    content = yaml.safe_load(path.read_text())
    assert path.stat().st_mode & 0o077 == 0
    assert content["clusters"][0]["cluster"]["server"] == f"https://127.0.0.1:{layout.port}"
    assert str(made) not in path.read_text()
