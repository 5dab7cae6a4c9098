"""Gives rows back: all of them in one message as the official node does, in parts with their paths, or a kibibyte as a sample.

Source: 0glabs/0g-da-node, `grpc/src/service.rs`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from anyio import CapacityLimiter, to_thread

from zerog._kernel import amt_sample
from zerog.da.protocol.constants import SUBLINES
from zerog.da.protocol.names import BlobName
from zerog.da.signer.assignments import Assignments
from zerog.da.signer.errors import INVALID_ROWS, ROOT_LENGTH, SLICE_MISSING, BadRequestError, NodeFaultError, TooMuchError
from zerog.da.signer.store import HeldRow, SignerStore
from zerog.da.signer.store.row_files import RowFile
from zerog.da.wire.signer import RetrieveBatch, RetrieveRequest, RowBatch, RowSet, SampleReply, SampleRequest, StreamedRow, StreamedRows
from zerog.primitives import Hash32
from zerog.runtime.grpc.methods import Caller

__all__ = ["GiveCounters", "Giving"]

ROWS_A_PART: Final = 24
"""About 800 KB in one message of a stream."""
NODE_BYTES: Final = 32
ROOT_BYTES: Final = 32


@dataclass(slots=True)
class GiveCounters:
    """Sums since the start."""

    rows: int = 0
    rows_missing: int = 0
    """Rows that were asked for, and are lost or damaged."""
    samples: int = 0


class Giving:
    """Gives what one node keeps. Belongs to one event loop; files are read in threads."""

    def __init__(self, assignments: Assignments, store: SignerStore, *, requests_max: int, rows_max: int, threads: int) -> None:
        """`requests_max` and `rows_max` bound a batch."""
        self.counters: Final = GiveCounters()
        self._assignments: Final = assignments
        self._store: Final = store
        self._requests_max: Final = requests_max
        self._rows_max: Final = rows_max
        self._threads: Final = CapacityLimiter(threads)

    async def batch(self, batch: RetrieveBatch, _caller: Caller) -> RowBatch:
        """`BatchRetrieve`: rows of each request in ascending order, or nothing at all."""
        if len(batch.requests) > self._requests_max:
            raise TooMuchError(f"a batch of {len(batch.requests)} requests: this node takes {self._requests_max} at once")
        if sum(len(request.rows) for request in batch.requests) > self._rows_max:
            raise TooMuchError(f"a batch of more than {self._rows_max} rows")
        return RowBatch([await self._row_set(request) for request in batch.requests])

    async def stream(self, request: RetrieveRequest, _caller: Caller) -> AsyncIterator[StreamedRows]:
        """`RetrieveStream`: rows with their paths; those that are damaged are left out."""
        blob, indexes = await self._wanted(request)
        file = await self._open(blob)
        with file:
            coset_roots: Sequence[bytes] = file.head.coset_roots
            for start in range(0, len(indexes), ROWS_A_PART):
                rows = await to_thread.run_sync(_read, file, indexes[start : start + ROWS_A_PART], limiter=self._threads)
                self._count(rows, len(indexes[start : start + ROWS_A_PART]))
                streamed = [StreamedRow(index=row.index, data=row.data, path=row.path) for row in rows]
                yield StreamedRows(rows=streamed, coset_roots=coset_roots)
                coset_roots = ()

    async def sample(self, request: SampleRequest, _caller: Caller) -> SampleReply:
        """`Sample`: a kibibyte of a row with the whole path above it."""
        if request.subline >= SUBLINES:
            raise BadRequestError(f"a row has {SUBLINES} sub-lines")
        wanted = RetrieveRequest(epoch=request.epoch, quorum_id=request.quorum_id, data_root=request.data_root, rows=[request.row])
        blob, indexes = await self._wanted(wanted)
        with await self._open(blob) as file:
            rows = await to_thread.run_sync(_read, file, indexes, limiter=self._threads)
            self._count(rows, 1)
            if not rows:
                raise NodeFaultError(SLICE_MISSING)
            data, inner = await to_thread.run_sync(amt_sample, rows[0].data, request.subline, limiter=self._threads)
            self.counters.samples += 1
            outer = [rows[0].path[start : start + NODE_BYTES] for start in range(0, len(rows[0].path), NODE_BYTES)]
            return SampleReply(data=data, path=[*inner, *outer], coset_roots=file.head.coset_roots)

    async def _row_set(self, request: RetrieveRequest) -> RowSet:
        blob, indexes = await self._wanted(request)
        if not indexes:
            return RowSet(rows=[])
        with await self._open(blob) as file:
            rows = await to_thread.run_sync(_read, file, indexes, limiter=self._threads)
            self._count(rows, len(indexes))
            if len(rows) < len(indexes):
                raise NodeFaultError(SLICE_MISSING)
            return RowSet(rows=[row.data for row in rows], coset_roots=file.head.coset_roots)

    async def _wanted(self, request: RetrieveRequest) -> tuple[BlobName, list[int]]:
        """The blob, and the rows in ascending order, each once. Raises `BadRequestError`, `NodeFaultError`."""
        if len(request.data_root) != ROOT_BYTES:
            raise BadRequestError(ROOT_LENGTH)
        owned = await self._assignments.to_give(request.epoch, request.quorum_id)
        indexes = sorted(set(request.rows))
        if not owned.issuperset(indexes):
            raise BadRequestError(INVALID_ROWS)
        return BlobName(Hash32(request.data_root), request.epoch, request.quorum_id), indexes

    async def _open(self, blob: BlobName) -> RowFile:
        """Raises `NodeFaultError`."""
        file = await to_thread.run_sync(self._store.open_rows, blob, limiter=self._threads)
        if file is None:
            raise NodeFaultError(SLICE_MISSING)
        return file

    def _count(self, rows: Sequence[HeldRow], wanted: int) -> None:
        self.counters.rows += len(rows)
        self.counters.rows_missing += wanted - len(rows)


def _read(file: RowFile, indexes: Sequence[int]) -> list[HeldRow]:
    found = (file.row(index) for index in indexes)
    return [row for row in found if row is not None]
