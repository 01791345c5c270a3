"""What is seen of a session in an arm, and for how long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crds.routes import RouteTable
from crds.trials import Trial
from runtime.arms import arms_of, marked
from runtime.audit import Candidate
from runtime.audit.record import Try, Watched
from runtime.gateway.story.watching import (
    Window,
    begun,
    compared,
    counted,
    first_end,
    first_final,
    held,
    maturing,
    seen,
    windows,
)
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


def trial(salt: str, seconds: int) -> Trial:
    return Trial(experiment=f"of-{salt}", salt=salt, percent=50, watched_seconds=seconds)


def in_canaries(*trials: Trial) -> Session:
    """A session in the canary of the rollout and of all these."""
    for number in range(1000):
        named = marked(f"s-{number:024x}", trials)
        if [arm for _, arm in arms_of(named, trials)] == ["Canary"] * len(trials):
            return replace(SESSION, id=named)
    raise AssertionError("there is no such session")


def test_a_session_is_watched_from_its_beginning_to_the_end_of_its_window() -> None:
    assert windows(SESSION, table(), [], AT)
    assert windows(SESSION, table(), [], AT + timedelta(seconds=599.999))
    assert not windows(SESSION, table(), [], AT + timedelta(seconds=600))


def test_what_a_game_posts_counts_until_the_longest_metric_is_mature() -> None:
    slow = table(maturesSeconds=3600)
    assert not windows(SESSION, slow, [], AT + timedelta(seconds=600))
    assert maturing(SESSION, slow, [], AT + timedelta(seconds=3599.999))
    assert not maturing(SESSION, slow, [], AT + timedelta(seconds=3600))
    (entry,) = begun(SESSION, slow, [])
    assert entry.until == "2026-11-24T10:10:00.000Z"
    assert (entry.matures, entry.settled) == (
        "2026-11-24T11:00:00.000Z", "2026-11-24T11:00:02.000Z",
    )  # fmt: skip
    sooner = table(maturesSeconds=60)
    assert maturing(SESSION, sooner, [], AT + timedelta(seconds=599))
    assert not maturing(SESSION, sooner, [], AT + timedelta(seconds=600))


def test_what_is_posted_counts_where_it_matures_then_or_later() -> None:
    trials = [trial("t1", 900)]
    both = maturing(in_canaries(*trials), table(maturesSeconds=3600), trials, AT)
    assert first_end(both) == "2026-11-24T10:10:00.000Z"
    assert first_final(both) == "2026-11-24T10:15:00.000Z"


@pytest.mark.parametrize("arm", [None, "r1:Rest", "r1:Tester", "r2:Canary", "r2:Baseline"])
def test_who_is_in_neither_arm_is_not_watched(arm: str | None) -> None:
    other = replace(SESSION, arm=arm)
    assert not windows(other, table(), [trial("t1", 900)], AT)
    assert not begun(other, table(), [trial("t1", 900)])


def test_nobody_is_watched_unless_a_rollout_says_for_how_long() -> None:
    for other in (None, table(watchedSeconds=None), table().model_copy(update={"split": None})):
        assert not windows(SESSION, other, [], AT)
        assert not begun(SESSION, other, [])


def test_of_the_shadow_nothing_is_seen_but_what_a_judge_says() -> None:
    late = datetime.now(UTC).isoformat(timespec="milliseconds")
    shadow = replace(SESSION, arm="r1:Shadow", created=late)
    judged = table(shadow=SHADOW)
    assert compared(shadow, judged)
    assert not windows(shadow, judged, [])
    (entry,) = begun(replace(shadow, created=BEGUN), judged, [])
    assert (entry.arm, entry.settled) == ("Shadow", "2026-11-24T10:10:22.000Z")
    for other in (table(shadow={"percent": 10}), table(shadow=SHADOW, watchedSeconds=None)):
        assert not compared(shadow, other)
        assert not begun(shadow, other, [])
    assert not compared(replace(shadow, created=BEGUN), judged)
    assert not compared(replace(shadow, arm="r1:Canary"), judged)


def test_each_window_ends_by_itself() -> None:
    trials = [trial("t1", 900), trial("t2", 300)]
    session, whole = in_canaries(*trials), AT + timedelta(seconds=900)
    seen_at = {
        seconds: [
            (each.rollout, each.split is not None)
            for each in windows(session, table(), trials, AT + timedelta(seconds=seconds))
        ]
        for seconds in (0, 300, 600, 900)
    }
    assert seen_at == {
        0: [("r1", True), ("t1", False), ("t2", False)],
        300: [("r1", True), ("t1", False)],
        600: [("t1", False)],
        900: [],
    }
    assert first_end(windows(session, table(), trials, AT)) == "2026-11-24T10:05:00.000Z"
    assert windows(session, None, trials, AT)[0] == Window("t1", "Canary", whole)


def test_what_an_experiment_watches_counts_without_a_member() -> None:
    trials = [trial("t1", 900)]
    session = in_canaries(*trials)
    of_trial = windows(session, None, trials, AT)
    assert counted([call("Failed")], of_trial) == Watched(until="2026-11-24T10:15:00.000Z")
    of_both = windows(session, table(), trials, AT)
    assert counted([call("Failed")], of_both) == Watched(
        failed=True, until="2026-11-24T10:10:00.000Z"
    )
    assert counted([call("Failed")], []) is None


def test_the_log_says_when_each_outcome_is_due() -> None:
    entry, of_trial = begun(in_canaries(trial("t1", 900)), table(), [trial("t1", 900)])
    assert (of_trial.rollout, of_trial.arm) == ("t1", "Canary")
    assert of_trial.settled == "2026-11-24T10:15:07.000Z"
    (entry,) = begun(replace(SESSION, arm="r1:Baseline"), table(), [])
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
