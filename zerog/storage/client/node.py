"""One storage node, as everybody else talks to it: JSON-RPC, and binary routes for the bulk where the node is one of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self, TypeVar

import msgspec

from zerog.primitives import Hash32, decode_hook
from zerog.storage.client import calls
from zerog.storage.client.calls import Call
from zerog.storage.client.connection import HttpServer, PeerLimits
from zerog.storage.client.errors import PeerAnswerError, PeerRefusedError
from zerog.storage.client.rpc import check_status, run_batch, run_call
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.merkle import MerkleProof, verify_segment
from zerog.storage.protocol.padding import segments_of, uploaded_bytes_of_segment
from zerog.storage.protocol.shards import Shard, ShardInvalidError
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.files import Availability, ExpiryPage, FileExpiry, FileInfo, FilePage
from zerog.storage.wire.nodes import NodeStatus
from zerog.storage.wire.segments import BulkOutcome, BulkSegment, BulkUpload, FileProof, SegmentWithProof

__all__ = ["BULK_SEGMENTS_MAX", "BULK_UPLOAD_BYTES_MAX", "NodeClient", "Segment"]

T = TypeVar("T")

MESSAGE_PACK: Final = {"Content-Type": "application/msgpack"}
BULK_SEGMENTS_MAX: Final = 64
"""Segments of one `GET /segments`; the answer has at most 4 MiB of data, so it may hold fewer."""
BULK_SEGMENT_BYTES_MAX: Final = SEGMENT_BYTES + 4096
"""Of one segment in such an answer, with its proof; a tree over 2^64 segments is no deeper."""
BULK_UPLOAD_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one `POST /segments`."""

_segments_decoder: Final = msgspec.msgpack.Decoder(list[BulkSegment])
_outcomes_decoder: Final = msgspec.json.Decoder(list[BulkOutcome], dec_hook=decode_hook)
_encode_uploads: Final = msgspec.msgpack.Encoder(enc_hook=bytes).encode
"""Hashes leave as bytes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a file, checked against the file's root."""

    index: int
    data: memoryview
    """Whole sectors, without padding sectors."""
    proof: MerkleProof


