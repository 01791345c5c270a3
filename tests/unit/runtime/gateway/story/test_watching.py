"""What is seen of a session in an arm, and for how long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crds.routes import RouteTable
from runtime.audit import Candidate
from runtime.audit.record import Try, Watched
from runtime.gateway.story.watching import begun, compared, held, seen, window
from runtime.sessions import Session

BEGUN = "2026-11-24T10:00:00.000Z"
AT = datetime.fromisoformat(BEGUN)
SHADOW = {"percent": 10, "judge": "jester"}
SESSION = Session("s-1", BEGUN, None, None, arm="r1:Canary")


def table(**changes: Any) -> RouteTable:
    split = {"salt": "r1", "member": "oracle", "percent": 5, "watchedSeconds": 600, **changes}
    return RouteTable.model_validate(
        {
            "ensemble": "narrators",
            "generation": 7,
            "timeoutSeconds": 5,
            "minimumVotes": 1,
            "whenNoQuorum": "Fallback",
            "routes": [],
            "split": split,
        }
    )


def call(state: str, latency_ms: int = 100, **more: Any) -> Candidate:
    return Candidate.model_validate(
        {
            "member": "oracle",
            "revision": "a",
            "engine": "llamacpp",
            "model": "small",
            "weight": 4,
            "state": state,
            "latency_ms": latency_ms,
            **more,
        }
    )


def test_a_session_is_watched_from_its_beginning_to_the_end_of_its_window() -> None:
    assert window(SESSION, table(), AT) is not None
    assert window(SESSION, table(), AT + timedelta(seconds=599.999)) is not None
    assert window(SESSION, table(), AT + timedelta(seconds=600)) is None


@pytest.mark.parametrize("arm", [None, "r1:Rest", "r1:Tester", "r2:Canary", "r2:Baseline"])
def test_who_is_in_neither_arm_is_not_watched(arm: str | None) -> None:
    other = replace(SESSION, arm=arm)
    assert window(other, table(), AT) is None
    assert begun(other, table()) is None


def test_nobody_is_watched_unless_a_rollout_says_for_how_long() -> None:
    for other in (None, table(watchedSeconds=None), table().model_copy(update={"split": None})):
        assert window(SESSION, other, AT) is None
        assert begun(SESSION, other) is None


def test_of_the_shadow_nothing_is_seen_but_what_a_judge_says() -> None:
    late = datetime.now(UTC).isoformat(timespec="milliseconds")
    shadow = replace(SESSION, arm="r1:Shadow", created=late)
    judged = table(shadow=SHADOW)
    assert compared(shadow, judged)
    assert window(shadow, judged) is None
    entry = begun(replace(shadow, created=BEGUN), judged)
    assert entry is not None
    assert (entry.arm, entry.settled) == ("Shadow", "2026-11-24T10:10:22.000Z")
    for other in (table(shadow={"percent": 10}), table(shadow=SHADOW, watchedSeconds=None)):
        assert not compared(shadow, other)
        assert begun(shadow, other) is None
    assert not compared(replace(shadow, created=BEGUN), judged)
    assert not compared(replace(shadow, arm="r1:Canary"), judged)


def test_the_log_says_when_the_outcome_is_due() -> None:
    entry = begun(replace(SESSION, arm="r1:Baseline"), table())
    assert entry is not None
    assert (entry.session, entry.rollout, entry.arm, entry.time) == (
        "s-1", "r1", "Baseline", BEGUN,
    )  # fmt: skip
    assert (entry.until, entry.settled) == ("2026-11-24T10:10:00.000Z", "2026-11-24T10:10:07.000Z")


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (call("Answered"), Watched(failed=False, slow=False)),
        (call("Answered", 501), Watched(failed=False, slow=True)),
        (call("Failed"), Watched(failed=True)),
        (call("Failed", 900), Watched(failed=True, slow=True)),
        (call("Cancelled"), Watched()),
        (call("Cancelled", 501), Watched(slow=True)),
        (call("Skipped", error="NotReady: its circuit is open"), Watched(failed=True)),
        (call("Skipped", error="Budget: the day is spent"), Watched()),
        (call("Answered", member="jester"), Watched()),
    ],
)
def test_what_a_call_counts_as(candidate: Candidate, expected: Watched) -> None:
    split = table(slowAboveMs=500).split
    assert split is not None
    assert seen([candidate], split) == expected


def test_nothing_is_slow_where_no_target_is_set() -> None:
    split = table().split
    assert split is not None
    assert seen([call("Answered", 10**6)], split) == Watched(failed=False)
    assert seen([], split) == Watched()


def test_what_counts_is_the_first_request_whoever_stood_in() -> None:
    split = table(slowAboveMs=500).split
    assert split is not None
    first = Try(revision="a", model="small", state="Failed", latency_ms=40)
    second = Try(revision="b", model="small", state="Answered", latency_ms=700, because="Failed")
    stood_in = call("Answered", 740, tries=[first, second])
    assert seen([stood_in], split) == Watched(failed=True)


def test_a_vote_waits_until_the_call_is_slow() -> None:
    for above, seconds in ((500, 0.501), (None, None)):
        split = table(slowAboveMs=above).split
        assert split is not None
        assert held(split).seconds == seconds
