"""A client of one node against peers that do wrong: each ends with an error that has a type, in bounded time and memory."""

import resource
import socket
import threading
import time

import msgspec
import pytest

from tests.unit.storage.client.peers import PIECE, Script, answer_of, peer, read_request
from tests.unit.storage.protocol.plain import pattern
from zerog.primitives import Hash32
from zerog.storage.client import (
    IndexerClient,
    NodeClient,
    PeerAnswerError,
    PeerError,
    PeerLimits,
    PeerRefusedError,
    PeerStatusError,
    PeerUnreachableError,
)
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.segments import BulkSegment, BulkUpload, FileProof, SegmentWithProof

HASTY = PeerLimits(connect_s=1, answer_s=0.3, grace_s=0.3, bytes_per_s_min=1 << 20, json_bytes_max=1 << 20, bulk_bytes_max=1 << 20)
ROOT = Hash32(b"\x07" * 32)
STATUS = {
    "connectedPeers": 0,
    "logSyncHeight": 7,
    "logSyncBlock": "0x" + "11" * 32,
    "nextTxSeq": 3,
    "networkIdentity": {"chainId": 31337, "flowAddress": "0x" + "22" * 20, "p2pProtocolVersion": {"major": 0, "minor": 4, "build": 0}},
}


def rpc(result: object) -> bytes:
    return answer_of(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))


def says(*answers: bytes) -> Script:
    """Give each request of a connection the next answer, then close."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            if not read_request(connection):
                return
            connection.sendall(answer)

    return script


def silent(connection: socket.socket) -> None:
    while read_request(connection):
        pass


def endless_headers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(PIECE)


def endless_header_lines(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")


def endless_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + PIECE + b"\r\n")


def body_until_close(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(PIECE)


def dripping(start: bytes, drip: bytes) -> Script:
    """A byte now and then keeps every single wait short."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        pause = threading.Event()
        while True:
            connection.sendall(drip)
            pause.wait(0.02)

    return script


def closes(connection: socket.socket) -> None:
    read_request(connection)


def reads_nothing(connection: socket.socket) -> None:
    threading.Event().wait(1.5)


