"""Which sessions are held against each other."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.blocks import WAITING, Queues, join, sizes, take


@pytest.mark.parametrize(
    ("weights", "block"), [((5, 5), (1, 1)), ((5, 95), (1, 19)), ((20, 30), (2, 3))]
)
def test_blocks_use_sessions_up_as_weights_hand_them_out(
    weights: tuple[int, int], block: tuple[int, int]
) -> None:
    assert sizes(*weights) == block


@given(st.lists(st.integers(0, 1), max_size=80), st.tuples(st.integers(1, 3), st.integers(1, 4)))
def test_every_session_is_used_once_and_in_its_turn(
    arms: list[int], block: tuple[int, int]
) -> None:
    queues: Queues[int] = (deque(), deque())
    used: tuple[list[int], list[int]] = ([], [])
    for number, arm in enumerate(arms):
        join(queues, arm, number, block)
        if taken := take(queues, block):
            assert (len(taken[0]), len(taken[1])) == block
            used[0].extend(taken[0])
            used[1].extend(taken[1])
    for arm in (0, 1):
        assert [*used[arm], *queues[arm]] == [n for n, a in enumerate(arms) if a == arm]
    assert take(queues, block) is None


def test_no_more_wait_than_may() -> None:
    queues: Queues[int] = (deque(), deque())
    for number in range(WAITING + 5):
        join(queues, 0, number, (1, 1))
    assert list(queues[0])[-1] == WAITING - 1
