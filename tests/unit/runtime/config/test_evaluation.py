"""A session gets the values of its arm, which its id says, and nothing but the configuration and
the id matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.config import WorldConfig
from crds.trials import Trial
from crds.tunables import Tunable
from runtime.arms import drawn, marked
from runtime.config.evaluation import Catalogue, Evaluation, Target, UnknownTunableError

GOLD = Tunable(name="quest-gold", type="Integer", default="120")
ASH = Tunable(name="ash-fall", type="Number", default="0.25")
RICHER = Trial(
    experiment="richer-quests",
    salt="r1",
    percent=40,
    tunables={"quest-gold": "140", "long-gone": "1"},
    watched_seconds=600,
)
ASHEN = Trial(
    experiment="ashen", salt="a1", percent=50, tunables={"ash-fall": "0.5"}, watched_seconds=60
)


def catalogue(*trials: Trial) -> Catalogue:
    return Catalogue(
        WorldConfig(
            world="emberfall",
            generation=1,
            digest="d",
            tunables=(GOLD, ASH),
            trials=list(trials),
        )
    )


def session_in(arm: str, trial: Trial) -> str:
    ids = (f"s-{number:024x}" for number in range(1000))
    return marked(next(i for i in ids if drawn(i, trial.salt, trial.percent) == arm), [trial])


def test_a_value_says_how_it_came_about() -> None:
    found = catalogue().evaluate("quest-gold", Target("s-1"))
    assert found == Evaluation("quest-gold", 120, "default", "STATIC")


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("Canary", Evaluation("quest-gold", 140, "canary", "SPLIT")),
        ("Baseline", Evaluation("quest-gold", 120, "baseline", "SPLIT")),
        ("Rest", Evaluation("quest-gold", 120, "default", "DEFAULT")),
    ],
)
def test_a_session_gets_the_value_of_its_arm(arm: str, expected: Evaluation) -> None:
    target = Target(session_in(arm, RICHER))
    assert catalogue(ASHEN, RICHER).evaluate("quest-gold", target) == expected
    assert catalogue(RICHER).evaluate("ash-fall", target).reason == "STATIC"
    assert catalogue().evaluate("quest-gold", target).value == 120  # it has ended


def test_each_tunable_goes_by_its_own_experiment() -> None:
    ids = [marked(f"s-{number:024x}", [ASHEN, RICHER]) for number in range(400)]
    for session in ids:
        base = session[:26]
        values = {
            each.name: each.value for each in catalogue(RICHER, ASHEN).evaluate_all(Target(session))
        }
        assert values == {
            "quest-gold": 140 if drawn(base, "r1", 40) == "Canary" else 120,
            "ash-fall": 0.5 if drawn(base, "a1", 50) == "Canary" else 0.25,
        }


@pytest.mark.parametrize("key", [None, "Mara", "s-9b1d7c2f40e6a853bc17d290"])
def test_whoever_no_gateway_gave_an_arm_gets_what_everybody_gets(key: str | None) -> None:
    found = catalogue(RICHER).evaluate("quest-gold", Target(key))
    assert found == Evaluation("quest-gold", 120, "default", "DEFAULT")


def test_a_value_that_is_none_of_its_type_is_refused() -> None:
    wrong = RICHER.model_copy(update={"tunables": {"quest-gold": "much"}})
    with pytest.raises(ValueError, match="whole number"):
        catalogue(wrong)


def test_all_come_by_name() -> None:
    names = [each.name for each in catalogue().evaluate_all(Target())]
    assert names == ["ash-fall", "quest-gold"]


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownTunableError):
        catalogue().evaluate("quest-silver", Target())


@given(st.none() | st.text(), st.dictionaries(st.text(), st.integers()))
def test_every_replica_gives_the_same_answer(key: str | None, attributes: dict[str, int]) -> None:
    target = Target(key, attributes)
    assert list(catalogue(RICHER).evaluate_all(target)) == list(
        catalogue(RICHER).evaluate_all(target)
    )
