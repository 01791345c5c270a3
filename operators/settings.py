"""The operator's settings: environment variables with the prefix FABULA_, checked at start."""

import secrets
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from controllers.plan import Defaults
from crds.base import BaseURL

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def _own_namespace() -> str:
    """Where this pod runs; outside of a cluster, where the chart would put it."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return "fabula-system"


def _random_identity() -> str:
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class Settings(BaseSettings):
    """See docs/reference/operator.md for what each of them does to a running operator."""

    model_config = SettingsConfigDict(env_prefix="FABULA_", frozen=True, extra="ignore")

    #: Namespaces to watch; none means all.
    namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=DNS_LABEL, max_length=63)], ...], NoDecode
    ] = ()
    lease_namespace: str = Field(default_factory=_own_namespace)
    lease_name: str = "fabula-operator"
    #: Who holds the Lease. A restarted container of the same pod is the same holder.
    identity: str = Field(
        default_factory=_random_identity,
        validation_alias=AliasChoices("FABULA_IDENTITY", "POD_NAME"),
        min_length=1,
    )
    lease_duration_seconds: Annotated[float, Field(ge=1)] = 15
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10
    retry_period_seconds: Annotated[float, Field(gt=0)] = 2

    engine_image: str = "fabula.dev/engine:dev"
    vllm_image: str = "vllm/vllm-openai:v0.30.0"
    gateway_image: str = "fabula.dev/gateway:dev"
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    cluster_domain: str = "cluster.local"

    #: Addresses of Prometheus that worlds may have asked, each as a World says it.
    prometheus_allowed: Annotated[tuple[BaseURL, ...], NoDecode] = ()

    resync_seconds: Annotated[float, Field(ge=1)] = 120
    #: Objects that are worked on at the same time.
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    #: One request to the API server.
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 5
    #: One report of one gateway.
    report_timeout_seconds: Annotated[float, Field(gt=0)] = 2
    #: One query of Prometheus.
    prometheus_timeout_seconds: Annotated[float, Field(gt=0)] = 5
    #: Time to finish what is under way when the operator is stopped.
    shutdown_seconds: Annotated[float, Field(ge=0)] = 5
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: Test switch: "N:before" or "N:after" kills the process at the N-th write.
    fault_kill_at: Annotated[str | None, Field(pattern=r"^[1-9][0-9]*:(before|after)$")] = None

    @field_validator("namespaces", "prometheus_allowed", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            names = (name.strip() for name in value.split(","))
            return tuple(dict.fromkeys(name for name in names if name))
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("fault_kill_at", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _leases_overlap(self) -> Self:
        """As in client-go: what is told apart by time needs time between."""
        if not (
            self.lease_duration_seconds >= self.renew_deadline_seconds + 1
            and self.renew_deadline_seconds > self.retry_period_seconds * 1.2
        ):
            raise ValueError(
                "FABULA_LEASE_DURATION_SECONDS must exceed FABULA_RENEW_DEADLINE_SECONDS by at "
                "least 1, and that must exceed 1.2 times FABULA_RETRY_PERIOD_SECONDS"
            )
        return self

    @property
    def defaults(self) -> Defaults:
        """What the planners fill in where a spec is silent."""
        return Defaults(
            llamacpp_image=self.engine_image,
            vllm_image=self.vllm_image,
            gateway_image=self.gateway_image,
            image_pull_policy=self.image_pull_policy,
            cluster_domain=self.cluster_domain,
            prometheus=self.prometheus_allowed,
        )

    @property
    def write_timeout_seconds(self) -> float:
        """A write that starts while the Lease may still be renewed ends within it."""
        margin = self.lease_duration_seconds - self.renew_deadline_seconds
        return min(self.request_timeout_seconds, margin)

    @property
    def watched(self) -> tuple[str | None, ...]:
        """What to list: each namespace, or None for all."""
        return self.namespaces or (None,)
