"""`fabula prompts`: look at the templates of a storyteller's prompts before a player meets them."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.prompts import DEFAULTS, NAMES, lint

app = typer.Typer(
    no_args_is_help=True, help="The templates of what members are told: see, check.", name="prompts"
)


@app.command("lint")
def check(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with system.j2 and user.j2, or one of them; the other stays the default.",
            exists=True,
        ),
    ],
) -> None:
    """Say what is wrong with templates, each with its line; ends with 1 if anything is.

    The ConfigMap of a Storyteller is made of the same folder: kubectl create configmap NAME
    --from-file=FOLDER
    """
    paths = [folder] if folder.is_file() else [folder / name for name in NAMES]
    sources = {path.name: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    if not sources:
        typer.echo(f"{folder} has neither {' nor '.join(NAMES)}", err=True)
        raise typer.Exit(1)
    findings = [finding for name, source in sources.items() for finding in lint(name, source)]
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{', '.join(sources)}: nothing to mend")


@app.command("default")
def default(
    name: Annotated[str, typer.Argument(help="system.j2 or user.j2.")],
) -> None:
    """Print the template that is used where a Storyteller names none, to begin with."""
    if name not in DEFAULTS:
        typer.echo(f"{name} is not a template; there are {', '.join(DEFAULTS)}", err=True)
        raise typer.Exit(1)
    typer.echo(DEFAULTS[name], nl=False)
