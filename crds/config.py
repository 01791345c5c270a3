"""What the operator tells the configuration service of a World."""

from typing import Annotated

from pydantic import Field

from crds.base import Model
from crds.trials import Trial
from crds.tunables import Tunable

CONFIG_KEY = "config.json"


class WorldConfig(Model):
    """The tunables, and who may read them; ``generation`` is the World's."""

    world: str
    generation: int
    #: Of all values.
    digest: str
    tunables: Annotated[tuple[Tunable, ...], Field(strict=False)] = ()
    #: The experiments that are under way.
    trials: list[Trial] = []
    #: The folder with the API keys; absent: none are asked for.
    api_keys_dir: str | None = None
    cors_origins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    per_key_per_minute: int | None = None
    #: Pods that share what is limited.
    replicas: Annotated[int, Field(ge=1)] = 1
