"""Gives segments: by file and by place on the flow, each checked against its root by the store."""

from typing import Final

from anyio import CapacityLimiter, to_thread

from zerog.storage.node.counters import Counters
from zerog.storage.node.errors import InvalidMemberError, ReadRefusedError
from zerog.storage.node.store import Store, StoredSubmission
from zerog.storage.protocol.merkle import MerkleProof
from zerog.storage.protocol.padding import sectors_of, segments_of, uploaded_bytes_of_segment
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS
from zerog.storage.wire.segments import BulkSegment, FileProof, SegmentWithProof

__all__ = ["READ_SECTORS_MAX", "Reads"]

READ_SECTORS_MAX: Final = SEGMENT_SECTORS
"""Most sectors in one answer. Source: 0gfoundation/0g-storage-node, `node/rpc/src/config.rs`."""
READ_THREADS: Final = 4


class Reads:
    """The way of segments out of the store."""

    def __init__(self, store: Store, counters: Counters) -> None:
        self._store: Final = store
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(READ_THREADS)

    async def sectors(self, submission: StoredSubmission | None, start: int, end: int) -> bytes | None:
        """Sectors `start` to `end` (not included) of a file, zeros after its last byte; `None` where one is not here.

        Raises `InvalidMemberError` and `ReadRefusedError`.
        """
        if start >= end:
            raise InvalidMemberError("end_index", "invalid chunk index")
        if end - start > READ_SECTORS_MAX:
            raise InvalidMemberError("end_index", f"exceeds maximum chunks {READ_SECTORS_MAX}")
        if submission is None or submission.pruned:
            return None
        if end > sectors_of(submission.submission.size_bytes):
            raise ReadRefusedError(f"chunk index {end} is beyond the file's {sectors_of(submission.submission.size_bytes)} chunks")
        return await to_thread.run_sync(self.read_sectors, submission, start, end, limiter=self._limiter)

    def read_sectors(self, submission: StoredSubmission, start: int, end: int) -> bytes | None:
        """The same, for a thread and with places that are known to be right."""
        first, last = start // SEGMENT_SECTORS, (end - 1) // SEGMENT_SECTORS
        parts = []
        for index in range(first, last + 1):
            part = self._segment(submission, index)
            if part is None:
                return None
            parts.append(part)
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        begin = (start - first * SEGMENT_SECTORS) * SECTOR_BYTES
        return whole[begin : begin + (end - start) * SECTOR_BYTES]

    def _segment(self, submission: StoredSubmission, index: int) -> bytes | None:
        data = self._store.read(submission.root, index)
        if data is None:
            return None
        self._counters.segments_read += 1
        return _fitted(data, submission.submission.size_bytes, index)

    async def with_proof(self, submission: StoredSubmission | None, index: int) -> SegmentWithProof | None:
        """A segment and the way from it to the file's root; `None` if it is not here. Raises `InvalidMemberError`."""
        if submission is None or submission.pruned:
            return None
        size_bytes = submission.submission.size_bytes
        if not 0 <= index < segments_of(size_bytes):
            raise InvalidMemberError("index", "index out of bound")
        found = await to_thread.run_sync(self._with_proof, submission, index, limiter=self._limiter)
        if found is None:
            return None
        data, proof = found
        return SegmentWithProof(root=submission.root, data=data, index=index, proof=FileProof.of(proof), file_size=size_bytes)

    def _with_proof(self, submission: StoredSubmission, index: int) -> tuple[bytes, MerkleProof] | None:
        stored = self._store.read_with_proof(submission.root, index)
        if stored is None:
            return None
        self._counters.segments_read += 1
        return _fitted(stored.data, submission.submission.size_bytes, index), stored.proof

    async def bulk(self, submission: StoredSubmission, first: int, count: int, *, bytes_max: int) -> list[BulkSegment]:
        """Those segments from `first` to `first + count - 1` that are here, with their proofs, as many as `bytes_max` of data allow.

        One segment is given in any case, so that a caller that asks on comes to the end.
        """
        return await to_thread.run_sync(self._bulk, submission, first, count, bytes_max, limiter=self._limiter)

    def _bulk(self, submission: StoredSubmission, first: int, count: int, bytes_max: int) -> list[BulkSegment]:
        found: list[BulkSegment] = []
        left = bytes_max
        for index in range(first, min(first + count, segments_of(submission.submission.size_bytes))):
            if not self._store.has(submission.root, index):
                continue
            if found and left < SEGMENT_BYTES:
                break
            segment = self._with_proof(submission, index)
            if segment is not None:
                data, proof = segment
                left -= len(data)
                found.append(BulkSegment(index=index, data=memoryview(data), lemma=list(proof.lemma), path=list(proof.path)))
        return found


def _fitted(data: bytes, size_bytes: int, index: int) -> bytes:
    """Bytes of a segment as a file of this size has them.

    Files of two sizes can have one root, where one goes on with zeros up to what the other is padded to; what is kept is of either.
    """
    wanted = uploaded_bytes_of_segment(size_bytes, index)
    return data if len(data) == wanted else data[:wanted].ljust(wanted, b"\0")
