"""A rollout's arms are kept, for newcomers only, until it ends."""

from collections import Counter
from math import sqrt

from hypothesis import given
from hypothesis import strategies as st

from crds.routes import RouteTable, Served, Shadowing, Split
from runtime.arms import drawn
from runtime.gateway.story.arms import assigned, in_canary, recorded

SESSIONS = 100_000
WAY = Served(revision="0000000b", engine="llamacpp", model="small", url="http://b")


def split(percent: int, salt: str = "s1") -> Split:
    return Split(salt=salt, member="oracle", percent=percent, canary=[WAY])


def table(tried: Split | None) -> RouteTable:
    return RouteTable(
        ensemble="narrators",
        generation=1,
        timeout_seconds=5,
        minimum_votes=1,
        when_no_quorum="BestMember",
        routes=[],
        split=tried,
    )


@given(st.text(max_size=40), st.integers(0, 50), st.integers(0, 50))
def test_what_is_kept_holds_whatever_the_shares_become(session: str, one: int, other: int) -> None:
    before, after = table(split(one)), table(split(other))
    kept = assigned(session, before)
    assert recorded(kept, after) == recorded(kept, before)
    assert in_canary(kept, after) == in_canary(kept, before)


def test_the_end_of_a_rollout_is_the_end_of_its_arms() -> None:
    kept = next(
        found
        for number in range(1000)
        if in_canary(found := assigned(f"s-{number}", table(split(5))), table(split(5)))
    )
    assert not in_canary(kept, table(None))
    assert not in_canary(kept, table(split(50, "s2")))
    assert recorded(kept, table(split(50, "s2"))) == {}
    assert recorded(kept, table(split(0))) == {"rollout": "s1", "arm": "Canary"}


def test_who_began_before_is_in_no_arm() -> None:
    kept = assigned("s-1", table(None))
    assert kept is None
    assert not in_canary(kept, table(split(50)))
    assert recorded(kept, table(split(50))) == {}


def test_the_shadow_is_a_share_of_the_rest_and_takes_nothing_from_the_arms() -> None:
    plain, shadowed = split(10), split(10).model_copy(update={"shadow": Shadowing(percent=25)})
    units = [f"s-{number:024x}" for number in range(SESSIONS)]
    kept = [assigned(unit, table(shadowed), shadow=True) for unit in units]
    counts = Counter(arm and arm.removeprefix("s1:") for arm in kept)
    for unit, arm in zip(units, kept, strict=True):
        told = "Rest" if arm == "s1:Shadow" else str(arm).removeprefix("s1:")
        assert told == drawn(unit, plain.salt, plain.percent)
    rest = counts["Rest"] + counts["Shadow"]
    assert abs(counts["Shadow"] / rest - 0.25) <= 4 * sqrt(0.25 * 0.75 / rest)
    assert not in_canary("s1:Shadow", table(shadowed))
    assert assigned(units[0], table(shadowed)) in {"s1:Canary", "s1:Baseline", "s1:Rest"}


@given(st.text(max_size=40), st.integers(0, 50))
def test_a_tester_is_told_by_the_new_revision_whatever_is_drawn(unit: str, percent: int) -> None:
    named = split(percent).model_copy(update={"testers": ["ann"], "players": ["Mara"]})
    for tester, player in (("ann", None), (None, "Mara"), ("bob", "Mara")):
        kept = assigned(unit, table(named), tester, player, shadow=True)
        assert kept == "s1:Tester"
        assert in_canary(kept, table(named))
    kept = assigned(unit, table(named), "bob", "ann")
    assert kept == assigned(unit, table(split(percent)))
