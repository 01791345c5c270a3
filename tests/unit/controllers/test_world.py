"""A World is ready when everything that belongs to it is."""

from controllers.observed import WorldObserved
from controllers.plan import Object
from controllers.world import plan
from tests.unit.controllers.builders import DEFAULTS, NOW, condition, ensemble, storyteller, world


def ready(status: str = "True", generation: int = 1) -> Object:
    return {
        "conditions": [
            {
                "type": "Ready",
                "status": status,
                "reason": "R",
                "message": "because",
                "lastTransitionTime": "2026-11-23T11:00:00Z",
                "observedGeneration": generation,
            }
        ]
    }


def test_an_empty_world_says_how_to_join_it() -> None:
    result = plan(WorldObserved(world(), DEFAULTS), NOW)
    assert condition(result).reason == "Empty"
    assert "spec.worldRef: emberfall" in condition(result).message


def test_a_world_is_ready_when_all_in_it_are() -> None:
    seen = WorldObserved(
        world(), DEFAULTS, (ensemble(status=ready()),), (storyteller(status=ready()),)
    )
    result = plan(seen, NOW)
    assert condition(result).status == "True"
    assert result.status is not None


def test_a_world_names_what_is_not_ready_and_why() -> None:
    seen = WorldObserved(
        world(), DEFAULTS, (ensemble(status=ready("False")),), (storyteller(status=ready()),)
    )
    message = condition(plan(seen, NOW)).message
    assert message == "ModelEnsemble narrators: because"


def test_ready_of_an_older_spec_does_not_count() -> None:
    seen = WorldObserved(world(), DEFAULTS, (ensemble(status=ready(generation=0)),))
    assert condition(plan(seen, NOW)).status == "False"


def test_missing_lore_is_named() -> None:
    seen = WorldObserved(world(lore={"configMapRef": {"name": "lore"}}), DEFAULTS)
    assert condition(plan(seen, NOW)).reason == "ConfigMapNotFound"


def test_times_move_only_when_the_status_does() -> None:
    old = ready()
    seen = WorldObserved(world(status=old), DEFAULTS, (ensemble(status=ready()),))
    assert condition(plan(seen, NOW)).last_transition_time == "2026-11-23T11:00:00Z"
    seen = WorldObserved(world(status=old), DEFAULTS, (ensemble(status=ready("False")),))
    assert condition(plan(seen, NOW)).last_transition_time == "2026-11-23T12:00:00Z"
