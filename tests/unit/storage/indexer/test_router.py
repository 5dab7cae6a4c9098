"""The router is one full node, whatever stands behind it: halves, replicas, nodes that are slow, dead or lie."""

import base64
import socket
import time
from itertools import count
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from tests.unit.storage.indexer.stage import Indexer, Stage
from tests.unit.storage.node.network import File, Node, pattern
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.segments import BulkSegment

seeds = count(1)


def reserved_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def file_of(segments: int, more: int = 0) -> File:
    return File(pattern(segments * SEGMENT_BYTES + more, next(seeds)))


@pytest.fixture(scope="module")
def nodes(stage: Stage) -> list[Node]:
    return stage.nodes("0/2", "1/2", "0/1")


@pytest.fixture(scope="module")
def indexer(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(*(node.url for node in nodes))


@pytest.fixture(scope="module")
def halves(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(nodes[0].url, nodes[1].url)


@pytest.fixture(scope="module")
def single(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(nodes[2].url)


@pytest.fixture(scope="module")
def near(stage: Stage, nodes: list[Node]) -> Indexer:
    """A node in the same process, past its sockets."""
    return stage.indexer(nodes[2].url, near=nodes)


def read_back(indexer: Indexer, file: File, seq: int) -> bytes:
    parts = []
    sectors = -(-file.size // 256)
    for start in range(0, sectors, 1024):
        answer = indexer.router.rpc("zgs_downloadSegmentByTxSeq", seq, start, min(start + 1024, sectors))
        parts.append(base64.b64decode(answer))
    return b"".join(parts)[: file.size]


@pytest.mark.parametrize("which", ["indexer", "halves", "single", "near"])
@pytest.mark.parametrize("segments", [1, 5, 40])
def test_a_file_goes_in_as_json_and_comes_back(
    stage: Stage, nodes: list[Node], which: str, segments: int, request: pytest.FixtureRequest
) -> None:
    indexer: Indexer = request.getfixturevalue(which)
    file = file_of(segments - 1, more=70_001)
    [seq] = stage.chain.submit(file.submission())
    for node in nodes:
        node.wait_for_seq(seq)
    before = indexer.router.rpc("zgs_getFileInfo", str(file.root), True)
    assert (before["finalized"], before["uploadedSegNum"], before["tx"]["seq"]) == (False, 0, seq)
    for index in file.segments:
        assert indexer.router.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index)], seq) == 0
    info = indexer.router.rpc("zgs_getFileInfo", str(file.root), True)
    assert (info["finalized"], info["uploadedSegNum"], info["pruned"], info["isCached"]) == (True, segments, False, False)
    assert indexer.router.rpc("zgs_getFileInfoByTxSeq", seq) == info
    assert indexer.router.rpc("zgs_checkFileFinalized", seq) is True
    assert read_back(indexer, file, seq) == file.data
    for index in (0, segments - 1):
        assert indexer.router.rpc("zgs_downloadSegmentWithProof", str(file.root), index) == file.segment(index)
    available = indexer.router.rpc("zgs_getAvailability", str(file.root))
    assert (available["heldCount"], available["required"], available["finalized"]) == (segments, segments, True)


def test_each_node_gets_what_it_has_to_hold_and_no_more(stage: Stage, nodes: list[Node], indexer: Indexer) -> None:
    file = file_of(7)
    seq = stage.stored(file, indexer, *nodes)
    start = nodes[0].info(seq)["tx"]["startEntryIndex"] // 1024
    for node, shard in zip(nodes, ("0/2", "1/2", "0/1"), strict=True):
        held = [index for index in file.segments if node.keeper.store.has(file.root, index)]
        assert held == [index for index in file.segments if Shard.parse(shard).holds(start + index)]


def test_many_segments_go_in_at_once(stage: Stage, nodes: list[Node], indexer: Indexer) -> None:
    """As the official client does it, one segment a request and all requests together, to a set whose nodes have unequal parts."""
    file = file_of(99, more=5)
    [seq] = stage.chain.submit(file.submission())
    for node in nodes:
        node.wait_for_seq(seq)

    async def upload() -> None:
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=100)) as client, anyio.create_task_group() as tasks:

            async def send(index: int) -> None:
                body = {"jsonrpc": "2.0", "id": index, "method": "zgs_uploadSegmentsByTxSeq", "params": [[file.segment(index)], seq]}
                assert (await client.post(f"{indexer.url}/node", json=body)).json() == {"jsonrpc": "2.0", "id": index, "result": 0}

            for index in file.segments:
                tasks.start_soon(send, index)

    stage.portal.call(upload)
    assert indexer.router.rpc("zgs_getFileInfoByTxSeq", seq)["finalized"]
    assert all(node.is_finalized(seq) for node in nodes)
    assert indexer.service.budget.used_bytes == 0


