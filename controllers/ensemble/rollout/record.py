"""What is known of a rollout or an experiment, and its record in the cluster: one ConfigMap with
the checkpoints of its analysis and the log of how it went. What counts is `analysis`'s."""

from dataclasses import dataclass, replace
from datetime import datetime

from controllers.conditions import timestamp
from controllers.delivery import history
from controllers.delivery.plan import AnalysisPlan
from controllers.ensemble.rollout.phases import UNDER_WAY
from controllers.plan import Object
from controllers.pods import child
from crds.common import LastRequest
from crds.experiment import EvolutionExperimentStatus
from crds.history import HISTORY_KEY, History
from crds.rollout import RolloutStatus

#: What is judged.
Tried = RolloutStatus | EvolutionExperimentStatus

CHECKPOINT_KEY = "checkpoint.json"
WATCH_KEY = "watch.json"
WINDOWS_KEY = "windows.json"
SALT_KEY = "rollout"


@dataclass(frozen=True)
class Known:
    """All that is known of a rollout: of its sessions, where they are judged, and how it went."""

    salt: str
    checkpoint: str | None
    history: History
    #: What was seen since promotion.
    watch: str | None = None
    #: The checkpoint of what Prometheus said, where it is asked.
    windows: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoints, one after the other."""
        from controllers.delivery import checkpoint

        return checkpoint.digest((self.checkpoint or "") + (self.windows or ""))


def standing(status: Tried | None, stored: Object | None) -> Known | None:
    """What is known of a rollout or an experiment of which nothing is counted now, so that its log
    can go on; None where it is over and nothing was kept."""
    if status is None or status.salt is None:
        return None
    known = read(stored, status.salt)
    return known if status.phase in UNDER_WAY or known.history.log else None


def logged(known: Known, status: Tried | None, asked: LastRequest | None, now: datetime) -> Known:
    """The same with what a person asked last, the verdict and the phase in its log, where they are
    not what it said last.

    Args:
        known: what is to be written.
        status: the rollout or experiment as it becomes. One with another salt has another log.
        asked: what a person asked last, and what became of it.
        now: the time.
    """
    if status is None or status.salt != known.salt:
        return known
    past, at, verdict, message = known.history, timestamp(now), status.verdict, status.message or ""
    if asked and asked.action != "Reconcile" and asked.at >= (status.started_at or ""):
        words = f"{asked.action}: {asked.outcome.lower()}, {asked.message}"
        past = history.with_entry(past, asked.at, "Request", asked.id, words)
    if verdict:
        message = message.replace(f"; {verdict.message}", "").replace(f"{verdict.message}; ", "")
    if verdict and (verdict.kind != "Undecided" or any(e.kind == "Verdict" for e in past.log)):
        past = history.with_entry(past, at, "Verdict", verdict.kind, verdict.message)
    percent = status.traffic_percent
    mark = f"{status.phase} {status.step} {percent}"
    if isinstance(status, RolloutStatus) and status.watch and status.watch.drifted:
        mark += " drifted"
    return replace(known, history=history.with_entry(past, at, "Phase", mark, message, percent))


def config_map(
    name: str, namespace: str, known: Known, labels: Object, owners: list[Object]
) -> Object:
    """The ConfigMap with the checkpoint and the history. It stays after the rollout: who has the
    logs can compute it again, and anybody can see how it went."""
    data = {SALT_KEY: known.salt, HISTORY_KEY: history.dump(known.history)}
    if known.checkpoint is not None:
        data[CHECKPOINT_KEY] = known.checkpoint
    if known.watch is not None:
        data[WATCH_KEY] = known.watch
    if known.windows is not None:
        data[WINDOWS_KEY] = known.windows
    return child(
        "v1",
        "ConfigMap",
        name,
        namespace,
        labels=labels,
        owners=owners,
        data=data,
    )


def read(stored: Object | None, salt: str) -> Known:
    """What is stored of a rollout, whether or not it can be understood."""
    checkpoint, watch, windows = (
        text_of(stored, salt, key) for key in (CHECKPOINT_KEY, WATCH_KEY, WINDOWS_KEY)
    )
    return Known(salt, checkpoint, past_of(stored, salt), watch, windows)


def past_of(stored: Object | None, salt: str, plan: AnalysisPlan | None = None) -> History:
    """How it went so far, with what it is judged by, where that is told."""
    past = history.parse(text_of(stored, salt, HISTORY_KEY))
    return past.model_copy(update={"criteria": history.criteria(plan)}) if plan else past


def text_of(stored: Object | None, salt: str, key: str = CHECKPOINT_KEY) -> str | None:
    """What is stored under a key, if it is of this rollout or experiment."""
    data = (stored or {}).get("data") or {}
    return data.get(key) if data.get(SALT_KEY) == salt else None
