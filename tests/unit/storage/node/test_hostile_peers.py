"""Peers that lie, stall or drown a node: each is refused and counted, none costs memory, and the honest one is heard."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.storage.client.peers import answer_of, peer, read_request
from tests.unit.storage.node.network import Chain, File, Node, pattern
from tests.unit.storage.node.process import NodeProcess, node_process
from zerog.storage.wire.segments import BulkSegment

seeds = count(30_000)

MEMORY_MIB_MAX = 64
PACKED = "application/msgpack"
HUGE_BYTES = 10 << 30

Answer = Callable[[socket.socket, File, int, int], None]
"""What a rogue sends for segments of a file, from the first and as many as are asked for."""


def packed(segments: list[BulkSegment]) -> bytes:
    return answer_of(msgspec.msgpack.encode(segments), kind=PACKED)


def honest(file: File, first: int, number: int) -> list[BulkSegment]:
    return file.bulk(range(first, min(first + number, len(file.segments)))).segments


def other_data(connection: socket.socket, file: File, first: int, number: int) -> None:
    segments = [msgspec.structs.replace(segment, data=memoryview(bytes(len(segment.data)))) for segment in honest(file, first, number)]
    connection.sendall(packed(segments))


def other_proof(connection: socket.socket, file: File, first: int, number: int) -> None:
    wrong = file.bulk([(first + 1) % len(file.segments)]).segments[0]
    [good] = honest(file, first, 1)
    connection.sendall(packed([msgspec.structs.replace(good, lemma=wrong.lemma, path=wrong.path)]))


def other_index(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(packed([msgspec.structs.replace(segment, index=segment.index + 1_000) for segment in honest(file, first, number)]))


def twice_the_same(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(packed(honest(file, first, 1) * 2))


def nothing_at_all(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(packed([]))


def no_message_pack(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(answer_of(b"\xc1" * 1_000, kind=PACKED))


def a_bomb(connection: socket.socket, file: File, first: int, number: int) -> None:
    """An array that says that it has four billion members."""
    connection.sendall(answer_of(b"\xdd\xff\xff\xff\xff" + b"\x91" * 1_000, kind=PACKED))


def endless(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def too_long(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(answer_of(b"", kind=PACKED, length=HUGE_BYTES))


def cut_off(connection: socket.socket, file: File, first: int, number: int) -> None:
    body = msgspec.msgpack.encode(honest(file, first, number))
    connection.sendall(answer_of(body[: len(body) // 2], kind=PACKED, length=len(body)))
    connection.shutdown(socket.SHUT_WR)


def silent(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.recv(1)  # Until the node has had enough and closes.


def a_server_error(connection: socket.socket, file: File, first: int, number: int) -> None:
    connection.sendall(answer_of(b"{}", status="500 Internal Server Error"))


ROGUES: dict[str, tuple[Answer, str]] = {
    "other data": (other_data, "wrong_bytes"),
    "another segment's proof": (other_proof, "wrong_proof"),
    "segments that nobody asked for": (other_index, "malformed"),
    "a segment twice": (twice_the_same, "malformed"),
    "nothing of what it says it has": (nothing_at_all, "withheld"),
    "no MessagePack": (no_message_pack, "malformed"),
    "a bomb": (a_bomb, "malformed"),
    "no end": (endless, "malformed"),
    "ten gigabytes": (too_long, "malformed"),
    "half of it": (cut_off, "malformed"),
    "silence": (silent, "timeout"),
    "a server's error": (a_server_error, "refused"),
}


class Rogue:
    """A peer that answers all questions well, says that it has everything, and then sends something else."""

    def __init__(self, file: File, answer: Answer) -> None:
        self.file = file
        self.answer = answer
        self.sent = 0

    def serve(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                calls = json.loads(body)
                answers = [
                    {"jsonrpc": "2.0", "id": call["id"], "result": self.result(call)}
                    for call in (calls if isinstance(calls, list) else [calls])
                ]
                connection.sendall(answer_of(json.dumps(answers if isinstance(calls, list) else answers[0]).encode()))
                continue
            query = dict(part.split("=") for part in head.split(b" ")[1].decode().partition("?")[2].split("&"))
            self.sent += 1
            self.answer(connection, self.file, int(query["first"]), int(query["count"]))

    def result(self, call: Any) -> Any:
        match call["method"]:
            case "zgs_getShardConfig":
                return {"shardId": 0, "numShard": 1}
            case "zgs_getAvailability" if call["params"][0] == str(self.file.root):
                number = len(self.file.segments)
                return {
                    "root": str(self.file.root),
                    "txSeq": None,
                    "segments": number,
                    "shard": {"shardId": 0, "numShard": 1},
                    "held": "0x" + ((1 << number) - 1).to_bytes(-(-number // 8), "little").hex(),
                    "heldCount": number,
                    "required": number,
                    "finalized": True,
                }
        return None


@pytest.fixture
def file(chain: Chain, node: Node) -> File:
    file = File(pattern(20 * 262144, next(seeds)))
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    return file


@pytest.fixture
def rogues(file: File) -> Iterator[dict[str, tuple[Rogue, str]]]:
    """One of each kind, with its URL."""
    with ExitStack() as stack:
        made = {name: Rogue(file, answer) for name, (answer, _) in ROGUES.items()}
        yield {name: (rogue, stack.enter_context(peer(rogue.serve))) for name, rogue in made.items()}


def test_every_kind_is_refused_and_counted_and_the_honest_peer_is_heard(
    chain: Chain, node: Node, file: File, rogues: dict[str, tuple[Rogue, str]], tmp_path: Path
) -> None:
    urls = [url for _, url in rogues.values()] + [node.url]
    flags = [part for url in urls for part in ("--peers", url)]
    with node_process(chain, tmp_path, *flags, "--peer-interval", "0.05", "--peer-timeout", "0.5") as victim:
        expected = Counter(reason for _, reason in ROGUES.values())
        victim.until(lambda: _covers(victim.refused("peers"), expected) and all(rogue.sent for rogue, _ in rogues.values()))
        assert victim.rpc("zgs_getFileInfo", str(file.root), True)["finalized"] is False
        before = victim.rpc("zgs_getAvailability", str(file.root))
        node.rpc("zgs_uploadSegments", [file.segment(index) for index in file.segments])
        victim.until(lambda: victim.rpc("zgs_checkFileFinalized", str(file.root)))
        for index in file.segments:
            assert victim.rpc("zgs_downloadSegmentWithProof", str(file.root), index) == file.segment(index)
        refused = victim.refused("peers")
        sent = Counter[str]()
        for name, (_, reason) in ROGUES.items():
            sent[reason] += rogues[name][0].sent
        assert before["heldCount"] == 0
        assert all(expected[reason] <= refused[reason] <= sent[reason] for reason in expected), (refused, sent)
        assert victim.metrics()["zerog_storage_segments_fetched_total"] >= len(file.segments)
        assert victim.highest_mib_over_idle <= MEMORY_MIB_MAX


def test_a_peer_that_fails_is_left_alone_for_longer_and_longer(chain: Chain, node: Node, file: File, tmp_path: Path) -> None:
    """In the time in which an honest peer is asked hundreds of times, one that lies is asked a few times."""
    rogue = Rogue(file, other_data)
    with peer(rogue.serve) as url, node_process(chain, tmp_path, "--peers", url, "--peer-interval", "0.01") as victim:
        victim.until(lambda: sum(victim.refused("peers").values()) >= 2)
        assert rogue.sent == sum(victim.refused("peers").values())
        assert rogue.sent <= 3


def _covers(refused: dict[str, int], expected: Counter[str]) -> bool:
    return all(refused.get(reason, 0) >= number for reason, number in expected.items())


def test_a_peer_with_a_shard_that_cannot_be_is_refused(chain: Chain, node: Node, file: File, tmp_path: Path) -> None:
    class Impossible(Rogue):
        def result(self, call: Any) -> Any:
            return {"shardId": 7, "numShard": 3} if call["method"] == "zgs_getShardConfig" else super().result(call)

    rogue = Impossible(file, other_data)
    with peer(rogue.serve) as url, node_process(chain, tmp_path, "--peers", url) as victim:
        victim.until(lambda: victim.refused("peers").get("malformed", 0) >= 1)
        assert rogue.sent == 0
        assert isinstance(victim, NodeProcess)