def test_a_thousand_segments_go_through(stage: Stage, nodes: list[Node], indexer: Indexer) -> None:
    file = file_of(1_000)
    seq = stage.stored(file, indexer, *nodes)
    assert all(node.is_finalized(seq) for node in nodes)
    assert indexer.get(f"/file?root={file.root}").content == file.data
    assert indexer.service.budget.used_bytes == 0


def test_binary_routes_of_the_router_are_those_of_a_node(
    stage: Stage, nodes: list[Node], indexer: Indexer, single: Indexer, near: Indexer
) -> None:
    for router in (indexer, single, near):
        file = file_of(20, more=3)
        seq = stage.stored(file, router, *nodes)
        with router.node_client() as client:
            assert client.speaks_binary()
            assert client.shard() == Shard(1, 0)
        given = router.http.get(f"{router.url}/node/segments/{file.root}?first=1&count=64")
        segments = msgspec.msgpack.decode(given.content, type=list[BulkSegment])
        assert [segment.index for segment in segments] == list(range(1, 17)), "four megabytes"
        assert all(bytes(segment.data) == file.uploaded(segment.index) for segment in segments)
        last = router.http.get(f"{router.url}/node/segments/{file.root}?first=17&count=64")
        assert [segment.index for segment in msgspec.msgpack.decode(last.content, type=list[BulkSegment])] == [17, 18, 19, 20]
        assert router.http.get(f"{router.url}/node/segments/0x{'ab' * 32}?first=0&count=1").status_code == 404
        for query, status in (("first=0&count=0", 200), ("first=0&count=1000", 200), ("first=-1&count=1", 400), ("first=x", 400)):
            assert router.http.get(f"{router.url}/node/segments/{file.root}?{query}").status_code == status
        assert router.http.get(f"{router.url}/node/segments/0x12?first=0").status_code == 400
        assert router.http.post(f"{router.url}/node/segments", content=b"\x00rubbish").status_code == 400
        again = router.http.post(f"{router.url}/node/segments", content=msgspec.msgpack.encode([file.bulk([0, 1], seq)])).json()
        assert again[0]["finalized"]
        assert again[0]["stored"] == 2


def test_refusals_are_those_of_the_nodes(stage: Stage, nodes: list[Node], indexer: Indexer, single: Indexer) -> None:
    file = file_of(3)
    seq = stage.stored(file, indexer, *nodes)
    other = file_of(3)
    [open_seq] = stage.chain.submit(other.submission())
    for node in nodes:
        node.wait_for_seq(open_seq)
    wrong_proof = other.segment(1, proof=other.segment(0)["proof"])
    calls: list[tuple[Any, ...]] = [
        ("zgs_uploadSegmentsByTxSeq", [file.segment(1)], seq),
        ("zgs_uploadSegmentsByTxSeq", [file.segment(1)], open_seq),
        ("zgs_uploadSegmentsByTxSeq", [wrong_proof], open_seq),
        ("zgs_uploadSegmentsByTxSeq", [other.segment(1, data="")], open_seq),
        ("zgs_uploadSegment", other.segment(2, fileSize=5)),
        ("zgs_downloadSegmentByTxSeq", seq, 5, 5),
        ("zgs_downloadSegmentByTxSeq", seq, 0, 1025),
        ("zgs_downloadSegmentWithProofByTxSeq", seq, 9),
    ]
    for call in calls:
        assert indexer.router.refusal(*call) == single.router.refusal(*call), call
    assert "already uploaded and finalized" in indexer.router.refusal(*calls[0])[1]
    for method, *params in (("zgs_getFileInfo", "0x" + "ab" * 32, True), ("zgs_downloadSegment", "0x" + "ab" * 32, 0, 1)):
        assert indexer.router.rpc(method, *params) is None
        assert single.router.rpc(method, *params) is None
    assert indexer.router.rpc("zgs_uploadSegments", []) == 0


