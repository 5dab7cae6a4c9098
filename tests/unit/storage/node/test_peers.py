"""Nodes fetch from each other what their shards must hold, proof by proof."""

import json
import socket
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.storage.client.peers import answer_of, peer, read_request
from tests.unit.storage.node.network import Chain, File, Network, Node, pattern

seeds = count(20_000)

QUICK = {"peer_interval_s": 0.05, "peer_timeout_s": 2.0}


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


def uploaded(chain: Chain, node: Node, *sizes: int) -> list[tuple[int, File]]:
    """Files that a node holds."""
    files = [file_of(size) for size in sizes]
    seqs = chain.submit(*(file.submission() for file in files))
    node.wait_for_seq(seqs[-1])
    for seq, file in zip(seqs, files, strict=True):
        node.upload(file, seq)
    return list(zip(seqs, files, strict=True))


def wait_until_complete(node: Node, seq: int) -> None:
    node.wait_for_seq(seq)
    node.wait(lambda: node.is_finalized_now(seq))


def assert_holds(node: Node, seq: int, file: File) -> None:
    """Whatever a node's shard must hold is there, and reads as it should."""
    submission = node.keeper.files.by_seq(seq)
    for index in file.segments:
        found = node.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index)
        assert found == (file.segment(index) if index in node.keeper.files.required(submission) else None)


def test_a_node_fetches_what_it_missed(network: Network, chain: Chain, node: Node) -> None:
    before = uploaded(chain, node, 1, 5_000, 17 * 262144, 40 * 262144 + 1)
    with network.running(chain, peers=(node.url,), **QUICK) as late:
        for seq, file in before:
            wait_until_complete(late, seq)
            assert_holds(late, seq, file)
        [(seq, file)] = uploaded(chain, node, 3 * 262144)
        wait_until_complete(late, seq)
        assert_holds(late, seq, file)
        assert late.keeper.counters.segments_fetched >= 1 + 1 + 17 + 41 + 3
        assert not late.keeper.counters.peers_refused
        assert late.rpc("zgs_getStatus")["connectedPeers"] == 1


def test_shards_fetch_their_own_and_a_full_node_fetches_from_shards(network: Network, chain: Chain, node: Node) -> None:
    [(seq, file)] = uploaded(chain, node, 9 * 262144 + 77)
    with (
        network.running(chain, shard="0/2", peers=(node.url,), **QUICK) as even,
        network.running(chain, shard="1/2", peers=(node.url,), **QUICK) as odd,
    ):
        for shard in (even, odd):
            wait_until_complete(shard, seq)
            assert_holds(shard, seq, file)
        assert even.keeper.store.held_count(file.root) + odd.keeper.store.held_count(file.root) == 10
        with network.running(chain, peers=(even.url, odd.url), **QUICK) as full:
            wait_until_complete(full, seq)
            assert_holds(full, seq, file)


def test_fetching_goes_on_after_a_restart(network: Network, chain: Chain, node: Node, tmp_path: Path) -> None:
    """A node that was given a part by its client and then stopped asks for the rest only."""
    [(seq, file)] = uploaded(chain, node, 12 * 262144)
    settings = {"data_dir": tmp_path / "storage"}
    with network.running(chain, **settings) as late:
        late.wait_for_seq(seq)
        assert late.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index) for index in range(5)], seq) == 0
    with network.running(chain, peers=(node.url,), **settings, **QUICK) as late:
        wait_until_complete(late, seq)
        assert_holds(late, seq, file)
        others = late.keeper.counters.segments_fetched - 7
        assert others == sum(late.keeper.store.held_count(held) for held in _other_roots(late, file))


def _other_roots(node: Node, file: File) -> set[bytes]:
    submissions = node.keeper.store.submissions(0, 10_000)
    return {submission.root for submission in submissions} - {file.root}


def test_segments_come_from_an_official_node_too(network: Network, chain: Chain, node: Node) -> None:
    """One that knows neither our methods nor our routes: what it has is known by its shard, and comes as JSON."""
    [(seq, file)] = uploaded(chain, node, 4 * 262144 + 1)
    asked: list[str] = []

    def script(connection: socket.socket) -> None:
        with httpx.Client() as http:
            while request := read_request(connection):
                method = json.loads(request.partition(b"\r\n\r\n")[2])["method"]
                asked.append(method)
                error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
                body = request.partition(b"\r\n\r\n")[2]
                known = method not in ("zgs_getAvailability", "zgs_listFiles")
                connection.sendall(answer_of(http.post(node.url, content=body).content if known else json.dumps(error).encode()))

    with peer(script) as url, network.running(chain, peers=(url,), **QUICK) as late:
        wait_until_complete(late, seq)
        assert_holds(late, seq, file)
    assert asked.count("zgs_downloadSegmentWithProofByTxSeq") >= 5


