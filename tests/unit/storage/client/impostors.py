"""A peer that knows a file's facts and gives its segments wrong: every lie that a download must see through."""

import socket
from collections.abc import Callable

import msgspec

from tests.unit.storage.client.peers import Script, answer_of, read_request
from zerog.primitives import Hash32
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.protocol.shards import EVERYTHING
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.files import FileInfo, FileTransaction
from zerog.storage.wire.nodes import ShardConfig
from zerog.storage.wire.segments import BulkSegment

__all__ = ["Lie", "impostor", "segments_of_file"]

Lie = Callable[[bytes, int, int], bytes]
"""What is answered instead of segments `first` to `first + count - 1` of the file: the whole HTTP answer."""


def impostor(data: bytes, lie: Lie, *, size_bytes: int | None = None) -> Script:
    """Says that it has the file, of `size_bytes` if that is another lie, and tells `lie` when it is asked for segments."""
    tree = FileTree(data)
    transaction = FileTransaction.of(0, tree.submission(), 1024)
    info = FileInfo(
        tx=msgspec.structs.replace(transaction, size=size_bytes or len(data)),
        finalized=True,
        is_cached=False,
        uploaded_seg_num=1,
        pruned=False,
    )
    results: dict[str, object] = {"zgs_getShardConfig": ShardConfig.of(EVERYTHING), "zgs_getFileInfo": info, "zgs_getAvailability": None}

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"GET /segments/"):
                query = dict(part.split("=") for part in head.split(b" ")[1].decode().partition("?")[2].split("&"))
                connection.sendall(lie(data, int(query["first"]), int(query["count"])))
            else:
                call = msgspec.json.decode(body)
                answer = {"jsonrpc": "2.0", "id": call["id"], "result": results[call["method"]]}
                connection.sendall(answer_of(msgspec.json.encode(answer, enc_hook=str)))

    return script


def segments_of_file(data: bytes, indexes: range) -> list[BulkSegment]:
    """True segments."""
    tree = FileTree(data)
    found = []
    for index in indexes[: tree.size_bytes // SEGMENT_BYTES + 1]:
        if index * SEGMENT_BYTES >= tree.size_bytes:
            break
        piece = data[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES].ljust(uploaded_bytes_of_segment(len(data), index), b"\0")
        proof = tree.segment_proof(index)
        found.append(
            BulkSegment(index=index, data=memoryview(piece), lemma=[bytes(Hash32(node)) for node in proof.lemma], path=list(proof.path))
        )
    return found