@pytest.mark.parametrize("method", ["admin_getPeers", "\\u0061dmin_getPeers", "miner_start", "admin_shutdown"])
def test_methods_for_the_own_machine_are_not_reached_through_the_router(stage: Stage, method: str) -> None:
    """A node may have them on the port of all others; the router stands where everybody may ask."""
    port = reserved_port()
    node = stage.network.node(stage.chain, rpc_port=port, admin_port=port)
    assert node.rpc("admin_getPeers") == {}
    for indexer in (stage.indexer(node.url), stage.indexer(node.url, near=[node])):
        body = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}'
        for sent in (body, f"[{body}]", body.replace('"method"', '"method":"zgs_getStatus","method"')):
            answer = indexer.http.post(f"{indexer.url}/node", content=sent).json()
            error = (answer[0] if isinstance(answer, list) else answer)["error"]
            assert error["code"] == -32601
    assert node.rpc("zgs_getShardConfig") == {"shardId": 0, "numShard": 1}


def test_data_for_a_file_that_no_block_announces_yet_goes_to_all_nodes(stage: Stage, nodes: list[Node], halves: Indexer) -> None:
    file = file_of(3)
    segments = [file.segment(index) for index in file.segments]
    assert halves.router.rpc("zgs_uploadSegments", segments) == 0
    assert halves.router.rpc("zgs_getFileInfo", str(file.root), True) is None
    [seq] = stage.chain.submit(file.submission())
    for node in nodes[:2]:
        node.wait_for_seq(seq)
        node.wait(lambda node=node: node.keeper.files.is_finalized(node.keeper.files.by_seq(seq)))  # type: ignore[misc]
    assert halves.router.rpc("zgs_getFileInfo", str(file.root), True)["finalized"]
    assert read_back(halves, file, seq) == file.data


def test_what_the_flow_has_is_found_wherever_it_is(stage: Stage, nodes: list[Node], halves: Indexer) -> None:
    file = file_of(4)
    seq = stage.stored(file, halves, *nodes)
    start = nodes[0].info(seq)["tx"]["startEntryIndex"]
    full = nodes[2]
    full.upload(file, seq)
    for segment in range(4):
        sector = start + segment * 1024 + 5
        assert halves.router.rpc("zgs_getSectorProof", sector, None) == full.rpc("zgs_getSectorProof", sector, None)
        number = start // 1024 + segment
        assert halves.router.rpc("zgs_getHashAtNodeIndex", number) == full.rpc("zgs_getHashAtNodeIndex", number)
    assert halves.router.rpc("zgs_getFlowContext") == full.rpc("zgs_getFlowContext")
    assert halves.router.rpc("zgs_getStatus")["networkIdentity"] == full.rpc("zgs_getStatus")["networkIdentity"]
    assert halves.router.rpc("zgs_getShardConfig") == {"shardId": 0, "numShard": 1}


def test_numbers_may_be_written_as_text(stage: Stage, nodes: list[Node], halves: Indexer) -> None:
    """As some clients do; nodes are asked with numbers, whatever they themselves would take."""
    file = file_of(2)
    seq = stage.stored(file, halves, *nodes)
    for text in (str(seq), hex(seq)):
        assert halves.router.rpc("zgs_getFileInfoByTxSeq", text) == halves.router.rpc("zgs_getFileInfoByTxSeq", seq)
        assert halves.router.rpc("zgs_checkFileFinalized", text) is True
        assert halves.router.rpc("zgs_downloadSegmentByTxSeq", text, "0", "1024") == file.segment(0)["data"]
    assert halves.router.rpc("zgs_listFiles", str(seq), "1")["files"][0]["tx"]["seq"] == seq
    assert halves.router.rpc("zgs_getSectorProof", "1", None) == nodes[0].rpc("zgs_getSectorProof", 1, None)


