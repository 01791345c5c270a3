"""Which objects an event concerns."""

from collections.abc import Iterable

import pytest

from controllers.plan import Object, Ref
from crds import API_VERSION
from operators.dependents import Dependents
from operators.triggers import Sighting, keys


def ours(kind: str, name: str) -> Ref:
    return Ref(API_VERSION, kind, "play", name)


WORLD, ENSEMBLE, BARD = (
    ours("World", "ember"),
    ours("ModelEnsemble", "council"),
    ours("Storyteller", "bard"),
)
IDEA, OTHER = ours("EvolutionExperiment", "idea"), ours("EvolutionExperiment", "other")
LORE = Ref("v1", "ConfigMap", "play", "lore")


@pytest.fixture
def dependents() -> Dependents:
    known = Dependents()
    known.remember(WORLD, [LORE])
    known.remember(ENSEMBLE, [WORLD])
    known.remember(IDEA, [WORLD])
    known.remember(OTHER, [WORLD])
    known.remember(BARD, [WORLD, ENSEMBLE, LORE])
    return known


def obj(ref: Ref, world: str | None = None, **labels: str) -> Object:
    spec = {"spec": {"worldRef": world}} if world else {}
    names = {key.replace("_", "/").replace("dev", "fabula.dev"): v for key, v in labels.items()}
    metadata = {"namespace": ref.namespace, "name": ref.name, "labels": names}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, **spec}


def child(kind: str, **labels: str) -> Object:
    return obj(Ref("apps/v1", kind, "play", "x"), **labels)


@pytest.mark.parametrize(
    ("seen", "looked_at"),
    [
        (obj(WORLD), {WORLD, ENSEMBLE, BARD, IDEA, OTHER}),
        (obj(ENSEMBLE, "ember"), {ENSEMBLE, BARD, WORLD}),
        (obj(BARD, "ember"), {BARD, WORLD}),
        (obj(LORE), {WORLD, BARD}),
        (obj(Ref("v1", "ConfigMap", "play", "other")), set()),
        (obj(Ref("v1", "ConfigMap", "elsewhere", "lore")), set()),
        (child("Deployment", dev_ensemble="council"), {ENSEMBLE}),
        (child("StatefulSet", dev_storyteller="bard"), {BARD}),
        (child("Deployment", dev_world="ember"), {WORLD}),
        (child("Deployment"), set()),
        (obj(IDEA, "ember"), {IDEA, OTHER, WORLD, BARD}),
        (child("ConfigMap", dev_experiment="idea"), {IDEA}),
    ],
)
def test_an_event_leads_to_everything_it_may_change(
    seen: Object, looked_at: Iterable[Ref], dependents: Dependents
) -> None:
    assert keys(Sighting.of(seen), dependents) == looked_at


def test_a_world_that_is_left_is_looked_at_as_well_as_the_one_joined(
    dependents: Dependents,
) -> None:
    moved = keys(Sighting.of(obj(ENSEMBLE, "frost")), dependents)
    assert {WORLD, ours("World", "frost")} <= moved


def test_a_first_sighting_needs_no_memory() -> None:
    found = keys(Sighting.of(obj(BARD, "ember")), Dependents())
    assert found == {BARD, WORLD}


def test_what_is_gone_depends_on_nothing(dependents: Dependents) -> None:
    dependents.forget(BARD)
    assert dependents.of(LORE) == {WORLD}
    dependents.forget(BARD)


def test_new_references_replace_old_ones(dependents: Dependents) -> None:
    dependents.remember(BARD, [ENSEMBLE])
    assert BARD not in dependents.of(WORLD)
    assert dependents.of(ENSEMBLE) == {BARD}


def test_an_object_without_a_spec_or_labels_is_no_trouble() -> None:
    odd = obj(WORLD)
    odd["metadata"]["labels"] = None
    assert keys(Sighting.of({**odd, "spec": None}), Dependents()) == {WORLD}
