"""What a node asks of a segment, as pure functions. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/impl.rs`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from zerog.primitives import Hash32
from zerog.storage.node.errors import AlreadyFinalizedError, InternalRefusalError, InvalidMemberError, UploadRefusedError
from zerog.storage.node.store import SegmentWrite, StoredSubmission
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.merkle import ByteBuffer, MerkleProof, ProvedSegment, faulty_segment
from zerog.storage.protocol.units import SECTOR_BYTES

__all__ = ["SegmentUpload", "check_data", "check_known", "check_unknown", "verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUpload:
    """A segment as somebody sends it; nothing of it is true yet."""

    root: Hash32
    size_bytes: int
    index: int
    data: ByteBuffer
    proof: MerkleProof


def check_data(segment: SegmentUpload) -> None:
    """Raises `UploadRefusedError` unless there are whole sectors."""
    if not len(segment.data):
        raise UploadRefusedError("data is empty")
    if len(segment.data) % SECTOR_BYTES:
        raise UploadRefusedError("invalid data length")


def check_known(segment: SegmentUpload, submission: StoredSubmission, *, is_finalized: bool) -> None:
    """Whether a segment belongs to a submission that wants it. Raises `InternalRefusalError` and `InvalidMemberError`."""
    if submission.root != segment.root:
        raise InternalRefusalError("data root and tx seq not match")
    if submission.submission.size_bytes != segment.size_bytes:
        raise InvalidMemberError("file_size", "segment file size not matched with tx file size")
    if is_finalized:
        raise AlreadyFinalizedError
    if submission.pruned:
        raise InvalidMemberError("root", "already pruned")


def check_unknown(segment: SegmentUpload, *, file_bytes_max: int) -> None:
    """Whether a segment of a file that no block announces yet may be kept for a while. Raises `InvalidMemberError`."""
    if segment.size_bytes > file_bytes_max:
        raise InvalidMemberError("file_size", "caching of large file when tx is unavailable is not supported")


def verified(segments: Sequence[SegmentUpload]) -> tuple[list[SegmentWrite], StorageError | None]:
    """Those of the segments before the first whose proof does not lead to its root, as they may be stored, and what is wrong with that one.

    Neighbours of one file are checked together, on all threads and without the interpreter's lock.
    """
    writes: list[SegmentWrite] = []
    for (root, size_bytes), group in groupby(segments, key=lambda segment: (segment.root, segment.size_bytes)):
        file = list(group)
        fault = faulty_segment(
            root, size_bytes=size_bytes, segments=[ProvedSegment(segment.index, segment.data, segment.proof) for segment in file]
        )
        writes += map(_write, file if fault is None else file[: fault[0]])
        if fault is not None:
            return writes, fault[1]
    return writes, None


def _write(segment: SegmentUpload) -> SegmentWrite:
    lemma = segment.proof.lemma
    data = segment.data if isinstance(segment.data, bytes | memoryview) else bytes(segment.data)
    return SegmentWrite(
        root=segment.root, size_bytes=segment.size_bytes, index=segment.index, data=data, segment_root=lemma[0], siblings=lemma[1:-1]
    )
