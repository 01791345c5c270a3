"""`fabula rollout`: see how far the rollout of an ensemble's member is, and steer it. All of it is
plain kubectl underneath, and each command shows which."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.asking import ask, end, judged, kubectl, status_of
from cli.run import CommandError
from controllers.ensemble.workload import ENSEMBLE, MEMBER, REVISION, VARIANT
from crds.ensemble import FULL

app = typer.Typer(no_args_is_help=True, help="The rollout of an ensemble's member.")

KIND = "modelensemble"

Ensemble = Annotated[str, typer.Argument(metavar="ENSEMBLE", help="Name of the ModelEnsemble.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Its namespace.")]


@app.command()
def status(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """How far it is, what it waits for, and which revision each member has."""
    found = status_of(KIND, ensemble, namespace)
    rollout = found.get("rollout")
    console = Console(soft_wrap=True)
    if rollout is None:
        console.print("There was no rollout yet: change a member of an ensemble with spec.rollout.")
    else:
        step = f", step {rollout['step']} of {rollout['steps']}" if rollout["step"] else ""
        console.print(f"Rollout {rollout['number']}: {rollout['member']} {rollout['phase']}{step}")
        console.print(rollout["message"], markup=False)
        if verdict := rollout.get("verdict"):
            console.print(judged(verdict.get("metrics", [])))
    table = Table("MEMBER", "STABLE", "SPEC", "CANARY", "STATE", box=None)
    for member in found.get("members", []):
        share = member.get("trafficPercent")
        table.add_row(
            member["name"],
            member.get("stable", "none yet"),
            member["revision"],
            "" if share is None else f"{share} %",
            member["condition"],
        )
    console.print(table)


@app.command()
def report(
    ensemble: Ensemble,
    namespace: Namespace = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file. Default: ENSEMBLE.html.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """How it went, as one page with pictures: effect, evidence, exposure and decisions."""
    from cli.report import history_of, of_rollout, save

    save(KIND, ensemble, namespace, history_of(ensemble), of_rollout, to, show=show)


@app.command()
def promote(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Give everyone the new revision now, whatever steps are left."""
    _ask("Promote", ensemble, namespace)


@app.command()
def skip(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Go on to the next step now."""
    _ask("SkipStep", ensemble, namespace)


@app.command()
def pause(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Stay at this share until resume."""
    _ask("Pause", ensemble, namespace)


@app.command()
def resume(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Go on after a pause, or after a step that waits for a person."""
    _ask("Resume", ensemble, namespace)


@app.command()
def abort(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Send everyone back to the old revision now, and keep the change back."""
    _ask("Abort", ensemble, namespace)


@app.command()
def retry(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Roll out again what was sent back."""
    _ask("Retry", ensemble, namespace)


@app.command()
def undo(
    ensemble: Ensemble,
    namespace: Namespace = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="REVISION", help="One that history shows. Default: the last."),
    ] = None,
) -> None:
    """Return to the old revision within the rollback window, or to any that is stored."""
    if to is None:
        _ask("Undo", ensemble, namespace)
    else:
        _ask("ReturnTo", ensemble, namespace, to=to)


@app.command()
def anchor(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """Accept how the members are today: what promotions may cost is counted from here."""
    _ask("Anchor", ensemble, namespace)


@app.command()
def history(ensemble: Ensemble, namespace: Namespace = None) -> None:
    """The revisions that are stored, the newest first, and who has which."""
    try:
        selector = f"{ENSEMBLE}={ensemble}"
        text = kubectl(namespace, "get", "controllerrevisions", "-l", selector, "-o", "json")
    except CommandError as error:
        end(str(error))
    has = {
        (member["name"], part["name"] if part is not member else FULL): part
        for member in status_of(KIND, ensemble, namespace).get("members", [])
        for part in (member, *member.get("variants", []))
    }
    table = Table("MEMBER", "VARIANT", "NUMBER", "REVISION", "SINCE", "STATE", box=None)
    stored = [(_place(each), each) for each in json.loads(text)["items"]]
    for (member, variant, rev), each in sorted(
        stored, key=lambda found: (found[0][:2], -int(found[1]["revision"]))
    ):
        part = has.get((member, variant), {})
        states = [name for name in ("stable", "revision") if part.get(name) == rev]
        told = {"stable": "everyone has it", "revision": "the spec asks for it"}
        since = each["metadata"].get("creationTimestamp", "")
        state = ", ".join(told[name] for name in states)
        table.add_row(member, variant, str(each["revision"]), rev, since, state)
    Console(soft_wrap=True).print(table)


def _place(stored: dict[str, Any]) -> tuple[str, str, str]:
    """Member, variant and revision of a ControllerRevision."""
    labels = stored["metadata"]["labels"]
    return labels[MEMBER], labels.get(VARIANT, FULL), labels[REVISION]


def _ask(action: str, ensemble: str, namespace: str | None, **more: str) -> None:
    ask(KIND, ensemble, action, namespace, "fabula rollout status", **more)
