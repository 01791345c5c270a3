"""Texts that mean the same: whom each follows, and that stopping early changes nothing."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.consensus import Ballot, Rules, is_settled, settle
from runtime.consensus.clusters import SAME, leaders

CLUSTERED = Rules(minimum_votes=1, when_no_quorum="BestMember", choices=None, prose="Cluster")
Similarity = list[list[float]]


def alike(members: int, *couples: tuple[int, int]) -> Similarity:
    """The similarity of texts of which only these couples mean the same."""
    matrix = [[float(one == other) for other in range(members)] for one in range(members)]
    for one, other in couples:
        matrix[one][other] = matrix[other][one] = SAME
    return matrix


def labelled(ballots: list[Ballot], similarity: Similarity) -> list[Ballot]:
    found = leaders(ballots, similarity)
    return [replace(b, answer=leader) for b, leader in zip(ballots, found, strict=True)]


def texts(*weights: int) -> list[Ballot]:
    return [Ballot(f"m{at}", weight, f"text {at}") for at, weight in enumerate(weights)]


def test_a_text_follows_the_heaviest_that_it_is_like() -> None:
    assert leaders(texts(2, 4, 3), alike(3, (0, 1), (0, 2))) == ["m1", "m1", "m2"]


def test_to_be_like_a_follower_is_not_enough() -> None:
    assert leaders(texts(4, 3, 2), alike(3, (0, 1), (1, 2))) == ["m0", "m0", "m2"]


def test_the_same_words_always_mean_the_same() -> None:
    ballots = [Ballot("a", 2, "x"), Ballot("b", 3, "x"), Ballot("c", 1, None)]
    assert leaders(ballots, alike(3)) == ["b", "b", None]


def test_texts_that_mean_the_same_add_up_and_the_heaviest_of_them_is_told() -> None:
    ballots = labelled(texts(4, 3, 3), alike(3, (1, 2)))
    verdict = settle(ballots, CLUSTERED)
    assert (verdict.outcome, verdict.member, verdict.confidence) == ("Vote", "m1", 0.6)


def test_two_heavy_texts_that_mean_the_same_do_not_wait_for_a_light_one() -> None:
    ballots = [*texts(4, 4), Ballot("m2", 2, None)]
    assert is_settled(labelled(ballots, alike(3, (0, 1))), {"m2"}, CLUSTERED)
    assert not is_settled(labelled(ballots, alike(3)), {"m2"}, CLUSTERED)


def test_a_heavier_member_is_waited_for_since_it_could_lead() -> None:
    ballots = [*texts(3, 3), Ballot("m2", 4, None)]
    assert not is_settled(labelled(ballots, alike(3, (0, 1))), {"m2"}, CLUSTERED)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Rules, list[Ballot], list[int], Similarity]:
    """Texts, the order in which they come, and which of them mean the same: any."""
    members = draw(st.integers(1, 6))
    ballots = [
        Ballot(f"m{at}", draw(st.integers(0, 4)), draw(st.sampled_from([f"text {at}", "x", None])))
        for at in range(members)
    ]
    couples = [(one, other) for one in range(members) for other in range(one)]
    rules = replace(
        CLUSTERED,
        minimum_votes=draw(st.integers(1, 4)),
        when_no_quorum=draw(st.sampled_from(["BestMember", "Fallback"])),
    )
    same = draw(st.lists(st.sampled_from(couples))) if couples else []
    return rules, ballots, draw(st.permutations(range(members))), alike(members, *same)


@settings(max_examples=500)
@given(conversations())
def test_what_is_settled_stays_so_whatever_comes(
    case: tuple[Rules, list[Ballot], list[int], Similarity],
) -> None:
    rules, ballots, order, similarity = case
    whole = settle(labelled(ballots, similarity), rules)
    for came in range(len(order) + 1):
        late = set(order[came:])
        now = [replace(b, answer=None) if at in late else b for at, b in enumerate(ballots)]
        poll = labelled(now, similarity)
        if is_settled(poll, {f"m{at}" for at in late}, rules):
            found = settle(poll, rules)
            assert (found.outcome, found.member) == (whole.outcome, whole.member)


@given(conversations())
def test_the_order_of_members_of_different_weight_does_not_matter(
    case: tuple[Rules, list[Ballot], list[int], Similarity],
) -> None:
    _, ballots, order, similarity = case
    distinct = [replace(b, weight=10 * at + 1) for at, b in enumerate(ballots)]
    mixed = [distinct[at] for at in order]
    again = leaders(mixed, [[similarity[one][other] for other in order] for one in order])
    assert dict(zip((b.member for b in mixed), again, strict=True)) == dict(
        zip((b.member for b in distinct), leaders(distinct, similarity), strict=True)
    )
