"""World: the game that everything else belongs to."""

from typing import Annotated, ClassVar

from pydantic import Field

from crds.base import ListMap, Model, Rule
from crds.common import (
    AGE_COLUMN,
    READY_COLUMN,
    WHY_COLUMN,
    Column,
    ConfigMapRef,
    DeletionPolicy,
    Kind,
    Names,
    Status,
    short_name_rule,
)


class Lore(Model):
    """What is true in this world."""

    config_map_ref: Annotated[ConfigMapRef, Field(description="The ConfigMap that holds the text.")]


class WorldSpec(Model):
    """What a World says."""

    title: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=80,
            description="The name that players see. Default: the object's name.",
        ),
    ] = None
    lore: Annotated[
        Lore | None,
        Field(
            description="What is true in this world. Every Storyteller of it is told this before "
            "its own persona. Default: nothing."
        ),
    ] = None
    deletion_policy: Annotated[
        DeletionPolicy,
        Field(
            description="What becomes of data volumes when a Storyteller of this world is deleted "
            "and does not say so itself. `Retain` (default) leaves them and names them in an "
            "Event; a Storyteller of the same name goes on over them. `Delete` removes them."
        ),
    ] = "Retain"


class Inhabitant(Model):
    """An object that refers to the world."""

    name: Annotated[str, Field(max_length=253, description="Its name.")]
    ready: Annotated[bool, Field(description="Whether its Ready condition is True.")]


class WorldStatus(Status):
    """What the operator sees of a World."""

    ensembles: Annotated[
        list[Inhabitant],
        ListMap(),
        Field(max_length=64, description="The ModelEnsembles that refer to it."),
    ] = []
    storytellers: Annotated[
        list[Inhabitant],
        ListMap(),
        Field(max_length=64, description="The Storytellers that refer to it."),
    ] = []
    ensembles_ready: Annotated[
        str | None, Field(max_length=16, description="Ready ModelEnsembles of all, as in 1/2.")
    ] = None
    storytellers_ready: Annotated[
        str | None, Field(max_length=16, description="Ready Storytellers of all, as in 1/2.")
    ] = None


class World(Kind):
    """The game: what its storytellers know, and what happens to its data."""

    names: ClassVar[Names] = Names("World", "worlds", "wld")
    columns: ClassVar[tuple[Column, ...]] = (
        READY_COLUMN,
        Column("Ensembles", ".status.ensemblesReady", description="Ready of all."),
        Column("Storytellers", ".status.storytellersReady", description="Ready of all."),
        WHY_COLUMN,
        AGE_COLUMN,
    )
    rules: ClassVar[tuple[Rule, ...]] = (short_name_rule(),)

    spec: Annotated[WorldSpec, Field(description="What you want.")] = WorldSpec()
    status: Annotated[WorldStatus, Field(description="What is.")] = WorldStatus()
