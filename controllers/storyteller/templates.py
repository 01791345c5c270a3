"""Which templates the members of a Storyteller are told by: those of its spec, those that
experiments proved, which stand in its status until somebody edits what they stand in for, and those
that experiments try in some sessions.

The texts of what was proven are kept in a ConfigMap of its own, so that neither the experiment nor
its ConfigMap has to stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controllers import templates
from controllers.observed import StorytellerObserved
from controllers.plan import Event, Object
from controllers.pods import child
from controllers.storyteller.workload import labels
from controllers.texts import MissingTextError, text, texts
from crds.experiment import RUNNING, EvolutionExperiment
from crds.storyteller import PromptStatus
from crds.templates import MAX_TEMPLATE, TRIED_AT_ONCE, Template, TriedTemplate
from crds.world import Promoted

_ENDED = {"Promoted", "RolledBack", "Inconclusive"}


def config_map_name(storyteller: str) -> str:
    """The ConfigMap with what was proven."""
    return f"{storyteller}-promoted"


@dataclass(frozen=True)
class Held:
    """What members are told by, and what there is to say of it."""

    #: By name; one that is not there is the one that ships.
    texts: Mapping[str, str] = field(default_factory=dict)
    #: What gateways read for experiments.
    tried: tuple[Template, ...] = ()
    #: Texts of what was proven, by name.
    proven: Mapping[str, str] = field(default_factory=dict)
    promoted: tuple[Promoted, ...] = ()
    events: tuple[Event, ...] = ()
    #: Digests of what the spec says, by name.
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[PromptStatus]:
        """The same for the status."""
        return [self._shown(name) for name in templates.NAMES]

    def _shown(self, name: str) -> PromptStatus:
        holds = self.texts.get(name)
        source = "Default" if holds is None else "ConfigMap"
        return PromptStatus.model_validate(
            {
                "name": name,
                "source": "Promoted" if name in self.proven else source,
                "digest": None if holds is None else templates.digest(holds),
                "spec_digest": self.declared.get(name),
            }
        )


def hold(seen: StorytellerObserved) -> Held:
    """Drop what the spec overrules, and take over what experiments ask for: of one all or nothing.

    Raises:
        MissingTextError: the ConfigMap that the spec names is not there.
    """
    said: dict[str, str] = {}
    if ref := seen.storyteller.spec.prompts:
        name = ref.config_map_ref.name
        said = texts(name, "spec.prompts.configMapRef", seen.config_maps)
    declared = {name: templates.digest(words) for name, words in said.items()}
    offers = [(each, _offered(each, seen)) for each in _in_turn(seen)]
    asked: dict[str, tuple[Promoted, str]] = {}
    for experiment, offered in offers:
        asked |= _asked(experiment, offered, declared)
    kept: dict[str, tuple[Promoted, str]] = {}
    events: list[Event] = []
    stored = _stored(seen)
    for entry in seen.storyteller.status.promoted:
        name = templates.name_of(entry.target) or ""
        words = stored.get(name, "")
        why = None
        if declared.get(name, templates.SHIPPED) != entry.spec_digest:
            why = "what it stands in for was edited"
        elif templates.digest(words) != entry.value:
            why = f"its text in ConfigMap {config_map_name(seen.storyteller.metadata.name)} is gone"
        if why is None:
            kept[name] = entry, words
        elif name not in asked:
            message = (
                f"{entry.target}: {why}, so {entry.value}, which experiment {entry.experiment} "
                "promoted, does not hold any more"
            )
            events.append(Event("Normal", "PromotionOverruled", message))
    for name, (entry, words) in asked.items():
        if kept.get(name) != (entry, words):
            message = f"everyone is told by {entry.target} of {entry.experiment}, which proved it"
            events.append(Event("Normal", "PromotionTaken", message))
        kept[name] = entry, words
    proven = {name: words for name, (_, words) in kept.items()}
    tried = {(each.name, each.digest): each for _, offered in offers for each in offered}
    return Held(
        texts=said | proven,
        tried=tuple(tried.values())[:TRIED_AT_ONCE],
        proven=proven,
        promoted=tuple(entry for _, (entry, _) in sorted(kept.items())),
        events=tuple(events),
        declared={name: declared[name] for name in templates.NAMES if name in declared},
    )


def looked_at(seen: StorytellerObserved, held: Held) -> list[TriedTemplate]:
    """What the gateways say of those that are tried: one that refuses counts. What none says now
    stands as it was."""
    now = [one for report in seen.reports.values() for one in report.tried]
    found = []
    for each in held.tried:
        for said in (now, seen.storyteller.status.tried):
            answers = [one for one in said if (one.name, one.digest) == (each.name, each.digest)]
            if answers:
                found.append(next((one for one in answers if one.refused), answers[0]))
                break
    return found


def config_map(seen: StorytellerObserved, held: Held, owners: list[Object]) -> list[Object]:
    """The ConfigMap with what was proven; empty when nothing is any more, and none before."""
    meta = seen.storyteller.metadata
    name = config_map_name(meta.name)
    if not held.proven and seen.children.owned_by(meta.uid).get("ConfigMap", name) is None:
        return []
    return [
        child(
            "v1",
            "ConfigMap",
            name,
            meta.namespace,
            labels=labels(meta.name),
            owners=owners,
            data=dict(held.proven),
        )
    ]


def _stored(seen: StorytellerObserved) -> Mapping[str, str]:
    meta = seen.storyteller.metadata
    found = seen.children.owned_by(meta.uid).get("ConfigMap", config_map_name(meta.name))
    return (found or {}).get("data") or {}


def _in_turn(seen: StorytellerObserved) -> list[EvolutionExperiment]:
    """The experiments on its templates: those that run, then those that want to, by age."""
    meta = seen.storyteller.metadata
    found = [
        each
        for each in seen.experiments
        if each.spec.storyteller == meta.name
        and each.status.phase not in _ENDED
        and not each.metadata.deletion_timestamp
    ]
    under_way = (*RUNNING, "Promoting")
    return sorted(
        found,
        key=lambda each: (
            each.status.phase not in under_way,
            each.metadata.creation_timestamp,
            each.metadata.name,
        ),
    )


def _offered(experiment: EvolutionExperiment, seen: StorytellerObserved) -> list[Template]:
    """Its templates, as far as they are there."""
    found = []
    for change in experiment.spec.changes:
        if change.prompt is None:
            continue
        try:
            words = text(change.prompt.config_map_ref, "", seen.config_maps)
        except MissingTextError:
            continue
        if len(words) <= MAX_TEMPLATE:
            name = change.prompt.name
            found.append(Template(name=name, digest=templates.digest(words), text=words))
    return found


def _asked(
    experiment: EvolutionExperiment, offered: list[Template], declared: Mapping[str, str]
) -> dict[str, tuple[Promoted, str]]:
    """What it asks to be taken over, by name; nothing where one of it cannot be."""
    status = experiment.status
    if status.phase != "Promoting" or status.salt is None:
        return {}
    found: dict[str, tuple[Promoted, str]] = {}
    for change in status.changes:
        name = templates.name_of(change.target)
        words = next(
            (one.text for one in offered if (one.name, one.digest) == (name, change.value)), None
        )
        if (
            name is None
            or words is None
            or declared.get(name, templates.SHIPPED) != change.spec_digest
        ):
            return {}
        entry = Promoted(
            target=change.target,
            value=change.value,
            experiment=experiment.metadata.name,
            salt=status.salt,
            spec_digest=change.spec_digest,
        )
        found[name] = entry, words
    return found