def test_a_node_that_is_behind_is_waited_for_once(stage: Stage, nodes: list[Node]) -> None:
    [late] = stage.nodes("0/1", confirmations=1_000)
    indexer = stage.indexer(nodes[2].url, late.url)
    file = file_of(2)
    [seq] = stage.chain.submit(file.submission())
    nodes[2].wait_for_seq(seq)
    assert indexer.router.rpc("zgs_getFileInfo", str(file.root), True)["tx"]["seq"] == seq
    asked = late.node.metrics()
    assert b"zgs_getFileInfo" in asked, "it was asked again until the time was over"
    started = time.monotonic()
    for _ in range(3):
        assert not indexer.router.rpc("zgs_getFileInfoByTxSeq", seq)["finalized"]
    assert time.monotonic() - started < 3 * 0.9, "who needs longer is not waited for again"
    assert indexer.router.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(0), file.segment(1)], seq) == 0
    assert indexer.router.rpc("zgs_getFileInfo", str(file.root), True)["finalized"]


def test_files_are_listed_once_with_the_state_that_they_have_together(stage: Stage, nodes: list[Node], halves: Indexer) -> None:
    file = file_of(4)
    seq = stage.stored(file, halves, *nodes)
    seen: list[int] = []
    cursor = None
    while True:
        page = halves.router.rpc("zgs_listFiles", cursor, 3)
        seen += [info["tx"]["seq"] for info in page["files"]]
        last = page["files"][-1]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == list(range(seq + 1))
    assert (last["finalized"], last["uploadedSegNum"]) == (True, 4)


def test_a_node_that_is_slow_is_not_waited_for(stage: Stage) -> None:
    near, far = stage.nodes("0/1", "0/1")
    door = stage.door(far.url)
    indexer = stage.indexer(door.url, near.url, hedge_s=0.5)
    file = file_of(5)
    seq = stage.stored(file, indexer, near, far)
    door.delay_s = 20.0
    started = time.monotonic()
    assert read_back(indexer, file, seq) == file.data
    assert indexer.get(f"/file?root={file.root}").content == file.data
    assert time.monotonic() - started < 10
    assert door.asked, "it was asked first"


def test_a_node_that_gives_wrong_data_is_not_believed(stage: Stage) -> None:
    honest, liar = stage.nodes("0/1", "0/1")
    door = stage.door(liar.url)
    indexer = stage.indexer(door.url, honest.url, hedge_s=30.0)
    file = file_of(5)
    seq = stage.stored(file, indexer, honest, liar)

    def spoiled(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        return bytes(changed)

    door.spoil = spoiled
    assert read_back(indexer, file, seq) == file.data
    assert door.asked
    assert indexer.metric("zerog_indexer_wrong_segments_total") >= 1
    asked = len(door.asked)
    assert indexer.get(f"/file?root={file.root}").content == file.data
    assert len(door.asked) == asked, "who lied is asked last"
    alone = stage.indexer(door.url, stage.nodes("1/2")[0].url)
    assert alone.router.rpc("zgs_downloadSegmentByTxSeq", seq, 0, 1024) is None
    assert alone.get(f"/file?root={file.root}").status_code == 600


def test_an_upload_goes_on_when_a_node_dies(stage: Stage) -> None:
    even, odd, full = stage.nodes("0/2", "1/2", "0/1")
    door = stage.door(odd.url)
    indexer = stage.indexer(even.url, door.url, full.url)
    file = file_of(9)
    [seq] = stage.chain.submit(file.submission())
    for node in (even, odd, full):
        node.wait_for_seq(seq)
    for index in file.segments:
        door.is_shut = index >= 4
        assert indexer.router.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index)], seq) == 0
    assert indexer.router.rpc("zgs_getFileInfoByTxSeq", seq)["finalized"]
    assert not odd.is_finalized(seq)
    assert read_back(indexer, file, seq) == file.data


def test_a_segment_without_a_holder_is_refused(stage: Stage, nodes: list[Node]) -> None:
    half = stage.indexer(nodes[0].url)
    file = file_of(2)
    [seq] = stage.chain.submit(file.submission())
    nodes[0].wait_for_seq(seq)
    start = nodes[0].info(seq)["tx"]["startEntryIndex"] // 1024
    theirs, ours = sorted(file.segments, key=lambda index: (start + index) % 2 == 0)
    assert half.router.rpc("zgs_uploadSegmentsByTxSeq", [file.segment(ours)], seq) == 0
    code, message, _ = half.router.refusal("zgs_uploadSegmentsByTxSeq", [file.segment(theirs)], seq)
    assert (code, message) == (-32000, f"no storage node answers for segment {start + theirs} of the flow")
