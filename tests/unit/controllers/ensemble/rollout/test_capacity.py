"""How replicas are divided while a revision takes another's place, whatever dies in between."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.ensemble.rollout.capacity import Fleet, divide, handed, spare, tried


@pytest.mark.parametrize(
    ("replicas", "percent", "needed"),
    [(1, 5, 1), (1, 50, 1), (4, 5, 1), (4, 50, 2), (5, 50, 3), (100, 10, 10), (0, 50, 0)],
)
def test_a_canary_has_replicas_for_its_share(replicas: int, percent: int, needed: int) -> None:
    assert tried(replicas, percent) == needed


@given(st.integers(1, 100), st.integers(0, 1), st.integers(1, 50))
def test_there_is_always_a_place_for_what_a_revision_needs_before_it_goes_on(
    replicas: int, surge: int, percent: int
) -> None:
    """With one replica and no surge there is none, which is why that is refused."""
    if replicas + surge > 1:
        assert tried(replicas, percent) <= handed(replicas, surge) < replicas + surge
    assert spare(replicas, surge) <= surge
    assert handed(replicas, surge) <= replicas


def test_places_are_given_up_before_they_are_taken() -> None:
    """Without surge: one leaves, one is gone, one comes."""
    old, new = Fleet(asked=2, ready=2, pods=2, wanted=1), Fleet(wanted=1)
    assert divide({"old": old, "new": new}, 2, 1, ()) == {"old": 1, "new": 0}
    leaving = replace(old, asked=1, ready=1)
    assert divide({"old": leaving, "new": new}, 2, 1, ()) == {"old": 1, "new": 0}
    gone = replace(leaving, pods=1)
    assert divide({"old": gone, "new": new}, 2, 1, ()) == {"old": 1, "new": 1}


def test_what_is_not_ready_is_taken_down_first() -> None:
    old, new = Fleet(asked=2, ready=1, pods=2, wanted=1), Fleet(wanted=1)
    assert divide({"old": old, "new": new}, 2, 1, ())["old"] == 1


def test_what_gateways_may_still_ask_keeps_a_replica() -> None:
    new, old = Fleet(asked=1, ready=1, pods=1, wanted=2), Fleet(asked=1, ready=1, pods=1)
    assert divide({"new": new, "old": old}, 2, 1, ()) == {"new": 1, "old": 1}
    assert divide({"new": new, "old": old}, 2, 1, {"old"}) == {"new": 1, "old": 0}


def test_what_nobody_asks_does_not_stand_in_the_way_of_what_is_down() -> None:
    stable = Fleet(asked=1, ready=0, pods=1, wanted=2)
    idle = Fleet(asked=1, ready=1, pods=1)
    assert divide({"stable": stable, "idle": idle}, 2, 1, {"idle"})["idle"] == 0
    alive = replace(stable, ready=1)
    assert divide({"stable": alive, "idle": idle}, 2, 2, {"idle"})["idle"] == 1


FLEETS = st.builds(
    lambda asked, ready, late, wanted: Fleet(asked, min(asked, ready), asked + late, wanted),
    *(st.integers(0, 6) for _ in range(4)),
)


@given(st.lists(FLEETS, min_size=1, max_size=3), st.integers(1, 6), st.integers(0, 1))
def test_a_look_never_takes_what_is_needed_nor_makes_more_than_fits(
    found: list[Fleet], replicas: int, surge: int
) -> None:
    """Of pods that are there the worst ones are ready by chance; a Deployment spares those."""
    fleets = {str(at): fleet for at, fleet in enumerate(found)}
    most, least = replicas + surge, replicas - 1 + surge
    quiet = {rev for rev, fleet in fleets.items() if not fleet.wanted}
    counts = divide(fleets, most, least, quiet)

    def pods(rev: str) -> int:
        return max(counts[rev], fleets[rev].pods)

    def ready(rev: str) -> int:
        return min(counts[rev], fleets[rev].ready)

    before = sum(max(f.asked, f.pods) for f in found)
    assert sum(map(pods, fleets)) <= max(most, before)
    if any(fleets[rev].ready for rev in fleets if rev not in quiet):
        assert sum(map(ready, fleets)) >= min(least, sum(f.ready for f in found))
    for rev, fleet in fleets.items():
        between = sorted((fleet.asked, fleet.wanted))
        assert between[0] <= counts[rev] <= between[1], "it goes towards what is wanted"
