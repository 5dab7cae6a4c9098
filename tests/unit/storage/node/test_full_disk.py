"""A node whose disk is full: it says so, loses nothing, reads on, and takes what is sent once there is room."""

from itertools import count

from tests.unit.storage.node.network import Chain, File, Network, Node, pattern

seeds = count(60_000)

ROOM_BYTES = 6 * 262144
"""For four segments and what comes with them."""


def file_of(size: int) -> File:
    return File(pattern(size, next(seeds)))


def test_a_full_node_refuses_and_reads_on(network: Network, chain: Chain) -> None:
    files = [file_of(2 * 262144) for _ in range(4)]
    seqs = chain.submit(*(file.submission() for file in files))
    with network.running(chain, disk_bytes_max=ROOM_BYTES) as node:
        node.wait_for_seq(seqs[-1])
        outcomes = []
        for file, seq in zip(files, seqs, strict=True):
            answer = node.post(
                {"jsonrpc": "2.0", "id": 1, "method": "zgs_uploadSegmentsByTxSeq", "params": [[file.segment(0), file.segment(1)], seq]}
            )
            outcomes.append("result" in answer or answer["error"])
        kept = outcomes.count(True)
        assert 0 < kept < 4
        assert all(outcome is True or outcome["message"].startswith("the store cannot write: ") for outcome in outcomes)
        for seq, file, outcome in zip(seqs, files, outcomes, strict=True):
            found = node.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1024)
            assert found == (file.segment(0)["data"] if outcome is True else None)
            assert node.is_finalized(seq) == (outcome is True)
        assert node.keeper.counters.uploads_refused["store_full"] == 4 - kept


def test_a_full_node_follows_the_chain_and_goes_on_asking_its_peers(network: Network, chain: Chain, node: Node) -> None:
    file, early = file_of(12 * 262144), file_of(2 * 262144)
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    node.upload(file, seq)
    with network.running(chain, disk_bytes_max=ROOM_BYTES, peers=(node.url,), peer_interval_s=0.02) as full:
        full.wait(
            lambda: (
                full.keeper.counters.segments_fetched > 0
                or full.keeper.store.held_count(file.root) > 0
                or full.keeper.peers.connected_count
            )
        )
        assert full.rpc("zgs_uploadSegment", early.segment(0)) == 0
        [later] = chain.submit(early.submission())
        full.wait_for_seq(later)
        full.wait(lambda: not len(full.keeper.uploads.cache))
        assert full.keeper.follower.trouble is None
        assert not full.is_finalized(seq)
