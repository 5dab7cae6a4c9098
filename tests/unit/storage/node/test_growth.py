"""A node that is full keeps half of its shard: everybody sees it at once, what it keeps stays whole, and a start goes on with it."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.unit.storage.node.network import Chain, File, Network, Node, pattern
from tests.unit.storage.node.process import node_process
from zerog.storage.node.live_shard import SHARD_FILE, LiveShard
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.shards import Shard

seeds = count(90_000)
SEGMENT = 262_144
ROOM: dict[str, Any] = {"shard_bytes_max": 10 * SEGMENT, "upkeep_interval_s": 0.05}
"""More than eight segments are too many."""


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


def stored(chain: Chain, node: Node, size: int) -> tuple[File, int]:
    file = file_of(size)
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    for index in file.segments:
        answer = node.post({"jsonrpc": "2.0", "id": 1, "method": "zgs_uploadSegmentsByTxSeq", "params": [[file.segment(index)], seq]})
        if answer.get("result") != 0:
            assert answer["error"]["data"] == "already uploaded and finalized"  # Of the rest nothing is wanted any more.
            break
    return file, seq


def shard_of(node: Node) -> str:
    config = node.rpc("zgs_getShardConfig")
    return f"{config['shardId']}/{config['numShard']}"


def wait_for_shard(node: Node, shard: str) -> None:
    """Until a node has come to a shard, and dropped what it held besides."""
    growth = node.keeper.upkeep.growth
    node.wait(lambda: str(node.keeper.shard) == shard and not growth.is_shedding)


def require_duty(node: Node, file: File, seq: int) -> None:
    """A node holds exactly what its shard must hold of a file, and reads it."""
    submission = node.keeper.files.by_seq(seq)
    required = list(node.keeper.files.required(submission))
    assert list(node.keeper.store.held(file.root)) == required
    assert node.is_finalized(seq)
    for index in range(segments_of(file.size)):
        found = node.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index)
        assert (found is not None) == (index in required)


@pytest.mark.parametrize(("upper", "shard"), [(False, "0/2"), (True, "1/2")])
def test_a_full_node_keeps_one_half(network: Network, chain: Chain, upper: bool, shard: str) -> None:
    with network.running(chain, coin=lambda: upper, **ROOM) as node:
        small = stored(chain, node, 3 * SEGMENT + 1)
        assert shard_of(node) == "0/1"
        large = stored(chain, node, 6 * SEGMENT)
        wait_for_shard(node, shard)
        assert shard_of(node) == shard
        for file, seq in (small, large):
            require_duty(node, file, seq)
        assert node.keeper.counters.shard_changes == 1
        assert node.node.status()["upkeep"]["growth"] == {  # type: ignore[index]
            "configured": "0/1",
            "live": shard,
            "is_shedding": False,
            "bytes_max": 10 * SEGMENT,
        }
        later = stored(chain, node, 4 * SEGMENT)
        require_duty(node, *later)
        assert "zerog_storage_shards 2\n" in node.http.get(f"{node.url}/metrics").text


def test_it_splits_again_until_there_is_room(network: Network, chain: Chain, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path) as node:
        file, seq = stored(chain, node, 16 * SEGMENT)
    bits = iter((True, False, True))
    with network.running(chain, data_dir=tmp_path, coin=lambda: next(bits), **(ROOM | {"shard_bytes_max": 3 * SEGMENT})) as node:
        wait_for_shard(node, "5/8")
        require_duty(node, file, seq)


def test_a_file_that_is_submitted_twice_keeps_what_either_place_wants(network: Network, chain: Chain) -> None:
    """Between the two lies a file of an odd number of segments, so that both halves are wanted."""
    with network.running(chain, coin=lambda: False, **ROOM) as node:
        file, first = stored(chain, node, 2 * SEGMENT)
        stored(chain, node, SEGMENT)
        [second] = chain.submit(file.submission())
        node.wait_for_seq(second)
        starts = {node.keeper.files.by_seq(seq).start_sector // 1024 % 2 for seq in (first, second)}
        stored(chain, node, 6 * SEGMENT)
        wait_for_shard(node, "0/2")
        assert len(node.keeper.store.held(file.root)) == len(starts)
        assert node.is_finalized(first)
        assert node.is_finalized(second)


def test_a_start_goes_on_with_the_live_shard_and_finishes_what_was_begun(network: Network, chain: Chain, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path) as node:
        file, seq = stored(chain, node, 5 * SEGMENT)
    LiveShard(configured="0/1", live="1/2", is_shed=False).keep(tmp_path)  # As a kill leaves it right after the decision.
    with network.running(chain, data_dir=tmp_path, upkeep_interval_s=0.05) as node:
        wait_for_shard(node, "1/2")
        require_duty(node, file, seq)
    with network.running(chain, data_dir=tmp_path) as node:
        assert shard_of(node) == "1/2"
        require_duty(node, file, seq)


def test_a_node_that_is_killed_while_it_splits_goes_on(network: Network, chain: Chain, tmp_path: Path) -> None:
    """As soon as it says that it has another shard; by then the other half is being dropped."""
    folder = tmp_path / "data"
    with network.running(chain, data_dir=folder) as node:
        file, seq = stored(chain, node, 40 * SEGMENT)
    flags = ["--data-dir", str(folder), "--shard-bytes-max", str(30 * SEGMENT), "--upkeep-interval", "0.01"]
    with node_process(chain, tmp_path, *flags) as process:
        process.until(lambda: process.rpc("zgs_getShardConfig")["numShard"] == 2)
        process.process.kill()
    shard = LiveShard.of(folder, Shard(1, 0))
    assert shard.shard.count == 2
    with network.running(chain, data_dir=folder, upkeep_interval_s=0.05) as node:
        wait_for_shard(node, shard.live)
        require_duty(node, file, seq)


def test_another_setting_counts_and_drops_nothing(network: Network, chain: Chain, tmp_path: Path) -> None:
    LiveShard(configured="0/1", live="1/2", is_shed=True).keep(tmp_path)
    with network.running(chain, data_dir=tmp_path, shard="0/2") as node:
        assert shard_of(node) == "0/2"
        file, seq = stored(chain, node, 3 * SEGMENT)
    with network.running(chain, data_dir=tmp_path, shard="0/4", upkeep_interval_s=0.05) as node:
        assert shard_of(node) == "0/4"
        assert node.keeper.store.held(file.root).has_all(node.keeper.files.required(node.keeper.files.by_seq(seq)))
        assert not node.keeper.upkeep.growth.is_shedding


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("", "{", '{"configured":"0/1","live":"3/2","is_shed":true}'):
        (tmp_path / SHARD_FILE).write_text(text)
        assert LiveShard.of(tmp_path, Shard(4, 1)) == LiveShard(configured="1/4", live="1/4", is_shed=True)


def test_a_peer_that_split_is_asked_for_its_half_and_blamed_for_nothing(network: Network, chain: Chain) -> None:
    with (
        network.running(chain, **ROOM, coin=lambda: True) as full,
        network.running(chain, peers=(full.url,), peer_interval_s=0.05) as other,
    ):
        (peer,) = other.keeper.peers.all
        other.wait(lambda: peer.shard == Shard(1, 0))
        stored(chain, full, 9 * SEGMENT)
        wait_for_shard(full, "1/2")
        later, second = stored(chain, full, 4 * SEGMENT)
        required = set(full.keeper.files.required(full.keeper.files.by_seq(second)))
        other.wait(lambda: set(other.keeper.store.held(later.root)) == required)
        assert peer.shard == Shard(2, 1)
        assert other.keeper.counters.peers_refused.total() == 0
