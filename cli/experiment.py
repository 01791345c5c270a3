"""`fabula experiment`: see how far an experiment is and what it found, and steer it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.asking import ask, judged, status_of

app = typer.Typer(no_args_is_help=True, help="Experiments with the game.")

KIND = "evolutionexperiment"

Name = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The EvolutionExperiment.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Its namespace.")]


@app.command()
def status(name: Name, namespace: Namespace = None) -> None:
    """How far it is, what it found, what it waits for, and what happened."""
    found = status_of(KIND, name, namespace)
    console = Console(soft_wrap=True)
    if "phase" not in found:
        console.print("It was not looked at yet. Is the operator running?")
        return
    step = f", step {found['step']} of {found['steps']}" if found.get("step") else ""
    console.print(f"Run {found.get('number', 0)}: {found['phase']}{step}", highlight=False)
    console.print(found.get("message", ""), markup=False, highlight=False)
    if takes := found.get("takes"):
        console.print(f"Until it is proven: {takes}", markup=False, highlight=False)
    if objective := found.get("objective"):
        console.print(judged([objective], "OBJECTIVE"))
    if guardrails := found.get("guardrails"):
        console.print(judged(guardrails))
    for line in found.get("log", []):
        console.print(f"{line['at']}  {line['message']}", markup=False, highlight=False)


@app.command()
def report(
    name: Name,
    namespace: Namespace = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file. Default: EXPERIMENT.html.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """How it went, as one page with pictures: effect, evidence, exposure and decisions."""
    from cli.experimented import history_of, of_experiment
    from cli.report import save

    save(KIND, name, namespace, history_of(name), of_experiment, to, show=show)


@app.command()
def approve(name: Name, namespace: Namespace = None) -> None:
    """Give everyone what is proven."""
    _ask("Approve", name, namespace)


@app.command()
def skip(name: Name, namespace: Namespace = None) -> None:
    """Go on to the next step now."""
    _ask("SkipStep", name, namespace)


@app.command()
def pause(name: Name, namespace: Namespace = None) -> None:
    """Stay at this share until resume."""
    _ask("Pause", name, namespace)


@app.command()
def resume(name: Name, namespace: Namespace = None) -> None:
    """Go on after a pause."""
    _ask("Resume", name, namespace)


@app.command()
def abort(name: Name, namespace: Namespace = None) -> None:
    """End it now: nobody is in its arms any more."""
    _ask("Abort", name, namespace)


@app.command()
def retry(name: Name, namespace: Namespace = None) -> None:
    """Begin again what has ended without promotion."""
    _ask("Retry", name, namespace)


def _ask(action: str, name: str, namespace: str | None) -> None:
    ask(KIND, name, action, namespace, "fabula experiment status")
