"""`fabula rollout report` and `fabula experiment report`: how it went, as a page that can be sent
and printed."""

import json
import shlex
import webbrowser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from cli.asking import end, kubectl
from cli.picture import Step, Story, render
from cli.picture import figures as say
from cli.picture.story import StepState
from cli.run import CommandError
from crds import InvalidObjectError
from crds.ensemble import ModelEnsemble
from crds.experiment import EvolutionExperimentStatus
from crds.history import HISTORY_KEY, History
from crds.rollout import Rollout, RolloutStatus

_GOOD, _BAD = {"Promoted", "Complete"}, {"Aborted", "Undone"}
#: Why a rollout ended or stands still, by its verdict.
BECAUSE = {
    "Harm": "it is worse",
    "BrokenSplit": "its data is wrong",
    "Inconclusive": "its sessions decided nothing",
}


def history_of(ensemble: str) -> str:
    """The ConfigMap with the history of an ensemble's rollout."""
    return f"{ensemble}-analysis"


class ReportError(Exception):
    """There is nothing to report; the message says why and what to do."""


def write(story: Story, to: Path, *, command: str, show: bool = False) -> None:
    """Write a story as a page.

    Args:
        story: what it tells.
        to: the file.
        command: what makes it again, to be printed on it.
        show: open it in the browser too.

    Raises:
        ReportError: the file cannot be written.
    """
    try:
        to.write_text(render(story, datetime.now(UTC), command=command), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{to}: {error.strerror}; give another file with -o") from None
    if show:
        webbrowser.open(to.resolve().as_uri())


def save(
    kind: str,
    name: str,
    namespace: str | None,
    kept: str,
    tell: Callable[[Mapping[str, Any], Mapping[str, Any] | None], Story],
    to: Path | None,
    *,
    show: bool,
) -> None:
    """Ask kubectl for an object and for the ConfigMap ``kept`` with its history, and write their
    story to a file; what cannot be had ends with 1.

    Args:
        kind: of the object, as kubectl calls it.
        name: of the object.
        namespace: of both; None: that of the kubeconfig.
        kept: name of the ConfigMap, which need not be there.
        tell: the story of both.
        to: the file. Default: the name, with .html.
        show: open it in the browser too.
    """
    to = to or Path(f"{name}.html")
    again = ["fabula", {"modelensemble": "rollout"}.get(kind, "experiment"), "report", name]
    again += ["--namespace", namespace] if namespace else []
    try:
        found = kubectl(namespace, "get", kind, name, "-o", "json")
        history = kubectl(namespace, "get", "configmap", kept, "--ignore-not-found", "-o", "json")
        story = tell(json.loads(found), json.loads(history or "null"))
        write(story, to, command=shlex.join(again), show=show)
    except (CommandError, InvalidObjectError, ReportError) as error:
        end(str(error))
    typer.echo(f"Written: {to}")


def of_rollout(found: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Story:
    """The story of an ensemble's rollout.

    Args:
        found: the ModelEnsemble.
        kept: the ConfigMap of its analysis, where there is one. One of another rollout is none.

    Raises:
        ReportError: there was no rollout.
        InvalidObjectError: the ensemble is not what this version expects.
    """
    ensemble = ModelEnsemble.parse(dict(found))
    name, status = ensemble.metadata.name, ensemble.status.rollout
    if status is None:
        raise ReportError(
            f"{name} has had no rollout yet: change a member of an ensemble with spec.rollout"
        )
    history, source = kept_of(status, kept)
    verdict = status.verdict
    return Story(
        subject=f"Rollout {status.number} of ModelEnsemble {name} in {ensemble.metadata.namespace}",
        headline=_headline(status),
        reason=sentence(status.message),
        outcome="Good" if status.phase in _GOOD else "Bad" if status.phase in _BAD else "Open",
        phase=status.phase,
        facts=_facts(status, history),
        steps=_steps(ensemble.spec.rollout, status),
        standings={each.name: each.standing for each in verdict.metrics} if verdict else {},
        history=history,
        source=source,
    )


def kept_of(
    status: RolloutStatus | EvolutionExperimentStatus, kept: Mapping[str, Any] | None
) -> tuple[History, str]:
    """The history in a ConfigMap, and what is to be said of where the numbers are from."""
    data = (kept or {}).get("data") or {}
    if data.get("rollout") != status.salt or HISTORY_KEY not in data:
        return History(), "No history was kept of it: the status is all that is known."
    where = f"ConfigMap {kept['metadata']['name']}" if kept else ""
    try:
        history = History.model_validate_json(data[HISTORY_KEY])
    except ValidationError:
        return History(), f"The history in {where} is of another version, or damaged."
    source = f"Times and figures are from {HISTORY_KEY} of {where}"
    if status.verdict:
        source += f"; the verdict follows from its checkpoint, SHA-256 {status.verdict.digest}"
    return history, f"{source}."


def _headline(status: RolloutStatus) -> str:
    new = " and ".join(change.canary for change in status.revisions)
    what = f"{status.member} {new}"
    kind = status.verdict.kind if status.verdict else None
    because = f": {BECAUSE[kind]}" if kind in BECAUSE else ""
    proven = kind == "Proven"
    match status.phase:
        case "Complete" if "everyone's" not in status.message:
            return f"the rollout of {what} ended before its time"
        case "Promoted" | "Complete":
            if status.plan is None:
                return f"{what} is everyone’s"
            return f"{what} is everyone’s, {'proven no worse' if proven else 'without proof'}"
        case "Aborted":
            return f"{what} was sent back{because}"
        case "Undone":
            return f"{what} was everyone’s and was taken back"
        case "Returning":
            return f"{what} is everyone’s until the revision before it is back"
        case "Promoting":
            return f"{what} takes the place of the one before, and everyone follows"
        case "Starting" if not status.traffic_percent:
            return f"{what} gets ready, and nobody has it yet"
        case "Paused":
            return f"{what} is paused at {status.traffic_percent} % of new sessions{because}"
    so_far = ", proven no worse so far" if proven else ", and nothing is decided yet"
    told = so_far if status.plan else ""
    return f"{what} has {status.traffic_percent} % of new sessions{told}"


def _facts(status: RolloutStatus, history: History) -> tuple[tuple[str, str], ...]:
    began = say.moment(status.started_at)
    facts = [
        ("Instead of", " and ".join(change.stable for change in status.revisions)),
        ("Began", say.full(began)),
    ]
    if history.log:
        followed = max(say.times(history)) - began
        facts.append(("Followed for", say.lasted(followed.total_seconds())))
    facts.append(("New sessions", f"{status.traffic_percent} %"))
    if status.verdict:
        facts += [
            ("Pairs that count", f"{status.verdict.pairs:,}"),
            ("Verdict", status.verdict.kind),
        ]
    return tuple(facts)


def _steps(policy: Rollout | None, status: RolloutStatus) -> tuple[Step, ...]:
    """The steps as the spec has them now."""
    steps = []
    for number, step in enumerate(policy.steps if policy else (), 1):
        lasts = (
            "until a person goes on"
            if step.pause_minutes is None
            else say.lasted(60 * step.pause_minutes)
        )
        steps.append(Step(step.traffic_percent, lasts, _state(number, status)))
    return tuple(steps)


def _state(step: int, status: RolloutStatus) -> StepState:
    over = status.phase in _BAD
    if status.phase in _GOOD or step < status.step:
        return "Done"
    if step == status.step:
        return "Ended here" if over else "Now"
    return "Not reached" if over else "To come"


def sentence(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]
