"""What a node asks of a segment, as pure functions. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/impl.rs`."""

from dataclasses import dataclass

from zerog.primitives import Hash32
from zerog.storage.node.errors import AlreadyFinalizedError, InternalRefusalError, InvalidMemberError, UploadRefusedError
from zerog.storage.node.store import SegmentWrite, StoredSubmission
from zerog.storage.protocol.merkle import ByteBuffer, MerkleProof, verify_segment
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


def verified(segment: SegmentUpload) -> SegmentWrite:
    """The segment as it may be stored, once its proof leads to its root; up to a millisecond, without the interpreter's lock.

    Raises `SegmentParameterError` and `SegmentProofError`.
    """
    verify_segment(segment.root, size_bytes=segment.size_bytes, index=segment.index, data=segment.data, proof=segment.proof)
    lemma = segment.proof.lemma
    data = segment.data if isinstance(segment.data, bytes | memoryview) else bytes(segment.data)
    return SegmentWrite(
        root=segment.root, size_bytes=segment.size_bytes, index=segment.index, data=data, segment_root=lemma[0], siblings=lemma[1:-1]
    )
