"""What the turns of a watched session add up to."""

import pytest

from crds.observations import (
    DEADLINE_MISSES,
    FALLBACKS,
    JUDGE_PREFERENCE,
    MEMBER_ERRORS,
    MEMBER_SLOW,
)
from runtime.audit import Candidate
from runtime.audit.record import CandidateState, Watched
from runtime.sessions.tally import IN_VAIN, Mark, Tally, posted, preferred
from tests.unit.runtime.sessions.records import record


def test_one_failed_call_makes_a_session_one_with_errors() -> None:
    marks = (Mark(False, None, False), Mark(True, None, False), Mark(None, None, False))
    assert Tally(marks).values == {MEMBER_ERRORS: 1.0, FALLBACKS: 0.0, DEADLINE_MISSES: 0.0}
    assert Tally(marks[:1]).values[MEMBER_ERRORS] == 0.0


def test_slow_is_the_share_of_the_calls_of_which_it_is_known() -> None:
    marks = (
        Mark(False, True, False),
        Mark(True, None, False),
        Mark(False, False, False),
        Mark(False, False, False),
    )
    assert Tally(marks).values[MEMBER_SLOW] == 1 / 3


def test_what_is_not_known_is_left_out() -> None:
    assert Tally().values == {}
    assert Tally((Mark(None, None, True),)).values == {FALLBACKS: 1.0, DEADLINE_MISSES: 0.0}


def test_what_a_game_posts_stands_beside_it() -> None:
    assert Tally((), {"minutes-played": 14.5}).values == {"minutes-played": 14.5}


EARLY, LATE = "2026-11-24T10:05:00.000Z", "2026-11-24T10:10:00.000Z"


def test_a_window_counts_what_came_before_its_end() -> None:
    both, late = Mark(True, None, False, EARLY), Mark(None, None, True, LATE)
    metrics = {**posted({"quests": 9.0}, EARLY), **posted({"quests": 2.0, "deaths": 1.0}, LATE)}
    tally = Tally((both, late), metrics | IN_VAIN)
    assert tally.by(EARLY) == Tally((both,), {"quests": 9.0} | IN_VAIN)
    assert tally.by(LATE) == Tally((both, late), {"quests": 2.0, "deaths": 1.0} | IN_VAIN)
    assert Tally((), {"quests": 3.0}).by(EARLY).values == {"quests": 3.0}


def test_outside_of_a_rollout_the_member_is_not_told_of() -> None:
    tally = Tally((Mark(True, True, False),), {"quests": 2.0, **preferred(1, 0.5)})
    assert tally.outside == {FALLBACKS: 0.0, "quests": 2.0}
    assert tally.in_shadow.values == {JUDGE_PREFERENCE: 0.5}


def test_a_session_whose_turns_came_to_nothing_asked_all_the_same() -> None:
    assert not Tally().asked
    assert Tally((), IN_VAIN).asked
    assert Tally((), IN_VAIN).values == {}


def test_what_a_judge_prefers_is_the_mean_over_the_turns_that_were_compared() -> None:
    kept = {**preferred(1, 1.0), **preferred(2, 0.5), **preferred(5, 0.0), **preferred(5, 0.0)}
    assert Tally((), kept).values == {JUDGE_PREFERENCE: 0.5}
    assert Tally((), kept | {"fun": 2.0}).values == {JUDGE_PREFERENCE: 0.5, "fun": 2.0}


def test_a_mark_is_read_as_it_was_written() -> None:
    for mark in (
        Mark(None, None, True),
        Mark(True, False, False, LATE),
        Mark(True, True, False, LATE, True),
    ):
        assert Mark.read(mark.text) == mark
    assert Mark.read("[true, null, false]") == Mark(True, None, False)  # of an earlier version


def test_a_turn_has_a_mark_if_its_decision_is_watched() -> None:
    made = record("s-1", 1)
    assert Mark.of(made) is None
    watched = made.model_copy(update={"watched": Watched(failed=True)})
    assert Mark.of(watched) == Mark(failed=True, slow=None, fallback=False)


def test_a_declared_line_is_a_fallback_for_whatever_reason() -> None:
    made = record("s-1", 1).model_copy(update={"watched": Watched()})
    for outcome, expected in (("Fallback", True), ("Abstained", True), ("BestMember", False)):
        result = made.result.model_copy(update={"outcome": outcome})
        mark = Mark.of(made.model_copy(update={"result": result}))
        assert mark is not None
        assert mark.fallback is expected


@pytest.mark.parametrize(
    ("state", "error", "late"),
    [
        ("Failed", "Timeout: no whole answer within the time it had", True),
        ("Failed", "Refused: no", False),
        ("Cancelled", None, False),
        ("Skipped", "Timeout: it is out after failures", False),
    ],
)
def test_a_deadline_is_missed_where_a_decision_waited_for_a_member_to_its_end(
    state: CandidateState, error: str | None, late: bool
) -> None:
    made = record("s-1", 1)
    candidate = Candidate(
        member="sage", revision="a", engine="llamacpp", model="m", weight=1, state=state,
        error=error,
    )  # fmt: skip
    watched = made.model_copy(update={"watched": Watched(), "candidates": [candidate]})
    mark = Mark.of(watched)
    assert mark is not None
    assert mark.late is late
    assert Tally((Mark(None, None, False), mark)).values[DEADLINE_MISSES] == float(late)
    again = Mark.of(watched.model_copy(update={"cached_from": "d-1"}))
    assert again is not None
    assert not again.late, "nobody waits for an answer that is given again"


def test_what_is_posted_later_counts_where_it_was_waited_for() -> None:
    early, late = "2026-11-24T10:10:00.000Z", "2026-11-24T11:00:00.000Z"
    marks = (Mark(False, None, False, early), Mark(True, None, False, late))
    tally = Tally(marks, {**posted({"back": 0.0}, early), **posted({"back": 1.0}, late)})
    assert tally.by(early).values["back"] == 0.0
    assert tally.by(early, late).values == {
        MEMBER_ERRORS: 0.0, FALLBACKS: 0.0, DEADLINE_MISSES: 0.0, "back": 1.0,
    }  # fmt: skip
