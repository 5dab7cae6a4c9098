"""A node behind an indexer splits its shard: the indexer says so at once and goes on serving, as long as other nodes hold the rest."""

from itertools import count
from typing import Any

from tests.unit.storage.indexer.stage import Indexer, Stage
from tests.unit.storage.node.network import File, Node, pattern
from zerog.storage.protocol.shards import Shard

seeds = count(700)
SEGMENT = 262_144
ROOM: dict[str, Any] = {"shard_bytes_max": 7 * SEGMENT, "upkeep_interval_s": 0.05, "coin": lambda: True}
"""Seven segments are too many, and the upper half is kept."""


def shards_of(indexer: Indexer) -> set[tuple[str, str]]:
    trusted = indexer.rpc("indexer_getShardedNodes")["trusted"]
    return {(node["url"], f"{node['config']['shardId']}/{node['config']['numShard']}") for node in trusted}


def read(indexer: Indexer, file: File, seq: int) -> bytes:
    assert indexer.router.rpc("zgs_getFileInfoByTxSeq", seq)["finalized"]
    return indexer.get("/file", root=str(file.root)).content


def wait_for(node: Node, shard: Shard) -> None:
    node.wait(lambda: node.keeper.shard == shard and not node.keeper.upkeep.growth.is_shedding)


def test_the_indexer_serves_on_when_a_node_splits(stage: Stage) -> None:
    with stage.network.running(stage.chain, **ROOM) as full:
        [other] = stage.nodes("0/1")
        urls = (full.url, other.url)
        indexer, plain = stage.indexer(*urls), stage.indexer(*urls, router=False)
        file = File(pattern(4 * SEGMENT + 5, next(seeds)))
        seq = stage.stored(file, indexer, full, other)
        assert shards_of(plain) == {(full.url, "0/1"), (other.url, "0/1")}
        more = File(pattern(5 * SEGMENT, next(seeds)))
        second = stage.stored(more, indexer, full, other)
        wait_for(full, Shard(2, 1))
        full.wait(lambda: next(node for node in plain.service.directory.trusted if node.url == full.url).shard == Shard(2, 1))
        assert shards_of(plain) == {(full.url, "1/2"), (other.url, "0/1")}
        assert [url for url, _ in shards_of(indexer)] == [f"{indexer.url}/node"]
        for name, number in ((file, seq), (more, second)):
            assert read(indexer, name, number) == name.data
            assert {node["url"] for node in plain.rpc("indexer_getFileLocations", str(name.root))} == set(urls)
        later = File(pattern(3 * SEGMENT, next(seeds)))
        third = stage.stored(later, indexer, full, other)
        assert read(indexer, later, third) == later.data
        assert full.is_finalized(third)
        assert other.is_finalized(third)


def test_two_halves_that_are_left_are_still_everything(stage: Stage) -> None:
    """One node splits, and a node of the other half was there before: neither holds everything now."""
    with stage.network.running(stage.chain, **ROOM) as full:
        [lower] = stage.nodes("0/2")
        indexer = stage.indexer(full.url, lower.url)
        file = File(pattern(8 * SEGMENT, next(seeds)))
        seq = stage.stored(file, indexer, full, lower)
        wait_for(full, Shard(2, 1))
        full.wait(lambda: all(node.shard is not None and node.shard.count == 2 for node in indexer.service.directory.trusted))
        assert read(indexer, file, seq) == file.data
        assert [url for url, _ in shards_of(indexer)] == [f"{indexer.url}/node"]
