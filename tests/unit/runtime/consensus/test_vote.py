"""The vote: what wins, what a quorum is, and that stopping early never changes the result."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.consensus import Ballot, Method, Rules, is_settled, settle

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


def test_the_first_answer_wins_and_nobody_else_is_waited_for() -> None:
    rules = replace(DISCRETE, method="First")
    quick = [
        Ballot("m0", 4, "b", arrived=2),
        Ballot("m1", 2, "a", arrived=1),
        Ballot("m2", 4, None),
    ]
    verdict = settle(quick, rules)
    assert (verdict.outcome, verdict.answer, verdict.member) == ("Vote", "a", "m1")
    assert (verdict.confidence, verdict.agreement) == (0.2, 1.0)
    assert is_settled(quick, {"m2"}, rules)
    assert not is_settled(ballots((4, None), (2, None)), {"m1"}, rules)


def test_a_first_answer_of_weight_zero_is_not_one() -> None:
    rules = replace(DISCRETE, method="First")
    quick = [Ballot("m0", 0, "b", arrived=1), Ballot("m1", 2, "a", arrived=2)]
    assert settle(quick, rules).answer == "a"


def test_an_option_that_too_little_weight_backs_is_not_decided() -> None:
    rules = replace(DISCRETE, minimum_confidence_percent=60)
    verdict = settle(ballots((3, "a"), (2, "b"), (2, "c")), rules)
    assert (verdict.outcome, verdict.answer, verdict.member) == ("Abstained", None, None)
    assert verdict.confidence == 0.4286
    assert settle(ballots((3, "a"), (2, "b")), rules).answer == "a"  # just enough


def test_prose_has_no_agreement_that_could_be_too_little() -> None:
    rules = replace(DISCRETE, choices=None, minimum_confidence_percent=100)
    assert settle(ballots((3, "x"), (2, "y")), rules).outcome == "Vote"


def test_it_stops_as_soon_as_no_answer_can_be_backed_enough() -> None:
    rules = replace(DISCRETE, minimum_confidence_percent=80)
    split = ballots((4, "a"), (4, "b"), (2, None))
    assert is_settled(split, {"m2"}, rules)
    assert settle(split, rules).outcome == "Abstained"


@pytest.mark.parametrize("method", ["Judge", "Fuse"])
def test_a_judge_waits_for_every_text_but_not_for_every_option(method: Method) -> None:
    heavy = ballots((4, "a"), (4, "a"), (1, None))
    assert is_settled(heavy, {"m2"}, replace(DISCRETE, method=method))
    assert not is_settled(heavy, {"m2"}, replace(DISCRETE, method=method, choices=None))


RULES = st.builds(
    Rules,
    minimum_votes=st.integers(1, 4),
    when_no_quorum=st.sampled_from(["BestMember", "Fallback"]),
    choices=st.sampled_from([None, 2, 3]),
    method=st.sampled_from(["WeightedVote", "LogOdds", "First"]),
    minimum_confidence_percent=st.sampled_from([0, 0, 34, 50, 51, 75, 100]),
)


@st.composite
def polls(draw: st.DrawFn) -> tuple[Rules, list[Ballot], set[str]]:
    """A poll under way: some have answered, some failed, some are waited for."""
    rules = draw(RULES)
    members = draw(st.integers(1, 4))
    order = draw(st.permutations(range(1, members + 1)))
    answers = "abc"[: rules.choices or 3]
    drawn = []
    waiting = set()
    for at in range(members):
        weight = draw(st.integers(0, 4))
        answer = draw(st.sampled_from([*answers, None]))
        if answer is None and draw(st.booleans()):
            waiting.add(f"m{at}")
        drawn.append(Ballot(f"m{at}", weight, answer, None if answer is None else order[at]))
    return rules, drawn, waiting


def completions(rules: Rules, poll: list[Ballot], waiting: set[str]) -> set[tuple[str, str | None]]:
    """Every result that is still possible, whatever is said and in whichever order."""
    answers = "abc"[: rules.choices] if rules.choices else "abcdefgh"
    each = [
        [replace(b, answer=a, arrived=None if a is None else 10) for a in (*answers, None)]
        if b.member in waiting
        else [b]
        for b in poll
    ]
    orders = [10 + at for at in range(len(poll))], [20 - at for at in range(len(poll))]
    verdicts = (
        settle(
            [
                replace(b, arrived=late) if b.arrived == 10 else b
                for b, late in zip(full, order, strict=True)
            ],
            rules,
        )
        for full in itertools.product(*each)
        for order in (orders if rules.method == "First" else orders[:1])
    )
    return {(verdict.outcome, verdict.answer) for verdict in verdicts}


@settings(max_examples=500)
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
