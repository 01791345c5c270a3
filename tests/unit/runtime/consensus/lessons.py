"""Made-up decisions to learn from."""

import random
from collections.abc import Mapping

from runtime.consensus.evidence import Evidence, Heard

TODAY = 20_000
TRUTH = "open"


def heard(
    answers: Mapping[str, str | None],
    *,
    task: str = "gate",
    day: int = TODAY,
    options: int = 2,
    decision: str | None = TRUTH,
    stated: Mapping[str, int] | None = None,
) -> Heard:
    """A complete decision."""
    return Heard(task, day, options, answers, decision, stated or {})


def taught(
    accuracies: Mapping[str, float],
    number: int,
    *,
    together: float = 0.0,
    task: str = "gate",
    day: int = TODAY,
    options: int = 2,
    ensemble: float = 1.0,
) -> Evidence:
    """Evidence of so many decisions. ``together``: how often one and the same draw decides who of
    all is wrong, instead of one each. ``ensemble``: how often the decision was right."""
    rng = random.Random(f"{accuracies} {together} {task}")
    evidence = Evidence()
    for _ in range(number):
        common = rng.random() if rng.random() < together else None
        answers: dict[str, str | None] = {
            name: TRUTH if (rng.random() if common is None else common) < right else "shut"
            for name, right in accuracies.items()
        }
        decision = TRUTH if rng.random() < ensemble else "shut"
        each = heard(answers, task=task, day=day, options=options, decision=decision)
        evidence.learn(each)
        evidence.learn(each, TRUTH)
    return evidence
