"""What the gateway is told by its environment. Everything else comes from its two ConfigMaps."""

import socket
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crds.gateway import DATA_DIR


class Settings(BaseSettings):
    """Environment variables, each with the prefix ``FABULA_``."""

    model_config = SettingsConfigDict(env_prefix="FABULA_", frozen=True)

    #: Where its ConfigMaps are.
    namespace: str = "default"
    #: The ConfigMap with ``gateway.json``; or, outside a cluster, the file.
    config_map: str | None = None
    config_file: Path | None = None
    #: The route table as a file, for use with ``config_file``.
    routes_file: Path | None = None

    #: The Storyteller, which names its keys in Redis.
    storyteller: str = "storyteller"
    #: File with the address of the World's Redis, and the Secret that it comes from as name/key,
    #: for messages. None: sessions are kept on the volume.
    redis_url_file: Path | None = None
    redis_secret: str | None = None
    #: host:port of the headless Service before all replicas. None: this is the only one.
    peers: str | None = Field(default=None, pattern=r"^[^:/\s]+:[0-9]{1,5}$")

    data_dir: Path = Path(DATA_DIR)
    #: Which of the gateways this is; it is part of the name that the log is signed with.
    replica: str = Field(default_factory=socket.gethostname, pattern=r"^[^\s+/]{1,63}$")
    host: str = "0.0.0.0"  # noqa: S104  (a pod's own address)
    port: int = Field(default=8080, ge=0, le=65535)
    #: Where gRPC listens, on the same host.
    grpc_port: int = Field(default=9090, ge=0, le=65535)
    log_level: str = "info"

    #: After SIGTERM: how long to go on serving while clients learn that this pod goes away.
    drain_delay_seconds: float = Field(default=2.0, ge=0)
    #: Then: how long requests that have begun may take.
    drain_seconds: int = Field(default=25, ge=1)

    #: Decisions made at the same time, and how many more may wait for their turn.
    max_decisions: int = Field(default=32, ge=1)
    max_waiting: int = Field(default=256, ge=0)
    #: Longest request body.
    max_request_bytes: int = Field(default=64 * 1024, ge=1024)

    @model_validator(mode="after")
    def _one_source(self) -> "Settings":
        if (self.config_map is None) == (self.config_file is None):
            raise ValueError("set exactly one of FABULA_CONFIG_MAP and FABULA_CONFIG_FILE")
        if (self.routes_file is None) != (self.config_file is None):
            raise ValueError("FABULA_ROUTES_FILE goes with FABULA_CONFIG_FILE: set both or none")
        return self