def test_a_peer_that_has_nothing_does_not_stand_before_one_that_has(network: Network, chain: Chain, node: Node) -> None:
    """Several peers are asked for each file, and each at its own time."""
    [(seq, file)] = uploaded(chain, node, 2 * 262144 + 9)
    with network.running(chain) as empty, network.running(chain) as blank:
        blank.wait_for_seq(seq)
        with network.running(chain, peers=(empty.url, blank.url, node.url), peer_interval_s=2.0) as late:
            wait_until_complete(late, seq)
            assert_holds(late, seq, file)


@pytest.fixture
def pair(network: Network, chain: Chain, node: Node) -> Any:
    """A node that looks at its peer only when it is told to."""
    with network.running(chain, peers=(node.url,), peer_interval_s=1_000.0) as late:
        late.wait(lambda: late.keeper.peers.has_caught_up or late.keeper.peers.connected_count)
        yield late


def test_an_operator_orders_a_file(chain: Chain, node: Node, pair: Node) -> None:
    [(seq, file)] = uploaded(chain, node, 2 * 262144)
    pair.wait_for_seq(seq)
    assert pair.admin.rpc("admin_getSyncStatus", seq) in ("Idle", "FindingPeers { origin: 0, since: 0 }")
    assert pair.admin.rpc("admin_getSyncInfo", None)[str(seq)]["goal"]["numChunks"] == 2048
    assert pair.admin.rpc("admin_startSyncFile", seq) is None
    wait_until_complete(pair, seq)
    pair.wait(lambda: pair.keeper.peers.wanted.get(seq).state.value == "Completed")
    assert pair.admin.rpc("admin_getSyncStatus", seq) == "Completed"
    info = pair.admin.rpc("admin_getSyncInfo", seq)[str(seq)]
    assert (info["peers"], info["state"], info["nextChunks"]) == ({"Found": 1}, "Completed", 2048)
    assert_holds(pair, seq, file)
    [(other, _)] = uploaded(chain, node, 262144 + 1)
    pair.wait_for_seq(other)
    assert pair.admin.rpc("admin_startSyncChunks", other, 0, 1025) is None
    wait_until_complete(pair, other)


def test_an_operator_sees_the_peers_and_what_they_hold(chain: Chain, node: Node, pair: Node) -> None:
    [(seq, _)] = uploaded(chain, node, 700)
    pair.wait_for_seq(seq)
    host = {"ip": "127.0.0.1", "shardConfig": {"shardId": 0, "numShard": 1}}
    assert pair.admin.rpc("admin_getFileLocation", seq, True) == [host]
    [unknown_to_peer] = chain.submit(file_of(300).submission())
    node.wait_for_seq(unknown_to_peer)
    pair.wait_for_seq(unknown_to_peer)
    assert pair.admin.rpc("admin_getFileLocation", unknown_to_peer, True) is None
    assert pair.admin.rpc("admin_getFileLocation", unknown_to_peer, False) == []
    [(url, seen)] = pair.admin.rpc("admin_getPeers").items()
    assert (url, seen["seenIps"], seen["connectionDirection"]) == (node.url, ["127.0.0.1"], "Outgoing")
    network_info = pair.admin.rpc("admin_getNetworkInfo")
    assert (network_info["totalPeers"], network_info["connectedPeers"], network_info["bannedPeers"]) == (1, 1, 0)
    assert set(pair.admin.rpc("admin_getSyncServiceState")) == {"numSyncing", "catchedUp", "autoSyncSerial", "autoSyncRandom"}
    assert pair.admin.rpc("admin_findFile", seq) is None
    assert pair.admin.rpc("admin_terminateSync", unknown_to_peer) is True
    assert pair.admin.rpc("admin_terminateSync", unknown_to_peer) is False
    assert pair.admin.rpc("admin_getSyncStatus", 10**6) == "unknown"
    metrics = pair.admin.rpc("admin_getMetrics", "zerog_storage_peers_connected")
    assert metrics == {"zerog_storage_peers_connected": "gauge 1"}


@pytest.mark.parametrize("method", ["admin_findFile", "admin_startSyncFile", "admin_getFileLocation"])
def test_an_operator_is_told_of_a_file_that_is_none(node: Node, method: str) -> None:
    assert node.admin.refusal(method, 10**6) == (-32603, "Internal error", "tx not found")


def test_chunks_that_a_file_does_not_have_cannot_be_ordered(chain: Chain, node: Node) -> None:
    [seq] = chain.submit(file_of(300).submission())
    node.wait_for_seq(seq)
    assert node.admin.refusal("admin_startSyncChunks", seq, 1, 5) == (-32603, "Internal error", "invalid chunk index")


def test_methods_of_the_operator_have_a_port_of_their_own(network: Network, chain: Chain, node: Node) -> None:
    assert node.refusal("admin_getPeers")[0] == -32601
    assert node.admin.refusal("zgs_getStatus")[0] == -32601
    with network.running(chain) as other:
        other.admin.rpc("admin_shutdown")
        other.wait(lambda: other.node.url is None)
