"""Templates that an experiment changes: what holds, what is tried, and what keeps it from that."""

from collections.abc import Mapping, Sequence

from controllers import templates
from controllers.delivery.plan import PlanError
from controllers.observed import ExperimentObserved
from controllers.plan import Object
from controllers.texts import MissingTextError, text
from crds.experiment import ChangeStatus, EvolutionExperimentSpec
from crds.storyteller import PromptStatus, Storyteller
from crds.templates import MAX_TEMPLATE, TRIED_AT_ONCE, TriedTemplate


class NotYetError(Exception):
    """What it needs is not there yet; the message says what to do."""


def changes(
    spec: EvolutionExperimentSpec, teller: Storyteller | None, config_maps: Mapping[str, Object]
) -> list[ChangeStatus]:
    """What is changed, from what.

    Args:
        spec: of the experiment.
        teller: the Storyteller that it names, if that is there and in its World.
        config_maps: live ones by name.

    Raises:
        PlanError: it may not run.
        NotYetError: what it needs is not there.
    """
    found = []
    for at, each in enumerate(spec.changes):
        change = each.prompt
        if change is None:
            continue
        field = f"spec.changes[{at}]"
        if teller is None:
            raise NotYetError(
                f"{field} names Storyteller {change.storyteller}, which is not there with worldRef "
                f"{spec.world_ref}; create it"
            )
        holds = _holding(teller).get(change.name)
        if holds is None:
            raise NotYetError(f"Storyteller {change.storyteller} was not looked at yet")
        try:
            words = text(change.config_map_ref, f"{field}.prompt.configMapRef", config_maps)
        except MissingTextError as missing:
            raise NotYetError(missing.message) from missing
        if len(words) > MAX_TEMPLATE:
            raise PlanError(
                f"{field}: ConfigMap {change.config_map_ref.name} has {len(words)} characters; a "
                f"template may have {MAX_TEMPLATE}"
            )
        value = templates.digest(words)
        if value == holds.digest:
            raise PlanError(
                f"{field}: {change.name} is this text already, so there is nothing to try"
            )
        looked = _looked(teller, change.name, value)
        if looked and looked.refused:
            raise PlanError(f"{field}: {looked.refused}")
        found.append(
            ChangeStatus(
                target=templates.target(change.storyteller, change.name),
                before=holds.digest or templates.SHIPPED,
                value=value,
                spec_digest=holds.spec_digest or templates.SHIPPED,
            )
        )
    return found


def unseen(
    changes: Sequence[ChangeStatus], teller: Storyteller, running: Sequence[ChangeStatus]
) -> str | None:
    """What it waits for before its first session: a gateway has to have read the templates, those
    apart that it runs with."""
    known = {(each.target, each.value) for each in running}
    for each in changes:
        name = templates.name_of(each.target)
        if (each.target, each.value) in known or name is None:
            continue
        if _looked(teller, name, each.value) is None:
            return (
                f"a gateway of Storyteller {teller.metadata.name} has to look at {name} first; of "
                f"experiments they read {TRIED_AT_ONCE} templates at a time, the oldest first"
            )
    return None


def refusal(change: ChangeStatus, seen: ExperimentObserved) -> str | None:
    """Why the Storyteller does not take this over; None: it does, or has."""
    if seen.teller is None:
        return f"{change.target}: its Storyteller is gone"
    name = templates.name_of(change.target)
    tried = next(
        each.prompt
        for each in seen.experiment.spec.changes
        if each.prompt and each.prompt.name == name
    )
    try:
        words = text(tried.config_map_ref, "", seen.config_maps)
    except MissingTextError:
        words = ""
    if templates.digest(words) != change.value:
        return f"{change.target}: the text that was proven is not there any more"
    holds = _holding(seen.teller).get(tried.name)
    if holds and (holds.spec_digest or templates.SHIPPED) != change.spec_digest:
        return f"{change.target}: what it stands in for was edited"
    return None


def _holding(teller: Storyteller) -> dict[str, PromptStatus]:
    return {each.name: each for each in teller.status.prompts}


def _looked(teller: Storyteller, name: str, value: str) -> TriedTemplate | None:
    known = ((each.name, each.digest, each) for each in teller.status.tried)
    return next((each for its, digest, each in known if (its, digest) == (name, value)), None)
