"""Which variant is asked, and why: the rule as a table, and what always holds."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.ensemble import Serving
from runtime.gateway.members.choosing import (
    EXPLORATION,
    KNOWN_AFTER,
    WINDOW,
    Option,
    Pace,
    Shares,
    pick,
)

#: The reference figures: what a full, a quantized and a distilled model are worth.
FULL = Option("full", 1.0, 1.0)
QUANTIZED = Option("quantized", 0.98, 0.3)
DISTILLED = Option("distilled", 0.95, 0.1)
ALL = (FULL, QUANTIZED, DISTILLED)
MEASURED = {"full": 1000, "quantized": 300, "distilled": 100}
NOBODY_ELSE = 1.0


def out(option: Option) -> Option:
    return Option(option.variant, option.accuracy, option.cost, answers=False)


def rule(prefer: str = "Accuracy", least: str | None = None, target: int | None = None) -> Serving:
    return Serving.model_validate(
        {"prefer": prefer, "minimumAccuracy": least, "targetMilliseconds": target}
    )


@pytest.mark.parametrize(
    ("options", "said", "measured", "variant", "words"),
    [
        (ALL, rule(), {}, "full", "the most accurate variant that answers"),
        (ALL, rule(target=500), MEASURED, "quantized", "within 500 ms, p95 300 ms"),
        (ALL, rule(target=50), MEASURED, "full", "none is quick enough; the most accurate"),
        (ALL, rule(target=500), {}, "full", "within 500 ms, not measured yet"),
        (ALL, rule(target=500), {"full": 1000}, "quantized", "not measured yet"),
        (ALL, rule("Cost"), {}, "distilled", "the cheapest variant that answers"),
        (ALL, rule("Cost", "0.96"), {}, "quantized", "with an accuracy of at least 0.96"),
        (ALL, rule("Cost", "0.95"), {}, "distilled", "with an accuracy of at least 0.95"),
        (ALL, rule("Cost", "0.99"), {}, "full", "the cheapest"),
        (ALL, rule("Latency"), MEASURED, "distilled", "the quickest variant that answers, p95 100"),
        (ALL, rule("Latency"), {"full": 90, "distilled": 100}, "full", "p95 90 ms"),
        (ALL, rule("Latency"), {}, "distilled", "not measured yet"),
        (ALL, rule("Latency", "0.98"), MEASURED, "quantized", "p95 300 ms"),
        (ALL, rule("Latency", "0.98", 200), MEASURED, "full", "none is quick enough"),
        ((out(FULL), QUANTIZED, DISTILLED), rule(), {}, "quantized", "; full out"),
        ((FULL, QUANTIZED, out(DISTILLED)), rule("Cost"), {}, "quantized", "; distilled out"),
        ((out(FULL), out(QUANTIZED), DISTILLED), rule("Cost", "0.96"), {}, "distilled",
         "none is accurate enough; the most accurate"),
        (tuple(map(out, ALL)), rule("Cost"), {}, "full", "no variant answers"),
        ((FULL,), rule("Latency", "1", 1), {"full": 9}, "full", "none is quick enough"),
    ],
)  # fmt: skip
def test_the_rule(
    options: Sequence[Option],
    said: Serving,
    measured: dict[str, int | None],
    variant: str,
    words: str,
) -> None:
    chosen, why = pick(options, said, measured, NOBODY_ELSE)
    assert chosen == variant
    assert words in why


def test_a_small_share_measures_the_others_where_quickness_matters() -> None:
    draws = [at / 1000 for at in range(1000)]
    chosen = [pick(ALL, rule("Latency"), MEASURED, draw) for draw in draws]
    measuring = [variant for variant, why in chosen if why == "to measure it"]
    assert len(measuring) == 1000 * EXPLORATION
    assert measuring.count("full") == measuring.count("quantized") == len(measuring) / 2


@pytest.mark.parametrize("said", [rule(), rule("Cost"), rule("Cost", "0.98")])
def test_where_quickness_does_not_matter_nobody_is_measured(said: Serving) -> None:
    assert {pick(ALL, said, {}, at / 100) for at in range(100)} == {pick(ALL, said, {}, 1.0)}


def test_what_is_not_accurate_enough_is_not_asked_to_measure_it_either() -> None:
    chosen = {pick(ALL, rule("Latency", "0.98"), MEASURED, at / 1000)[0] for at in range(1000)}
    assert chosen == {"full", "quantized"}


options = st.lists(
    st.builds(
        Option,
        st.sampled_from(["full", "a", "b", "c", "d"]),
        st.sampled_from([0.5, 0.9, 0.95, 1.0]),
        st.sampled_from([0.1, 0.5, 1.0, 2.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda option: option.variant,
)
rules = st.builds(
    rule,
    st.sampled_from(["Accuracy", "Cost", "Latency"]),
    st.none() | st.sampled_from(["0.9", "0.95", "1"]),
    st.none() | st.integers(1, 1000),
)
figures = st.dictionaries(
    st.sampled_from(["full", "a", "b", "c", "d"]), st.none() | st.integers(0, 2000)
)
draws = st.floats(0, 1)


@given(options, rules, figures, draws)
def test_whoever_is_asked_answers_and_is_accurate_enough_if_anyone_is(
    options: list[Option], said: Serving, measured: dict[str, int | None], draw: float
) -> None:
    chosen, why = pick(options, said, measured, draw)
    option = next(each for each in options if each.variant == chosen)
    able = [each for each in options if each.answers]
    assert why
    if able:
        assert option.answers
    least = float(said.minimum_accuracy or 0)
    if any(each.accuracy >= least for each in able):
        assert option.accuracy >= least
    elif able:
        assert option.accuracy == max(each.accuracy for each in able)


@given(options, rules, figures)
def test_nobody_is_better_by_the_rule_than_who_is_asked(
    options: list[Option], said: Serving, measured: dict[str, int | None]
) -> None:
    chosen, _ = pick(options, said, measured, NOBODY_ELSE)
    option = next(each for each in options if each.variant == chosen)
    target = said.target_milliseconds
    good = [
        each
        for each in options
        if each.answers
        and each.accuracy >= float(said.minimum_accuracy or 0)
        and (target is None or (measured.get(each.variant) or 0) <= target)
    ]
    if not good:
        return
    assert option in good
    match said.prefer:
        case "Accuracy":
            assert option.accuracy == max(each.accuracy for each in good)
        case "Cost":
            assert option.cost == min(each.cost for each in good)
        case "Latency":
            known = [p for each in good if (p := measured.get(each.variant)) is not None]
            assert not known or measured.get(chosen) == min(known)


@given(options, rules, figures)
def test_the_same_question_gets_the_same_answer(
    options: list[Option], said: Serving, measured: dict[str, int | None]
) -> None:
    chosen, _ = pick(options, said, measured, NOBODY_ELSE)
    shuffled = list(reversed(options))
    again, _ = pick(shuffled, said, measured, NOBODY_ELSE)
    one, other = (
        next(each for each in options if each.variant == name) for name in (chosen, again)
    )
    assert (one.accuracy, one.cost) == (other.accuracy, other.cost)


def test_a_pace_is_known_after_enough_answers_and_forgets_old_ones() -> None:
    pace = Pace()
    for _ in range(KNOWN_AFTER - 1):
        pace.took(0.1)
    assert pace.p95 is None
    pace.took(0.1)
    assert pace.p95 == 100
    for at in range(WINDOW):
        pace.took(at / 100)
    assert pace.p95 == 940


def test_giving_up_on_a_variant_counts_where_it_says_something() -> None:
    pace = Pace()
    for _ in range(KNOWN_AFTER):
        pace.took_longer_than(0.5)
    assert pace.p95 == 500, "nothing else is known"
    for _ in range(WINDOW):
        pace.took_longer_than(0.1)
    assert pace.p95 == 500, "that it takes longer than 0.1 s is no news"
    for _ in range(WINDOW):
        pace.took_longer_than(0.8)
    assert pace.p95 == 800


def test_shares_are_told_in_steps_and_do_not_flicker() -> None:
    shares = Shares()
    assert shares.words == "nobody asked yet"
    for at in range(100):
        shares.asked("full" if at % 10 == 0 else "quick")
    assert shares.words == "quick 90 %, full 10 %"
    told = set()
    for at in range(300):
        shares.asked("full" if at % 7 == 0 else "quick")  # 14 %
        told.add(shares.words)
    assert told == {"quick 90 %, full 10 %"}
    for _ in range(100):
        shares.asked("full")
    assert shares.words == "full 100 %"
