"""Shards: which segments they hold, and which nodes are chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.shards import EVERYTHING, Shard, ShardInvalidError, choose_replicas, segments_of_shard

shards = st.integers(0, 4).flatmap(lambda power: st.builds(Shard, st.just(1 << power), st.integers(0, (1 << power) - 1)))


@pytest.mark.parametrize("text", ["", "1", "1/1", "2/2", "-1/2", "0/3", "0/0", "x/2", "0/2/4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ShardInvalidError):
        Shard.parse(text)


@given(shards)
def test_a_shard_reads_what_it_writes(shard: Shard) -> None:
    assert Shard.parse(str(shard)) == shard


@given(shards, st.integers(0, 1 << 30), st.integers(1, 1 << 28))
def test_a_shard_holds_the_segments_of_its_class(shard: Shard, start_sector: int, size_bytes: int) -> None:
    held = set(segments_of_shard(shard, start_sector=start_sector, size_bytes=size_bytes))
    assert held == {index for index in range(segments_of(size_bytes)) if shard.holds(start_sector // 1024 + index)}


@given(st.lists(shards, max_size=24), st.integers(1, 3))
def test_chosen_nodes_hold_every_segment_often_enough_and_are_missing_only_where_it_cannot_be(nodes: list[Shard], replicas: int) -> None:
    nodes.sort()  # As the official method `min` does.
    chosen = choose_replicas(nodes, lambda shard: shard, replicas)
    covered = min(sum(shard.holds(segment) for shard in nodes) for segment in range(16))
    if chosen is None:
        assert covered < replicas
    else:
        assert all(sum(shard.holds(segment) for shard in chosen) >= replicas for segment in range(16))


def test_a_full_node_is_enough_and_the_rest_is_left() -> None:
    nodes = [EVERYTHING, Shard(2, 0), Shard(2, 1)]
    assert choose_replicas(nodes, lambda shard: shard, 1) == [EVERYTHING]
    assert choose_replicas(nodes, lambda shard: shard, 2) == nodes
    assert choose_replicas(nodes, lambda shard: shard, 3) is None
