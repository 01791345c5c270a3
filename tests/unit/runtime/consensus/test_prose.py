"""What a judge sees of free texts, and what its word does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus import Ballot, Rules, settle
from runtime.consensus.prose import LETTERS, letters, picked, ruled, to_rule_on

JUDGED = Rules(minimum_votes=2, when_no_quorum="BestMember", choices=None, method="Judge")
TEXTS = [Ballot("a", 4, "x"), Ballot("b", 4, "y"), Ballot("c", 2, "z"), Ballot("d", 0, "v")]


def test_texts_are_shown_in_an_order_that_is_drawn_and_can_be_drawn_again() -> None:
    orders = [tuple(to_rule_on(TEXTS, JUDGED, f"seed {at}")) for at in range(600)]
    assert orders == [tuple(to_rule_on(TEXTS, JUDGED, f"seed {at}")) for at in range(600)]
    assert {frozenset(order) for order in orders} == {frozenset("abc")}
    firsts = [order[0] for order in orders]
    assert all(150 < firsts.count(name) < 250 for name in "abc")


def test_of_members_who_said_the_same_the_heaviest_is_shown() -> None:
    ballots = [Ballot("a", 2, "x"), Ballot("b", 4, "x"), Ballot("c", 2, "z")]
    assert set(to_rule_on(ballots, JUDGED, "seed")) == {"b", "c"}


@pytest.mark.parametrize(
    ("ballots", "rules"),
    [
        (TEXTS, replace(JUDGED, choices=3)),
        (TEXTS, replace(JUDGED, method="WeightedVote")),
        (TEXTS[:1], JUDGED),
        ([Ballot("a", 4, "x"), Ballot("b", 4, "x")], JUDGED),
        ([Ballot("a", 4, None), Ballot("b", 4, None)], JUDGED),
    ],
)
def test_where_there_is_nothing_to_judge_nobody_is_asked(
    ballots: list[Ballot], rules: Rules
) -> None:
    assert to_rule_on(ballots, rules, "seed") == []


@given(st.integers(1, len(LETTERS)))
def test_each_letter_stands_for_its_own_member(number: int) -> None:
    shown = [f"m{at}" for at in range(number)]
    assert [picked(letter, shown) for letter in letters(number)] == shown
    assert picked("Z", shown) is None
    assert picked("AB", shown) is None


def test_a_picked_text_wins_with_the_weight_of_those_who_said_it() -> None:
    ballots = [*TEXTS, Ballot("e", 2, "z")]
    verdict = ruled(settle(ballots, JUDGED), ballots, "c", ["b", "c", "a"])
    assert (verdict.outcome, verdict.answer, verdict.member) == ("Judged", "z", "c")
    assert (verdict.confidence, verdict.agreement) == (0.3333, 0.3333)


def test_a_fused_text_has_the_weight_of_all_that_are_in_it() -> None:
    verdict = ruled(settle(TEXTS, JUDGED), TEXTS, None, ["b", "c", "a"])
    assert (verdict.outcome, verdict.answer, verdict.member) == ("Fused", None, None)
    assert verdict.confidence == 1.0
