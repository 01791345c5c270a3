"""Settings come from the environment, and wrong ones are named."""

import pytest
from pydantic import ValidationError

from operators import __main__ as entry
from operators.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)


def test_defaults_are_those_of_the_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.watched == (None,)
    assert (settings.lease_duration_seconds, settings.write_timeout_seconds) == (15, 5)
    assert settings.defaults.image_pull_policy == "IfNotPresent"
    assert Settings().identity != Settings().identity


def test_the_chart_s_variables_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FABULA_NAMESPACES": "a, b,a,",
        "FABULA_LEASE_NAMESPACE": "ops",
        "FABULA_ENGINE_IMAGE": "engine:1",
        "FABULA_VLLM_IMAGE": "vllm:1",
        "FABULA_GATEWAY_IMAGE": "gateway:1",
        "FABULA_IMAGE_PULL_POLICY": "Always",
        "FABULA_LOG_LEVEL": "DEBUG",
        "FABULA_FAULT_KILL_AT": "",
        "POD_NAME": "operator-0",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.watched == ("a", "b")
    assert settings.identity == "operator-0"
    assert settings.log_level == "debug"
    assert settings.fault_kill_at is None
    assert settings.defaults.llamacpp_image == "engine:1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FABULA_NAMESPACES", "Not A Name"),
        ("FABULA_IMAGE_PULL_POLICY", "Sometimes"),
        ("FABULA_FAULT_KILL_AT", "0:before"),
        ("FABULA_FAULT_KILL_AT", "3:during"),
        ("FABULA_CONCURRENCY", "0"),
        ("FABULA_LEASE_DURATION_SECONDS", "10"),
    ],
)
def test_a_wrong_one_stops_the_start_and_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()
    assert entry.run() == 2
    assert name in capsys.readouterr().err