class NodeClient:
    """Talks to one node, from any number of threads.

    Every method raises `PeerUnreachableError`, `PeerAnswerError`, `PeerStatusError` or `PeerRefusedError` when it fails, within the time
    that `PeerLimits` allow.
    """

    def __init__(self, url: str, limits: PeerLimits | None = None) -> None:
        """`url` may have a path; the router of an indexer is one."""
        self.url: Final = url
        self._server: Final = HttpServer(url, limits)
        self._speaks_binary: bool | None = None

    def __repr__(self) -> str:
        return f"NodeClient({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        self._server.close()

    # ---- what a node says ----------------------------------------------------------------------------------------

    def request(self, method: str, *params: object) -> object:
        """Call any method of the node, with JSON values in and out."""
        return self._run(calls.anything(method, params))

    def status(self) -> NodeStatus:
        """Which network the node is of, and how far it has read the chain."""
        return self._run(calls.status())

    def shard(self) -> Shard:
        """Which segments the node holds."""
        config = self._run(calls.shard())
        try:
            return config.to_shard()
        except ShardInvalidError as error:
            raise PeerAnswerError(self.url, str(error)) from None

    def file_info(self, root: Hash32, *, need_available: bool = True) -> FileInfo | None:
        """A file as the node has it; of several submissions the first that is finalized, else the first."""
        return self._run(calls.file_info(root, need_available=need_available))

    def file_infos(self, roots: Sequence[Hash32], *, need_available: bool = True) -> list[FileInfo | None]:
        """The same of many files, in few requests."""
        return run_batch(self._server, [calls.file_info(root, need_available=need_available) for root in roots])

    def file_info_by_seq(self, tx_seq: int) -> FileInfo | None:
        """The file of a submission."""
        return self._run(calls.file_info_by_seq(tx_seq))

    def is_finalized(self, name: Hash32 | int) -> bool | None:
        """Whether the node has all of a file that its shard must hold; `None` if it does not know the file."""
        return self._run(calls.is_finalized(name))

    def are_finalized(self, names: Sequence[Hash32 | int]) -> list[bool | None]:
        """The same of many files, in few requests."""
        return run_batch(self._server, [calls.is_finalized(name) for name in names])

    def availability(self, name: Hash32 | int) -> Availability | None:
        """Which segments the node has. An official node refuses: see `speaks_binary`."""
        return self._run(calls.availability(name))

    def availabilities(self, names: Sequence[Hash32 | int]) -> list[Availability | None]:
        """The same of many files, in few requests."""
        return run_batch(self._server, [calls.availability(name) for name in names])

    def list_files(self, cursor: int | str | None = None, *, count: int = 100) -> FilePage:
        """A page of the node's files. An official node refuses."""
        return self._run(calls.list_files(cursor, count))

    def expiry(self, name: Hash32 | int) -> FileExpiry | None:
        """Until when the network must keep a file; `None` if the node does not know it. An official node refuses."""
        return self._run(calls.expiry(name))

    def list_expiry(self, cursor: int | str | None = None, *, count: int = 100) -> ExpiryPage:
        """A page of the files that live, with their ends. An official node refuses."""
        return self._run(calls.list_expiry(cursor, count))

    def speaks_binary(self) -> bool:
        """Whether the node is one of ours, with binary routes and `zgs_getAvailability`; asked once."""
        if self._speaks_binary is None:
            try:
                self.availability(Hash32(bytes(32)))
            except PeerRefusedError as error:
                if not error.method_is_unknown:
                    raise
                self._speaks_binary = False
            else:
                self._speaks_binary = True
        return self._speaks_binary

    # ---- segments as JSON ----------------------------------------------------------------------------------------

    def upload_json(self, segments: Sequence[SegmentWithProof], tx_seq: int | None = None) -> None:
        """Send segments as the official clients do: to a submission, or by their root."""
        self._run(calls.upload_segments(segments, tx_seq))

    def download_json(self, name: Hash32 | int, first_sector: int, end_sector: int) -> bytes | None:
        """Whole sectors of a file, at most 1024, unchecked; `None` if the node does not have them."""
        return self._run(calls.download(name, first_sector, end_sector))

    def download_json_with_proof(self, name: Hash32 | int, index: int) -> SegmentWithProof | None:
        """A segment with its proof, unchecked; `None` if the node does not have it."""
        return self._run(calls.download_with_proof(name, index))

    # ---- segments as MessagePack ---------------------------------------------------------------------------------

    def upload_binary(self, uploads: Sequence[BulkUpload]) -> list[BulkOutcome]:
        """Send segments of one or more files; one outcome for each entry. A refusal of an entry is not raised."""
        body = _encode_uploads(uploads)
        answer = self._server.exchange("POST", "/segments", body, MESSAGE_PACK, answer_bytes_max=self._server.limits.json_bytes_max)
        check_status(answer, self.url)
        try:
            outcomes = _outcomes_decoder.decode(answer.body)
        except ValueError as error:
            raise PeerAnswerError(self.url, f"POST /segments: {error}") from None
        if len(outcomes) != len(uploads):
            raise PeerAnswerError(self.url, f"POST /segments: {len(outcomes)} outcomes for {len(uploads)} entries")
        return outcomes

    def download_binary(self, root: Hash32, first: int, count: int) -> list[BulkSegment] | None:
        """Those of `count` segments from `first` on that the node has, unchecked, at most 4 MiB; `None` if it does not know the root."""
        answer_bytes_max = min(self._server.limits.bulk_bytes_max, count * BULK_SEGMENT_BYTES_MAX + BULK_SEGMENT_BYTES_MAX)
        answer = self._server.exchange("GET", f"/segments/{root}?first={first}&count={count}", answer_bytes_max=answer_bytes_max)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        check_status(answer, self.url)
        try:
            return _segments_decoder.decode(answer.body)
        except ValueError as error:
            raise PeerAnswerError(self.url, f"GET /segments: {error}") from None

    # ---- whichever the node has ----------------------------------------------------------------------------------

    def segments(
        self, root: Hash32, *, size_bytes: int, first: int, count: int, tx_seq: int | None = None, verify: bool = True
    ) -> list[Segment]:
        """Those of segments `first` to `first + count - 1` that the node sends, each checked against the root; at most 4 MiB.

        `tx_seq` serves official nodes. Raises `PeerAnswerError` where a byte or a proof is wrong; without `verify` only where a length is.
        """
        count = min(count, BULK_SEGMENTS_MAX, segments_of(size_bytes) - first)
        if self.speaks_binary():
            found = self.download_binary(root, first, count) or []
            indexes = [segment.index for segment in found]
            if len(set(indexes)) != len(indexes) or any(not first <= index < first + count for index in indexes):
                raise PeerAnswerError(self.url, f"it sends segments {indexes} where {first} to {first + count - 1} were wanted")
            return [self._checked(root, size_bytes, segment.index, segment.data, segment, verify=verify) for segment in found]
        one = self.download_json_with_proof(root if tx_seq is None else tx_seq, first)
        if one is None or one.root != root:
            return []  # Nothing, or of what that number meant before the chain went back.
        if one.index != first:
            raise PeerAnswerError(self.url, f"it sends segment {one.index} where {first} was wanted")
        return [self._checked(root, size_bytes, first, memoryview(one.data), one.proof, verify=verify)]

    def _checked(
        self, root: Hash32, size_bytes: int, index: int, data: memoryview, proof: BulkSegment | FileProof, *, verify: bool
    ) -> Segment:
        if len(data) != uploaded_bytes_of_segment(size_bytes, index):
            raise PeerAnswerError(self.url, f"segment {index} of {root} has {len(data)} bytes")
        try:
            decoded = proof.to_proof()
            if verify:
                verify_segment(root, size_bytes=size_bytes, index=index, data=data, proof=decoded)
        except (StorageError, ValueError) as error:
            cause = getattr(error, "cause", error)
            raise PeerAnswerError(self.url, f"segment {index} of {root} is not what its root says: {cause}") from None
        return Segment(index, data, decoded)

    def _run(self, call: Call[T]) -> T:
        return run_call(self._server, call)
