"""Which arm a session is in: how it is drawn, and how the id of a session says what experiments
drew.

Gateways and the configuration service have to agree on it, and the latter keeps nothing and asks
nobody. So a gateway writes the arms of a session that begins into its id: whoever is told the id
knows them, and nothing that is said later of an experiment changes them but its end.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Literal

from crds.trials import Trial

#: The arms that are held against each other.
TrialArm = Literal["Canary", "Baseline"]

#: Arms that an id has room for: it has 64 characters. Of experiments beyond that a session is in no
#: arm, whichever it would have been, so that shares stay alike.
MAX_MARKS = 6
_LETTERS: dict[str, str] = {"Canary": "c", "Baseline": "b"}
_ARMS: dict[str, TrialArm] = {"c": "Canary", "b": "Baseline"}
_MARK = 6
_MARKED = re.compile(rf"s-[0-9a-f]{{24}}-((?:[bc][0-9a-f]{{{_MARK - 1}}}){{1,{MAX_MARKS}}})")


def drawn(unit: str, salt: str, percent: int) -> TrialArm | Literal["Rest"]:
    """The arm of a session, or of whatever else is told apart, if it begins now.

    The canary grows from one end and the baseline from the other, so that a unit that is drawn
    again and again, as a player without sessions, does not leave its arm as they grow.

    Args:
        unit: what is drawn.
        salt: of the rollout or experiment; each has another, so that who was in the last canary
            says nothing about the next.
        percent: the share of each of the two arms.
    """
    at = place(unit, salt)
    if at < percent:
        return "Canary"
    return "Baseline" if at >= 100 - percent else "Rest"


def place(unit: str, salt: str) -> int:
    """Where the draw puts it: from 0 to 99, each as likely."""
    return int.from_bytes(sha256(f"{salt}/{unit}".encode()).digest()[:8]) * 100 >> 64


def marked(session: str, trials: Iterable[Trial], player: str | None = None) -> str:
    """The id of a session that begins now, with its arms. Where players are drawn, those of nobody
    in particular are in none."""
    marks = [
        f"{_LETTERS[arm]}{_tag(trial.salt)}"
        for trial in trials
        if (unit := player if trial.unit == "Player" else session) is not None
        and (arm := drawn(unit, trial.salt, trial.percent)) != "Rest"
    ]
    return f"{session}-{''.join(marks[:MAX_MARKS])}" if marks else session


def arms_of(session: str | None, trials: Iterable[Trial]) -> Iterator[tuple[Trial, TrialArm]]:
    """The experiments that are under way and have the session in an arm. Anybody may ask for any
    id: what is none of ours, or says an arm of none of these, is in none."""
    found = _MARKED.fullmatch(session or "")
    if found is None:
        return
    marks = found[1]
    arms = {marks[at + 1 : at + _MARK]: _ARMS[marks[at]] for at in range(0, len(marks), _MARK)}
    for trial in trials:
        arm = arms.get(_tag(trial.salt))
        if arm is not None:
            yield trial, arm


def _tag(salt: str) -> str:
    """What an id calls an experiment. Two that are under way have the same once in a million."""
    return sha256(salt.encode()).hexdigest()[: _MARK - 1]
