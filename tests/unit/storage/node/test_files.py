"""A file's way: submitted on a real chain, uploaded as each client does it, and read back."""

import base64
from itertools import count

import msgspec
import pytest

from tests.unit.storage.node.network import LOCAL, Chain, File, Node, pattern
from zerog.primitives import Hash32
from zerog.storage.protocol.flow import verify_sector
from zerog.storage.protocol.merkle import MerkleProof, verify_segment
from zerog.storage.protocol.padding import sectors_of
from zerog.storage.wire.segments import BulkSegment, BulkUpload

seeds = count(1)

SIZES = [1, 255, 256, 257, 1024 * 256 - 1, 1024 * 256, 1024 * 256 + 1, 256 * 1025, 256 * 16385]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_comes_back_as_it_was_uploaded(chain: Chain, node: Node, size: int) -> None:
    file = File(pattern(size, next(seeds)))
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    before = node.info(file.root)
    assert (before["finalized"], before["uploadedSegNum"], before["tx"]["seq"], before["tx"]["size"]) == (False, 0, seq, size)
    node.upload(file, seq)
    info = node.info(file.root)
    assert (info["finalized"], info["uploadedSegNum"], info["pruned"], info["isCached"]) == (True, len(file.segments), False, False)
    assert node.info(seq) == info
    assert (node.rpc("zgs_checkFileFinalized", seq), node.rpc("zgs_checkFileFinalized", str(file.root))) == (True, True)
    sectors = sectors_of(size)
    parts = [
        base64.b64decode(node.rpc("zgs_downloadSegmentByTxSeq", seq, start, min(start + 1024, sectors)))
        for start in range(0, sectors, 1024)
    ]
    assert b"".join(parts)[:size] == file.data
    assert b"".join(parts) == file.data.ljust(256 * sectors, b"\0")
    for index in file.segments:
        found = node.rpc("zgs_downloadSegmentWithProof", str(file.root), index)
        assert found == file.segment(index)
        proof = MerkleProof(tuple(map(Hash32.from_json, found["proof"]["lemma"])), tuple(found["proof"]["path"]))
        verify_segment(file.root, size_bytes=size, index=index, data=base64.b64decode(found["data"]), proof=proof)
        assert node.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index) == found


def test_binary_routes_take_and_give_the_same(chain: Chain, node: Node) -> None:
    file = File(pattern(5 * 262144 + 7, next(seeds)))
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    body = msgspec.msgpack.encode([file.bulk([0, 1, 2], seq), file.bulk([3, 4, 5])])
    answer = node.http.post(f"{node.url}/segments", content=body)
    assert (answer.status_code, answer.json()) == (200, [{"stored": 3, "finalized": True}, {"stored": 3, "finalized": True}])
    given = node.http.get(f"{node.url}/segments/{file.root}?first=1&count=4")
    segments = msgspec.msgpack.decode(given.content, type=list[BulkSegment])
    assert [segment.index for segment in segments] == [1, 2, 3, 4]
    assert all(bytes(segment.data) == file.uploaded(segment.index) for segment in segments)
    for segment in segments:
        verify_segment(file.root, size_bytes=file.size, index=segment.index, data=segment.data, proof=segment.to_proof())
    refused = node.http.get(f"{node.url}/segments/0x{'ab' * 32}?first=0&count=1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "file_unknown")


def test_many_small_files_in_one_request_share_waits_for_the_disk(chain: Chain, node: Node) -> None:
    files = [File(pattern(4096, next(seeds))) for _ in range(60)]
    seqs = chain.submit(*(file.submission() for file in files))
    node.wait_for_seq(seqs[-1])
    before = node.keeper.store.statistics()["groups"]
    entries = [file.bulk([0]) for file in files]
    entries[7] = BulkUpload(root=bytes(files[7].root), size_bytes=4096, tx_seq=None, segments=files[8].bulk([0]).segments)
    answer = node.http.post(f"{node.url}/segments", content=msgspec.msgpack.encode(entries))
    outcomes = answer.json()
    assert outcomes[7]["code"] == "segment_proof"
    assert [outcome for outcome in outcomes if "code" not in outcome] == [{"stored": 1, "finalized": True}] * 59
    assert node.keeper.store.statistics()["groups"] - before < 59


def test_sectors_of_the_flow_are_proved_against_the_contracts_root(chain: Chain, node: Node) -> None:
    """Small files that share a segment, a file of several nodes, padding, gaps, and sector 0, which nobody submitted."""
    files = [File(pattern(size, next(seeds))) for size in (300, 5_000, 3 * 262144 + 300, 17 * 262144)]
    seqs = chain.submit(*(file.submission() for file in files))
    node.wait_for_seq(seqs[-1])
    for file, seq in zip(files, seqs, strict=True):
        node.upload(file, seq)
    root, sectors = node.rpc("zgs_getFlowContext")
    call = node.keeper.follower._chain.flow_root
    assert node.portal.call(call, seqs[-1]) == Hash32.from_json(root)
    starts = [node.info(seq)["tx"]["startEntryIndex"] for seq in seqs]
    places = {
        0,
        sectors - 1,
        *starts,
        starts[2] + 1024,
        starts[2] + 3072,
        starts[2] + 3100,
        starts[3] + 16 * 1024,
        starts[3] + 17 * 1024 + 5,
    }
    for sector in sorted(places):
        found = node.rpc("zgs_getSectorProof", sector, root)
        proof = MerkleProof(tuple(map(Hash32.from_json, found["lemma"])), tuple(found["path"]))
        assert verify_sector(Hash32.from_json(root), sector=sector, proof=proof), sector
    [later] = chain.submit(File(pattern(900, next(seeds))).submission())
    node.wait_for_seq(later)
    old = node.rpc("zgs_getSectorProof", starts[2] + 1024, root)
    assert old["lemma"][-1] == root != node.rpc("zgs_getFlowContext")[0]
    assert node.rpc("zgs_getSectorProof", starts[2] + 1024, root, sectors) == old
    assert node.rpc("zgs_getSectorProof", starts[2] + 1024, root, 7) == old
    assert node.refusal("zgs_getSectorProof", 1, "0x" + "13" * 32)[0] == -32000
    assert node.refusal("zgs_getSectorProof", 1, "0x" + "13" * 32, sectors)[0] == -32000
    assert node.refusal("zgs_getSectorProof", sectors + 10**6, None)[0] == -32000


def test_the_node_says_which_network_it_is_of(chain: Chain, node: Node) -> None:
    status = node.rpc("zgs_getStatus")
    assert status["networkIdentity"] == {
        "chainId": LOCAL.chain_id,
        "flowAddress": "0x" + LOCAL.addresses["flow"].hex(),
        "p2pProtocolVersion": {"major": 0, "minor": 4, "build": 0},
    }
    assert status["logSyncHeight"] == chain.client.block_number()
    assert node.rpc("zgs_getShardConfig") == {"shardId": 0, "numShard": 1}
    assert node.http.get(f"{node.url}/readyz").status_code == 200
