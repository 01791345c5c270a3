"""The vote: what wins, what a quorum is, and that stopping early never changes the result."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus import Ballot, Rules, is_settled, settle

DISCRETE = Rules(minimum_votes=2, when_no_quorum="BestMember", choices=3)


def ballots(*votes: tuple[int, str | None]) -> list[Ballot]:
    return [Ballot(f"m{at}", weight, answer) for at, (weight, answer) in enumerate(votes)]


def test_the_largest_sum_of_weights_wins() -> None:
    verdict = settle(ballots((3, "a"), (2, "b"), (2, "b")), DISCRETE)
    assert (verdict.outcome, verdict.answer, verdict.member) == ("Vote", "b", "m1")
    assert (verdict.confidence, verdict.agreement) == (0.5714, 0.5714)


def test_a_tie_goes_to_the_answer_whose_first_supporter_stands_first() -> None:
    assert settle(ballots((4, "b"), (4, "a"), (0, "a")), DISCRETE).answer == "b"


def test_silence_lowers_confidence_and_not_agreement() -> None:
    verdict = settle(ballots((4, "a"), (2, "a"), (4, None)), DISCRETE)
    assert (verdict.confidence, verdict.agreement) == (0.6, 1.0)


def test_a_member_of_weight_zero_decides_nothing_and_makes_no_quorum() -> None:
    verdict = settle(ballots((0, "a"), (0, "a"), (1, "b")), DISCRETE)
    assert (verdict.outcome, verdict.answer) == ("BestMember", "b")


def test_without_a_quorum_the_heaviest_member_decides() -> None:
    rules = replace(DISCRETE, minimum_votes=4)
    verdict = settle(ballots((4, "a"), (3, "b"), (3, "b"), (1, None)), rules)
    assert (verdict.outcome, verdict.answer, verdict.member) == ("BestMember", "a", "m0")


def test_without_a_quorum_the_fallback_is_taken_where_declared() -> None:
    rules = replace(DISCRETE, when_no_quorum="Fallback")
    verdict = settle(ballots((4, "a"), (3, None)), rules)
    assert (verdict.outcome, verdict.answer, verdict.confidence) == ("Fallback", None, 0.0)


@pytest.mark.parametrize("rules", [DISCRETE, replace(DISCRETE, when_no_quorum="Fallback")])
def test_without_any_answer_it_is_the_fallback(rules: Rules) -> None:
    assert settle(ballots((4, None)), rules).outcome == "Fallback"


def test_prose_takes_the_words_of_the_heaviest_member() -> None:
    rules = replace(DISCRETE, choices=None)
    verdict = settle(ballots((2, "x"), (4, "y"), (2, "x")), rules)
    assert (verdict.outcome, verdict.member) == ("Vote", "m1")


def test_two_of_three_equal_heavy_votes_end_the_poll() -> None:
    two = ballots((4, "a"), (4, "a"), (2, None))
    assert is_settled(two, {"m2"}, DISCRETE)


def test_a_member_that_could_tip_the_scale_is_waited_for() -> None:
    two = ballots((4, "a"), (3, "b"), (2, None))
    assert not is_settled(two, {"m2"}, DISCRETE)


RULES = st.builds(
    Rules,
    minimum_votes=st.integers(1, 4),
    when_no_quorum=st.sampled_from(["BestMember", "Fallback"]),
    choices=st.sampled_from([None, 2, 3]),
)


@st.composite
def polls(draw: st.DrawFn) -> tuple[Rules, list[Ballot], set[str]]:
    """A poll under way: some have answered, some failed, some are waited for."""
    rules = draw(RULES)
    members = draw(st.integers(1, 4))
    answers = "abc"[: rules.choices or 3]
    drawn = []
    waiting = set()
    for at in range(members):
        weight = draw(st.integers(0, 4))
        answer = draw(st.sampled_from([*answers, None]))
        if answer is None and draw(st.booleans()):
            waiting.add(f"m{at}")
        drawn.append(Ballot(f"m{at}", weight, answer))
    return rules, drawn, waiting


def completions(rules: Rules, poll: list[Ballot], waiting: set[str]) -> set[tuple[str, str | None]]:
    """Every result that is still possible."""
    answers = "abc"[: rules.choices] if rules.choices else "abcdefgh"
    each = [
        [replace(b, answer=a) for a in (*answers, None)] if b.member in waiting else [b]
        for b in poll
    ]
    verdicts = (settle(full, rules) for full in itertools.product(*each))
    return {(verdict.outcome, verdict.answer) for verdict in verdicts}


@given(polls())
def test_a_poll_is_settled_exactly_when_every_completion_agrees(
    case: tuple[Rules, list[Ballot], set[str]],
) -> None:
    rules, poll, waiting = case
    results = completions(rules, poll, waiting)
    assert is_settled(poll, waiting, rules) == (len(results) == 1)
    if is_settled(poll, waiting, rules):
        verdict = settle(poll, rules)
        assert results == {(verdict.outcome, verdict.answer)}