UNREACHABLE = [
    ("silent", silent),
    ("closes", closes),
    ("drips its headers", dripping(b"HTTP/1.1 200 OK\r\nX: ", b"y")),
    ("drips its body", dripping(answer_of(b"", length=1000), b" ")),
    ("drips chunks", dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
]
INVALID = [
    ("no HTTP", says(b"\x00\xff" * 50)),
    ("another version", says(b"HTTP/9.9 200 OK\r\n\r\n")),
    ("status is no number", says(b"HTTP/1.1 abc\r\n\r\n")),
    ("endless header", endless_headers),
    ("endless headers", endless_header_lines),
    ("endless chunks", endless_body),
    ("endless body", body_until_close),
    ("says that it sends an exabyte", says(answer_of(b"", length=1 << 60))),
    ("truncated", says(answer_of(b'{"jsonrpc"', length=500))),
    ("truncated chunks", says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")),
    ("no JSON", says(answer_of(b"<html>"))),
    ("empty", says(answer_of(b""))),
    ("another shape", says(rpc({"connectedPeers": "many"}))),
    ("deep", says(answer_of(b'{"result":' + b"[" * 100_000))),
    ("bad hash", says(rpc(STATUS | {"logSyncBlock": "0x11"}))),
]


@pytest.mark.parametrize("script", [script for _, script in UNREACHABLE], ids=[name for name, _ in UNREACHABLE])
def test_a_peer_that_does_not_answer_in_time_is_given_up(script: Script) -> None:
    ended(script, PeerUnreachableError)


@pytest.mark.parametrize("script", [script for _, script in INVALID], ids=[name for name, _ in INVALID])
def test_an_answer_that_is_none_is_the_peers_fault(script: Script) -> None:
    ended(script, PeerAnswerError)


def ended(script: Script, error: type[PeerError]) -> None:
    """Within seconds and a few MiB."""
    memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.monotonic()
    with peer(script) as url, NodeClient(url, HASTY) as node, pytest.raises(error) as failed:
        node.status()
    assert time.monotonic() - began_s < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kib < 32 * 1024
    assert failed.value.url == url
    assert failed.value.remedy


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    segment = BulkSegment(index=0, data=memoryview(bytes(32 << 20)), lemma=[], path=[])
    upload = BulkUpload(root=ROOT, size_bytes=1, tx_seq=None, segments=[segment])
    limits = PeerLimits(grace_s=0.2, bytes_per_s_min=1 << 30)
    with peer(reads_nothing) as url, NodeClient(url, limits) as node, pytest.raises(PeerUnreachableError, match="too long"):
        node.upload_binary([upload])


def test_nobody_at_the_url_is_said_with_a_remedy() -> None:
    with NodeClient("http://127.0.0.1:1") as node, pytest.raises(PeerUnreachableError, match="refused") as failed:
        node.status()
    assert "zerog up" in failed.value.remedy


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5678", "ftp://127.0.0.1", "http://", "http://a:b", "http://a b", "http://a/\r\nX: y", "http://ä"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PeerAnswerError, match="URL"):
        NodeClient(url)


def test_refusals_keep_the_peers_words() -> None:
    error = {"code": -32602, "message": "Invalid params: root", "data": "already pruned"}
    with peer(says(answer_of(msgspec.json.encode({"id": 1, "error": error})))) as url, NodeClient(url) as node:
        with pytest.raises(PeerRefusedError, match="Invalid params: root; already pruned") as refused:
            node.file_info(ROOT)
        assert (refused.value.number, refused.value.data) == (-32602, "already pruned")
    body = msgspec.json.encode({"error": {"code": -32600, "message": "too large; send less"}})
    too_large = says(answer_of(body, status="413 Too Large"))
    with peer(too_large) as url, NodeClient(url) as node, pytest.raises(PeerStatusError, match="answered 413: too large; send less"):
        node.file_info(ROOT)


def test_a_refusal_is_read_although_the_body_was_not_taken() -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\0" * 8)
        connection.sendall(answer_of(b'{"error":{"message":"too much"}}', status="413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    segment = BulkSegment(index=0, data=memoryview(bytes(8 << 20)), lemma=[], path=[])
    with peer(script) as url, NodeClient(url) as node, pytest.raises(PeerStatusError, match="413: too much"):
        node.upload_binary([BulkUpload(root=ROOT, size_bytes=1, tx_seq=None, segments=[segment])])


def test_a_connection_is_kept_and_made_anew_when_the_server_has_closed_it() -> None:
    connections = []

    def script(connection: socket.socket) -> None:
        connections.append(connection)
        says(rpc(STATUS), rpc(STATUS))(connection)

    with peer(script) as url, NodeClient(url) as node:
        answers = [node.status() for _ in range(3)]
        assert {(status.log_sync_height, status.network_identity.chain_id) for status in answers} == {(7, 31337)}
        assert len(connections) == 2


def test_closing_wakes_whoever_waits_for_an_answer() -> None:
    asked = threading.Event()

    def script(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        read_request(connection)

    failures: list[PeerError] = []

    def ask(node: NodeClient) -> None:
        try:
            node.status()
        except PeerError as error:
            failures.append(error)

    with peer(script) as url:
        node = NodeClient(url)
        thread = threading.Thread(target=ask, args=(node,))
        thread.start()
        assert asked.wait(5)
        node.close()
        thread.join(5)
    assert [type(error) for error in failures] == [PeerUnreachableError]


# ---- segments ----------------------------------------------------------------------------------------------------

DATA = pattern(3 * SEGMENT_BYTES + 700)
TREE = FileTree(DATA)
SECTORS = bytes(DATA).ljust(3 * SEGMENT_BYTES + 768, b"\0")


def bulk(index: int, *, data: bytes | None = None, proof_of: int | None = None) -> BulkSegment:
    proof = TREE.segment_proof(index if proof_of is None else proof_of)
    piece = SECTORS[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES] if data is None else data
    return BulkSegment(index=index, data=memoryview(piece), lemma=[bytes(node) for node in proof.lemma], path=list(proof.path))


def message(*segments: BulkSegment) -> bytes:
    return answer_of(msgspec.msgpack.encode(list(segments)), kind="application/msgpack")


def ours(*answers: bytes) -> Script:
    """A node with binary routes, which says what a test wants."""
    return says(rpc(None), *answers)


def test_segments_are_checked_and_lie_in_the_message() -> None:
    with peer(ours(message(bulk(1), bulk(3)))) as url, NodeClient(url) as node:
        found = node.segments(TREE.root, size_bytes=len(DATA), first=1, count=10)
    assert [(segment.index, bytes(segment.data)) for segment in found] == [
        (1, SECTORS[SEGMENT_BYTES : 2 * SEGMENT_BYTES]),
        (3, SECTORS[3 * SEGMENT_BYTES :]),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        message(bulk(1, data=bytes(SEGMENT_BYTES))),
        message(bulk(1, proof_of=2)),
        message(bulk(1, data=SECTORS[: SEGMENT_BYTES - 256])),
        message(bulk(0)),
        message(bulk(1), bulk(1)),
        message(BulkSegment(index=1, data=memoryview(b""), lemma=[b"short"], path=[])),
        answer_of(b"\xc1\xff"),
        answer_of(msgspec.msgpack.encode({"index": 1})),
    ],
    ids=["wrong data", "another's proof", "short", "not wanted", "twice", "hash of five bytes", "no MessagePack", "another shape"],
)
def test_a_wrong_segment_is_never_returned(answer: bytes) -> None:
    with peer(ours(answer)) as url, NodeClient(url) as node, pytest.raises(PeerAnswerError):
        node.segments(TREE.root, size_bytes=len(DATA), first=1, count=3)


def test_a_node_that_lacks_a_file_gives_no_segments() -> None:
    refusal = answer_of(b'{"error":{"message":"unknown"}}', status="404 Not Found")
    with peer(ours(refusal, message())) as url, NodeClient(url) as node:
        assert node.segments(TREE.root, size_bytes=len(DATA), first=0, count=1) == []
        assert node.segments(TREE.root, size_bytes=len(DATA), first=0, count=1) == []


def official(*answers: bytes) -> Script:
    """A node without our methods."""
    unknown = {"id": 1, "error": {"code": -32601, "message": "Method not found"}}
    return says(answer_of(msgspec.json.encode(unknown)), *answers)


def as_json(index: int, proof_of: int) -> bytes:
    piece = SECTORS[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
    proof = FileProof.of(TREE.segment_proof(proof_of))
    segment = SegmentWithProof(root=TREE.root, data=piece, index=index, proof=proof, file_size=len(DATA))
    return answer_of(msgspec.json.encode({"id": 1, "result": segment}, enc_hook=str))


def test_official_nodes_are_asked_in_their_words() -> None:
    with peer(official(as_json(2, 2), rpc(None), as_json(1, 1), as_json(2, 1))) as url, NodeClient(url) as node:
        [segment] = node.segments(TREE.root, size_bytes=len(DATA), first=2, count=2, tx_seq=5)
        assert bytes(segment.data) == SECTORS[2 * SEGMENT_BYTES : 3 * SEGMENT_BYTES]
        assert node.segments(TREE.root, size_bytes=len(DATA), first=2, count=2) == []
        with pytest.raises(PeerAnswerError, match="sends segment 1 where 2 was wanted"):
            node.segments(TREE.root, size_bytes=len(DATA), first=2, count=2)
        with pytest.raises(PeerAnswerError, match="is not what its root says"):
            node.segments(TREE.root, size_bytes=len(DATA), first=2, count=2)


def test_outcomes_stand_in_the_order_of_the_request() -> None:
    upload = BulkUpload(root=TREE.root, size_bytes=len(DATA), tx_seq=None, segments=[bulk(0)])
    two = answer_of(b'[{"stored":1},{"code":"x","cause":"y"}]')
    with peer(says(two, two)) as url, NodeClient(url) as node:
        assert [outcome.code for outcome in node.upload_binary([upload, upload])] == [None, "x"]
        with pytest.raises(PeerAnswerError, match="2 outcomes for 1"):
            node.upload_binary([upload])


def test_an_indexer_lists_nodes_also_with_null_for_none() -> None:
    node = {"url": "http://node", "config": {"shardId": 1, "numShard": 2}, "latency": 3, "since": 5}
    with peer(says(rpc({"trusted": [node], "discovered": None}), rpc(None))) as url, IndexerClient(url) as indexer:
        assert [found.config.to_shard().count for found in indexer.sharded_nodes().trusted] == [2]
        assert indexer.file_locations(ROOT) == []


def test_a_gateways_file_that_breaks_off_is_an_error() -> None:
    whole = answer_of(b"content", status="206 Partial Content")
    with peer(says(whole, answer_of(b"cont", length=7))) as url, IndexerClient(url) as indexer:
        with indexer.file(ROOT, offset=2, length=7) as answer:
            assert (answer.size_bytes, answer.read(), answer.read()) == (7, b"content", b"")
        with indexer.file(ROOT, "a/b c") as answer:
            assert answer.read(4) == b"cont"
            with pytest.raises(PeerAnswerError, match="ends after 4 of 7"):
                answer.read(4)


def test_a_gateway_says_why_it_gives_no_file() -> None:
    gone = answer_of(b'{"code":101,"message":"File not found"}', status="404 Not Found")
    with peer(says(gone)) as url, IndexerClient(url) as indexer, pytest.raises(PeerStatusError, match="File not found"), indexer.file(5):
        pass


def test_a_body_that_stalls_is_given_up_before_its_time_is_over() -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer_of(b"{", length=1_000_000))
        read_request(connection)

    began_s = time.monotonic()
    with peer(script) as url, NodeClient(url, PeerLimits(stall_s=0.1)) as node, pytest.raises(PeerUnreachableError, match="too long"):
        node.status()
    assert time.monotonic() - began_s < 5
