"""Users take turns."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.provider.engines.exact.turns import QueueFullError, Turns


def test_who_sends_many_waits_for_his_own() -> None:
    turns: Turns[str] = Turns(10, 10)
    for user, item in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")]:
        turns.put(user, item)
    assert [turns.take() for _ in range(len(turns))] == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_the_queue_is_bounded_for_all_and_for_each() -> None:
    turns: Turns[int] = Turns(3, 2)
    turns.put("a", 1)
    turns.put("a", 2)
    with pytest.raises(QueueFullError) as of_user:
        turns.put("a", 3)
    turns.put("b", 4)
    with pytest.raises(QueueFullError) as of_all:
        turns.put("c", 5)
    assert (of_user.value.of_user, of_all.value.of_user, sorted(turns)) == (True, False, [1, 2, 4])


def test_what_is_removed_is_not_taken() -> None:
    turns: Turns[int] = Turns(9, 9)
    turns.put("a", 1)
    turns.put("a", 2)
    turns.put("b", 3)
    assert turns.remove("a", 1)
    assert not turns.remove("a", 1)
    assert turns.remove("b", 3)
    assert not turns.remove("c", 3)
    assert (turns.take(), len(turns)) == (2, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_of_each_user_the_oldest_is_next_and_nobody_is_passed_over_twice(moves: list[tuple[str, bool]]) -> None:
    turns: Turns[tuple[str, int]] = Turns(100, 100)
    model: dict[str, deque[int]] = {user: deque() for user in "abc"}
    passed = dict.fromkeys("abc", 0)
    for number, (user, puts) in enumerate(moves):
        if puts:
            turns.put(user, (user, number))
            model[user].append(number)
        elif len(turns):
            taken_user, taken = turns.take()
            assert taken == model[taken_user].popleft()
            for other in "abc":
                passed[other] = passed[other] + 1 if other != taken_user and model[other] else 0
                assert passed[other] <= 2
    assert len(turns) == sum(map(len, model.values()))
