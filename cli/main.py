"""`fabula`, also installed as `kubectl-fabula`: the commands, each imported when it is called, so
that help is quick and a command works without what only others need."""

import importlib
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

#: The extra that brings a library.
EXTRAS = {
    "anthropic": "gateway",
    "fastapi": "gateway",
    "kopf": "operator",
    "kubernetes": "operator",
    "structlog": "operator",
    "xllamacpp": "engine",
}


@dataclass(frozen=True)
class Lazy:
    """A command or group of commands that is imported when it is called."""

    module: str
    name: str
    help: str


COMMANDS = {
    "dev": Lazy("cli.dev", "app", "A real Kubernetes on this machine, to work and test with."),
    "demo": Lazy("cli.demo", "demo", "From nothing to a story that moves."),
    "keys": Lazy("cli.keys", "app", "API keys for games that call a storyteller."),
    "prompts": Lazy("cli.prompts", "app", "The templates of what members are told."),
    "audit": Lazy("cli.audit", "app", "The record of decisions: verify, search, show, replay."),
    "rollout": Lazy("cli.rollout", "app", "The rollout of a member: see, promote, abort, undo."),
    "experiment": Lazy("cli.experiment", "app", "Experiments: see, approve, abort, begin again."),
    "play": Lazy("cli.play", "play", "A few decisions from a running storyteller."),
}


class LazyGroup(TyperGroup):
    """Lists the commands by what stands here, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            return name, load(name), rest
        return name, command, rest


def load(name: str) -> Any:
    """The command behind a name.

    Raises:
        typer.Exit: a library is missing; what to install is printed.
    """
    lazy = COMMANDS[name]
    try:
        found = getattr(importlib.import_module(lazy.module), lazy.name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(missing)
        package = f"'fabula[{extra}]'" if extra else missing
        typer.echo(f"fabula {name} needs {missing}; install it: pip install {package}", err=True)
        raise typer.Exit(1) from None
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


app = typer.Typer(
    name="fabula",
    cls=LazyGroup,
    no_args_is_help=True,
    help="The declarative control plane for game worlds that an AI runs.",
)


def _listed() -> None:
    """Stands in the list of commands; `LazyGroup` never calls it."""


for _name, _lazy in COMMANDS.items():
    app.command(_name, help=_lazy.help)(_listed)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("fabula"))
