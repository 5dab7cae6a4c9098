"""The time of blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.chain.protocol.block_clock import BlockClock
from zerog.chain.protocol.errors import TimestampTooLowError


def test_blocks_carry_the_wall_clock_and_may_share_a_second() -> None:
    clock = BlockClock()
    assert clock.peek(100, 90) == 100
    assert clock.peek(100, 100) == 100
    assert clock.peek(100, 120) == 120


def test_increase_answers_the_total_offset() -> None:
    clock = BlockClock()
    assert clock.increase(10) == 10
    assert clock.increase(5) == 15
    assert clock.peek(100, 90) == 115


def test_a_time_that_was_set_holds_once_and_the_clock_goes_on_from_it() -> None:
    clock = BlockClock()
    clock.set_next(1_000, 90)
    assert clock.peek(100, 90) == 1_000
    clock.made(1_000, 100)
    assert clock.peek(107, 1_000) == 1_007


def test_the_clock_is_never_behind_the_newest_block() -> None:
    clock = BlockClock(interval_s=50)
    timestamp = clock.peek(100, 100)
    clock.made(timestamp, 100)
    clock.set_interval(None)
    assert timestamp == 150
    clock.increase(3_600)
    assert clock.peek(100, timestamp) == timestamp + 3_600


def test_a_chain_that_was_ahead_of_the_wall_clock_goes_on() -> None:
    clock = BlockClock()
    clock.catch_up(5_000, 100)
    assert clock.peek(107, 5_000) == 5_007
    clock.catch_up(10, 107)
    assert clock.peek(107, 5_000) == 5_007


def test_a_time_before_the_parent_is_refused() -> None:
    with pytest.raises(TimestampTooLowError, match="timestamp 89 is lower"):
        BlockClock().set_next(89, 90)


def test_an_interval_counts_from_the_parent() -> None:
    clock = BlockClock(interval_s=7)
    assert clock.peek(100, 90) == 97


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=30))
def test_time_never_goes_back(steps: list[tuple[int, int]]) -> None:
    clock, now_s, parent = BlockClock(), 1_000, 0
    for passed, jump in steps:
        now_s += passed
        clock.increase(jump)
        timestamp = clock.peek(now_s, parent)
        clock.made(timestamp, now_s)
        assert timestamp >= parent
        parent = timestamp
