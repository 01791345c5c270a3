"""What the configuration service is told by its environment. All else comes from its ConfigMap."""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables, each with the prefix ``FABULA_``."""

    model_config = SettingsConfigDict(env_prefix="FABULA_", frozen=True)

    #: Where its ConfigMap is.
    namespace: str = "default"
    #: The ConfigMap with ``config.json``; or, outside a cluster, the file.
    config_map: str | None = None
    config_file: Path | None = None

    host: str = "0.0.0.0"  # noqa: S104  (a pod's own address)
    port: int = Field(default=8080, ge=0, le=65535)
    log_level: str = "info"

    #: After SIGTERM: how long answers that have begun may take.
    drain_seconds: int = Field(default=10, ge=1)
    #: Longest request body.
    max_request_bytes: int = Field(default=64 * 1024, ge=1024)
    #: Requests that may wait for a change at the same time.
    max_waiting: int = Field(default=1000, ge=0)

    @model_validator(mode="after")
    def _one_source(self) -> "Settings":
        if (self.config_map is None) == (self.config_file is None):
            raise ValueError("set exactly one of FABULA_CONFIG_MAP and FABULA_CONFIG_FILE")
        return self
