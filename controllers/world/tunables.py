"""Which value every tunable has, and how far something autonomous may change it."""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal

from controllers.conditions import Verdict, clip
from crds.tunables import Tunable, value_of
from crds.world import EffectiveTunable


def served(tunables: Sequence[Tunable]) -> tuple[Tunable, ...]:
    """Those that games can be given. Of the others the game's own default holds."""
    return tuple(tunable for tunable in tunables if _broken(tunable) is None)


def unusable(tunables: Sequence[Tunable]) -> Verdict | None:
    """What to say of those that cannot be served: CEL cannot read JSON."""
    faults = [
        f"spec.tunables[{tunable.name}].default: {why}"
        for tunable in tunables
        if (why := _broken(tunable))
    ]
    if not faults:
        return None
    return Verdict(
        False,
        "TunableInvalid",
        f"{'; '.join(faults[:3])}; correct it: until then games get their own default and the "
        "other tunables are served",
        stalled=True,
    )


def shown(declared: Sequence[Tunable], holding: Sequence[Tunable]) -> list[EffectiveTunable]:
    """What games read, by name, for the status.

    Args:
        declared: as the spec has them.
        holding: those that are served, with the values that hold.
    """
    defaults = {each.name: each.default for each in declared}
    return [
        EffectiveTunable(
            name=each.name,
            value=clip(each.default, 128),
            source="Default" if each.default == defaults[each.name] else "Promoted",
        )
        for each in sorted(holding, key=lambda each: each.name)
    ]


def digest(tunables: Sequence[Tunable]) -> str:
    """12 hex digits that change with a value, a type, or what there is."""
    values = sorted((each.name, each.type, each.default) for each in tunables)
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]


def change_fault(tunable: Tunable, text: str) -> str | None:
    """Why something autonomous may not give the tunable this value; None: it may.

    People change `default` as they please: CEL holds them to type, bounds and choices alone.
    """
    field = f"tunable {tunable.name}"
    if tunable.locked:
        return f"{field} is locked; a person may change its default"
    if fault := value_fault(tunable, text):
        return fault
    step = tunable.bounds.max_step if tunable.bounds else None
    if step is not None and abs(Decimal(text) - Decimal(tunable.default)) > Decimal(step):
        return f"{field} may move by at most bounds.maxStep, {step}, from {tunable.default}"
    return None


def value_fault(tunable: Tunable, text: str) -> str | None:
    """Why the tunable may not have this value, whoever gives it; None: it may."""
    field = f"tunable {tunable.name}"
    try:
        value_of(tunable.type, text)
    except ValueError as error:
        return f"{field} is of type {tunable.type}: {error}"
    if tunable.one_of is not None and text not in tunable.one_of:
        return f"{field} may be one of {', '.join(tunable.one_of)}"
    bounds = tunable.bounds
    if bounds is None:
        return None
    if bounds.min is not None and Decimal(text) < Decimal(bounds.min):
        return f"{field} may not be below bounds.min, {bounds.min}"
    if bounds.max is not None and Decimal(text) > Decimal(bounds.max):
        return f"{field} may not be above bounds.max, {bounds.max}"
    return None


def _broken(tunable: Tunable) -> str | None:
    try:
        value_of(tunable.type, tunable.default)
    except ValueError as error:
        return str(error)
    return None
