"""The selection of nodes is that of the official clients, which choose again among what an indexer gives them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.storage.indexer.errors import SelectionError
from zerog.storage.indexer.selection import select_nodes
from zerog.storage.protocol.shards import Shard
from zerog.storage.wire.nodes import ShardConfig, ShardedNode, ShardedNodes


def node(shard: str, name: str = "") -> ShardedNode:
    return ShardedNode(url=f"http://{name or shard}", config=ShardConfig.of(Shard.parse(shard)))


def chosen(
    trusted: list[ShardedNode],
    replicas: int,
    method: str,
    *,
    discovered: list[ShardedNode] | None = None,
    full_trusted: bool = True,
    dropped: tuple[str, ...] = (),
) -> tuple[list[str], list[str]]:
    nodes = ShardedNodes(trusted=trusted, discovered=discovered or [])
    found = select_nodes(nodes, replicas, method, full_trusted=full_trusted, dropped=dropped, dice=random.Random(1))
    return [each.url for each in found.trusted], [each.url for each in found.discovered]


SHARDS = [node("1/2"), node("0/1"), node("0/2"), node("1/4"), node("3/4")]


def test_min_takes_those_first_that_hold_most() -> None:
    assert chosen(SHARDS, 1, "min") == (["http://0/1"], [])


def test_max_takes_those_first_that_hold_least() -> None:
    assert chosen(SHARDS, 1, "max") == (["http://1/4", "http://3/4", "http://0/2"], [])


def test_a_number_takes_only_nodes_with_so_many_shards() -> None:
    assert chosen(SHARDS, 1, "2") == (["http://1/2", "http://0/2"], [])
    with pytest.raises(SelectionError):
        chosen(SHARDS, 1, "4")


@pytest.mark.parametrize("method", ["", "best", "-1", "²", "1.0"])
def test_any_other_method_selects_nothing(method: str) -> None:
    with pytest.raises(SelectionError, match="cannot select a subset from the returned nodes that meets the replication requirement"):
        chosen(SHARDS, 1, method)


def test_nobody_is_needed_for_no_replica() -> None:
    assert chosen(SHARDS, 0, "min") == ([], [])


def test_dropped_nodes_are_not_chosen() -> None:
    assert chosen(SHARDS, 1, "min", dropped=("http://0/1",)) == (["http://0/2", "http://1/2"], [])


def test_discovered_nodes_take_three_fifths_of_the_replicas_where_they_can() -> None:
    trusted = [node("0/1", f"t{number}") for number in range(5)]
    discovered = [node("0/1", f"d{number}") for number in range(5)]
    some = chosen(trusted, 5, "min", discovered=discovered, full_trusted=False)
    assert some == (["http://t0", "http://t1"], ["http://d0", "http://d1", "http://d2"])
    assert chosen(trusted, 5, "min", discovered=discovered[:2], full_trusted=False) == ([each.url for each in trusted], [])
    assert chosen(trusted, 1, "min", discovered=discovered, full_trusted=False) == (["http://t0"], [])


@given(st.lists(st.sampled_from(["0/1", "0/2", "1/2", "0/4", "1/4", "2/4", "3/4"]), max_size=12), st.integers(1, 3), st.integers(0, 2**32))
def test_a_random_choice_holds_everything_so_often(shards: list[str], replicas: int, seed: int) -> None:
    nodes = ShardedNodes(trusted=[node(shard, f"n{number}") for number, shard in enumerate(shards)], discovered=[])
    there = [sum(Shard.parse(shard).holds(segment) for shard in shards) for segment in range(4)]
    try:
        found = select_nodes(nodes, replicas, "random", full_trusted=True, dropped=(), dice=random.Random(seed))
    except SelectionError:
        assert min(there) < replicas
    else:
        held = [sum(each.config.to_shard().holds(segment) for each in found.trusted) for segment in range(4)]
        assert min(held) >= replicas
