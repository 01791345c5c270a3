"""Who asks makes no difference yet, and nothing but the configuration does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.config import WorldConfig
from crds.tunables import Tunable
from runtime.config.evaluation import Catalogue, Evaluation, Target, UnknownTunableError

GOLD = Tunable(name="quest-gold", type="Integer", default="120")
ASH = Tunable(name="ash-fall", type="Number", default="0.25")


def catalogue() -> Catalogue:
    return Catalogue(WorldConfig(world="emberfall", generation=1, digest="d", tunables=(GOLD, ASH)))


def test_a_value_says_how_it_came_about() -> None:
    found = catalogue().evaluate("quest-gold", Target("s-1"))
    assert found == Evaluation("quest-gold", 120, "default", "STATIC")


def test_all_come_by_name() -> None:
    names = [each.name for each in catalogue().evaluate_all(Target())]
    assert names == ["ash-fall", "quest-gold"]


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownTunableError):
        catalogue().evaluate("quest-silver", Target())


@given(st.none() | st.text(), st.dictionaries(st.text(), st.integers()))
def test_every_replica_gives_the_same_answer(key: str | None, attributes: dict[str, int]) -> None:
    target = Target(key, attributes)
    assert list(catalogue().evaluate_all(target)) == list(catalogue().evaluate_all(target))
