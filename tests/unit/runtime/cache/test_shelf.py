"""The shelf: bounded, forgetful in the right order, and never past its time."""

import math

from hypothesis import given
from hypothesis import strategies as st

from runtime.cache import Shelf
from runtime.cache.nearest import unit

MINUTE = 60.0


def test_what_was_put_is_found_until_its_time_is_over() -> None:
    shelf: Shelf[str] = Shelf(4, 1000)
    shelf.put("a", "one", 10, now=0.0)
    assert shelf.get("a", 59.9, MINUTE) == "one"
    assert shelf.get("a", 60.0, MINUTE) is None
    assert len(shelf) == shelf.bytes == 0


def test_a_shorter_time_holds_at_once() -> None:
    shelf: Shelf[str] = Shelf(4, 1000)
    shelf.put("a", "one", 10, now=0.0)
    assert shelf.get("a", 30.0, MINUTE) == "one"
    assert shelf.get("a", 30.0, 20.0) is None


def test_what_was_used_longest_ago_makes_room() -> None:
    gone: list[str] = []
    shelf: Shelf[str] = Shelf(2, 1000, gone.append)
    shelf.put("a", "one", 10, now=0.0)
    shelf.put("b", "two", 10, now=0.0)
    assert shelf.get("a", 1.0, MINUTE) == "one"
    shelf.put("c", "three", 10, now=1.0)
    assert gone == ["two"]
    assert shelf.get("a", 1.0, MINUTE) == "one"


def test_a_value_larger_than_the_shelf_displaces_nothing() -> None:
    shelf: Shelf[str] = Shelf(4, 100)
    shelf.put("a", "one", 60, now=0.0)
    shelf.put("b", "huge", 101, now=0.0)
    assert shelf.get("a", 0.0, MINUTE) == "one"
    assert shelf.get("b", 0.0, MINUTE) is None


def test_putting_again_replaces_the_value_and_its_time() -> None:
    shelf: Shelf[str] = Shelf(4, 100)
    shelf.put("a", "old", 60, now=0.0)
    shelf.put("a", "new", 50, now=50.0)
    assert shelf.get("a", 100.0, MINUTE) == "new"
    assert shelf.bytes == 50


def test_the_most_alike_of_the_same_scope_is_found() -> None:
    shelf: Shelf[str] = Shelf(8, 10_000)
    for key, scope, vector in (
        ("a", "inn", [1.0, 0.0]),
        ("b", "inn", [1.0, 1.0]),
        ("c", "road", [0.0, 1.0]),
    ):
        shelf.put(key, key, 10, 0.0, scope=scope, vector=unit(vector))
    asked = unit([0.0, 3.0])
    assert asked is not None
    first, second = shelf.nearest("inn", asked, 1.0, MINUTE)
    assert (first.value, second.value) == ("b", "a")
    assert math.isclose(first.similarity, math.sqrt(0.5), rel_tol=1e-6)
    assert shelf.nearest("moor", asked, 1.0, MINUTE) == []
    assert shelf.nearest("inn", asked, 60.0, MINUTE) == []


def test_vectors_of_another_model_are_not_compared() -> None:
    shelf: Shelf[str] = Shelf(8, 10_000)
    shelf.put("a", "one", 10, 0.0, scope="inn", vector=unit([1.0, 0.0, 0.0]))
    asked = unit([1.0, 0.0])
    assert asked is not None
    assert shelf.nearest("inn", asked, 0.0, MINUTE) == []


def test_a_vector_without_direction_is_none() -> None:
    assert unit([]) is None
    assert unit([0.0, 0.0]) is None
    assert unit([math.nan, 1.0]) is None


def test_what_belongs_to_someone_can_be_dropped() -> None:
    shelf: Shelf[str] = Shelf(8, 10_000)
    shelf.put("a", "mara", 10, 0.0, scope="inn", vector=unit([1.0]))
    shelf.put("b", "ivo", 10, 0.0)
    shelf.forget(lambda value: value == "mara")
    assert shelf.get("a", 0.0, MINUTE) is None
    assert shelf.get("b", 0.0, MINUTE) == "ivo"
    asked = unit([1.0])
    assert asked is not None
    assert shelf.nearest("inn", asked, 0.0, MINUTE) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.integers(0, 40),
            st.sampled_from(["inn", "road"]),
            st.sampled_from([None, (1.0, 0.0), (0.0, 1.0)]),
        ),
        max_size=60,
    )
)
def test_it_never_holds_more_than_it_may(
    puts: list[tuple[str, int, str, tuple[float, float] | None]],
) -> None:
    shelf: Shelf[tuple[str, int]] = Shelf(4, 60)
    asked = unit([1.0, 0.0])
    assert asked is not None
    for now, (key, size, scope, vector) in enumerate(puts):
        shelf.put(key, (key, now), size, float(now), scope=scope, vector=vector and unit(vector))
        assert len(shelf) <= 4
        assert 0 <= shelf.bytes <= 60
        for near in shelf.nearest(scope, asked, float(now), MINUTE):
            key, _ = near.value
            assert shelf.get(key, float(now), MINUTE) == near.value
    shelf.forget(lambda _: True)
    assert shelf.bytes == len(shelf) == 0
