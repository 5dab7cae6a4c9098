"""The JSON-RPC of nodes and indexers without I/O: what is sent, and how the answer is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from zerog.primitives import Hash32, decode_hook, is_nested_deeper
from zerog.storage.client.errors import PeerAnswerError, PeerRefusedError
from zerog.storage.wire.files import Availability, ExpiryPage, FileExpiry, FileInfo, FilePage
from zerog.storage.wire.nodes import NodeStatus, ShardConfig, ShardedNode, ShardedNodes
from zerog.storage.wire.segments import SegmentWithProof

__all__ = ["Call", "NodeLists", "encode", "encode_batch", "read_answer", "read_batch"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call whose answer has type `T`."""

    method: str
    params: tuple[object, ...]
    decoder: "msgspec.json.Decoder[T]"


class _ErrorBody(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class NodeLists(msgspec.Struct):
    """`ShardedNodes` as the official indexer writes it: a list without members may be null."""

    trusted: list[ShardedNode] | None = None
    discovered: list[ShardedNode] | None = None

    def to_nodes(self) -> ShardedNodes:
        return ShardedNodes(trusted=self.trusted or [], discovered=self.discovered or [])


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _ErrorBody | None = None
    id: int | str | float | None = None


def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


DEPTH_MAX: Final = 64
"""Levels of arrays and objects in an answer; what storage answers has six."""

_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ANSWERS: Final = msgspec.json.Decoder(list[_Answer])
_ANYTHING: Final = _decoder(Any)
_AVAILABILITY: Final = _decoder(Availability | None)
_BYTES: Final = _decoder(bytes | None)
_EXPIRIES: Final = _decoder(ExpiryPage)
_EXPIRY: Final = _decoder(FileExpiry | None)
_FILE: Final = _decoder(FileInfo | None)
_FILES: Final = _decoder(FilePage)
_FLAG: Final = _decoder(bool | None)
_NODES: Final = _decoder(list[ShardedNode] | None)
_SEGMENT: Final = _decoder(SegmentWithProof | None)
_SHARD: Final = _decoder(ShardConfig)
_SHARDED_NODES: Final = _decoder(NodeLists)
_STATUS: Final = _decoder(NodeStatus)

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
"""Hashes and addresses give their text; bytes become base64."""


def encode(call: Call[T]) -> bytes:
    """The body to post."""
    return _encode(_request(1, call))


def encode_batch(calls: Sequence[Call[T]]) -> bytes:
    """The body to post for several calls at once."""
    return _encode([_request(number, call) for number, call in enumerate(calls)])


def _request(number: int, call: Call[T]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}


def read_answer(call: Call[T], body: bytes | bytearray | memoryview, url: str) -> T:
    """The answer's value. Raises `PeerRefusedError` when the peer refused, `PeerAnswerError` when the body is not what a peer says."""
    try:
        _check_depth(body)
        return _value(call, _ANSWER.decode(body), url)
    except (ValueError, RecursionError) as error:  # msgspec's errors are values that do not fit.
        raise PeerAnswerError(url, f"{call.method}: {error}") from None


def read_batch(calls: Sequence[Call[T]], body: bytes | bytearray | memoryview, url: str) -> list[T]:
    """The answers' values in the order of the calls. Raises as `read_answer`."""
    try:
        _check_depth(body)
        answers = {answer.id: answer for answer in _ANSWERS.decode(body)}
        return [_value(call, answers[number], url) for number, call in enumerate(calls)]
    except KeyError as error:
        raise PeerAnswerError(url, f"a batch without an answer to call {error}") from None
    except (ValueError, RecursionError) as error:
        raise PeerAnswerError(url, f"a batch: {error}") from None


def _check_depth(body: bytes | bytearray | memoryview) -> None:
    if is_nested_deeper(body, DEPTH_MAX):
        raise ValueError(f"nested deeper than {DEPTH_MAX} levels")


def _value(call: Call[T], answer: _Answer, url: str) -> T:
    if answer.error is not None:
        raise PeerRefusedError(url, call.method, answer.error.code, answer.error.message, answer.error.data)
    return call.decoder.decode(answer.result)


Name = Hash32 | int
"""A file by its root, or by the number of its submission."""


def anything(method: str, params: Sequence[object]) -> Call[object]:
    """Any method, with JSON in and out."""
    return Call(method, tuple(params), _ANYTHING)


def status() -> Call[NodeStatus]:
    return Call("zgs_getStatus", (), _STATUS)


def shard() -> Call[ShardConfig]:
    return Call("zgs_getShardConfig", (), _SHARD)


def file_info(root: Hash32, *, need_available: bool) -> Call[FileInfo | None]:
    return Call("zgs_getFileInfo", (root, need_available), _FILE)


def file_info_by_seq(tx_seq: int) -> Call[FileInfo | None]:
    return Call("zgs_getFileInfoByTxSeq", (tx_seq,), _FILE)


def is_finalized(name: Name) -> Call[bool | None]:
    return Call("zgs_checkFileFinalized", (name,), _FLAG)


def availability(name: Name) -> Call[Availability | None]:
    return Call("zgs_getAvailability", (name,), _AVAILABILITY)


def list_files(cursor: int | str | None, count: int) -> Call[FilePage]:
    return Call("zgs_listFiles", (cursor, count), _FILES)


def expiry(name: Name) -> Call[FileExpiry | None]:
    return Call("zgs_getExpiry", (name,), _EXPIRY)


def list_expiry(cursor: int | str | None, count: int) -> Call[ExpiryPage]:
    return Call("zgs_listExpiry", (cursor, count), _EXPIRIES)


def upload_segments(segments: Sequence[SegmentWithProof], tx_seq: int | None) -> Call[object]:
    if tx_seq is None:
        return Call("zgs_uploadSegments", (segments,), _ANYTHING)
    return Call("zgs_uploadSegmentsByTxSeq", (segments, tx_seq), _ANYTHING)


def download(name: Name, first_sector: int, end_sector: int) -> Call[bytes | None]:
    method = "zgs_downloadSegmentByTxSeq" if isinstance(name, int) else "zgs_downloadSegment"
    return Call(method, (name, first_sector, end_sector), _BYTES)


def download_with_proof(name: Name, index: int) -> Call[SegmentWithProof | None]:
    method = "zgs_downloadSegmentWithProofByTxSeq" if isinstance(name, int) else "zgs_downloadSegmentWithProof"
    return Call(method, (name, index), _SEGMENT)


def sharded_nodes() -> Call[NodeLists]:
    return Call("indexer_getShardedNodes", (), _SHARDED_NODES)


def selected_nodes(replicas: int, method: str, *, trusted_only: bool, dropped: Sequence[str]) -> Call[NodeLists]:
    return Call("indexer_getSelectedNodes", (replicas, method, trusted_only, list(dropped)), _SHARDED_NODES)


def file_locations(root: Hash32) -> Call[list[ShardedNode] | None]:
    return Call("indexer_getFileLocations", (root,), _NODES)
