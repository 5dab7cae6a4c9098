"""Reads by place on the flow: segments of it, and proofs of its sectors."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from anyio import CapacityLimiter, Lock, to_thread

from zerog._kernel import FlowRefusedError
from zerog.primitives import Hash32
from zerog.storage.node.errors import ReadRefusedError
from zerog.storage.node.reads import Reads
from zerog.storage.node.store import Store, StoredSubmission
from zerog.storage.node.sync import FlowFollower
from zerog.storage.protocol.flow import segment_of_sector, siblings_inside
from zerog.storage.protocol.merkle import MerkleProof, segment_root
from zerog.storage.protocol.padding import sectors_of
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS

__all__ = ["FlowReads"]


class FlowReads:
    """The flow as far as this node holds it."""

    def __init__(self, store: Store, reads: Reads, follower: FlowFollower) -> None:
        self._store: Final = store
        self._reads: Final = reads
        self._follower: Final = follower
        self._limiter: Final = CapacityLimiter(1)
        self._rebuild: Final = Lock()

    def submissions_in(self, index: int) -> Iterator[StoredSubmission]:
        """The submissions that reach into a segment of the flow, in their order."""
        sector, end = index * SEGMENT_SECTORS, min((index + 1) * SEGMENT_SECTORS, self._follower.tree.sectors)
        while sector < end:
            submission = self._store.submission_at_sector(sector)
            if submission is None:
                sector += 1
                continue
            yield submission
            sector = submission.end_sector

    async def segment(self, index: int) -> bytes | None:
        """The 1,024 sectors of a segment of the flow; `None` beyond the end, and where a part is not here."""
        if index * SEGMENT_SECTORS >= self._follower.tree.sectors:
            return None
        return await to_thread.run_sync(self._segment, index, limiter=self._limiter)

    async def segment_root(self, index: int) -> Hash32 | None:
        """The root over such a segment. Sector 0 counts as zeros here: no bytes have its hash."""
        data = await self.segment(index)
        return None if data is None else await to_thread.run_sync(segment_root, data, SEGMENT_SECTORS, limiter=self._limiter)

    def _segment(self, index: int) -> bytes | None:
        whole, missing = self.laid_out(index)
        return None if missing else bytes(whole)

    def laid_out(self, index: int) -> tuple[bytearray, list[range]]:
        """Zeros, with all files laid in that reach into a segment, and the sectors of the flow whose data is not here. For a thread."""
        begin = index * SEGMENT_SECTORS
        whole = bytearray(SEGMENT_BYTES)
        missing: list[range] = []
        for submission, sectors in self._data_in(index):
            data = self._reads.read_sectors(submission, sectors.start - submission.start_sector, sectors.stop - submission.start_sector)
            if data is None:
                missing.append(sectors)
            else:
                place = (sectors.start - begin) * SECTOR_BYTES
                whole[place : place + len(data)] = data
        return whole, missing

    def missing_in(self, index: int) -> list[range]:
        """The sectors of a segment of the flow whose data is not here, without reading any."""
        begin = index * SEGMENT_SECTORS
        missing = []
        for submission, sectors in self._data_in(index):
            own = max(0, begin - submission.start_sector) // SEGMENT_SECTORS
            if own not in self._store.held(submission.root):
                missing.append(sectors)
        return missing

    def _data_in(self, index: int) -> Iterator[tuple[StoredSubmission, range]]:
        """The files that have data in a segment of the flow, and where on the flow; what else is there is padding."""
        begin, end = index * SEGMENT_SECTORS, (index + 1) * SEGMENT_SECTORS
        for submission in self.submissions_in(index):
            first = max(begin, submission.start_sector)
            last = min(end, submission.start_sector + sectors_of(submission.submission.size_bytes))
            if first < last:
                yield submission, range(first, last)

    async def proof(self, sector: int, flow_root: Hash32 | None, length: int | None = None) -> MerkleProof:
        """From a sector of the flow to its root, or to `flow_root`, which it had after some submission: when it had `length` sectors.

        Without `length` the root is looked for among the latest.

        Raises `ReadRefusedError` for a root that it never had or long ago, and for a sector whose segment is not here.
        """
        sectors = self._follower.tree.sectors if flow_root is None else await self._length_at(flow_root, length)
        if not 0 <= sector < sectors:
            raise ReadRefusedError(f"sector {sector} is beyond the {sectors} of the flow")
        submission = self._store.submission_at_sector(sector)
        inside = () if submission is None else await to_thread.run_sync(self._inside, submission, sector, limiter=self._limiter)
        if inside is None:
            raise ReadRefusedError(f"the segment of sector {sector} is not here")
        try:
            return self._follower.tree.proof(sector, inside, sectors=sectors)
        except FlowRefusedError:
            await self._rebuild_tree()
        try:
            return self._follower.tree.proof(sector, inside, sectors=sectors)
        except FlowRefusedError as error:
            raise ReadRefusedError(str(error)) from None

    async def _length_at(self, root: Hash32, length: int | None) -> int:
        """How long the flow was when it had this root. Raises `ReadRefusedError`."""
        sectors = self._found_length(root, length)
        if sectors is None:
            await self._rebuild_tree()
            sectors = self._found_length(root, length)
        if sectors is None:
            raise ReadRefusedError(f"the flow did not have the root {root}, or long ago; now it is {self._follower.tree.root}")
        return sectors

    def _found_length(self, root: Hash32, length: int | None) -> int | None:
        tree = self._follower.tree
        with suppress(FlowRefusedError):  # It never ended there, or before the tree was taken up.
            if length is not None and 0 < length <= tree.sectors and tree.root_at(length) == root:
                return length
        return tree.sectors_of_root(root)

    async def _rebuild_tree(self) -> None:
        """Know the tree from its beginning, if it was taken up from a checkpoint."""
        async with self._rebuild:
            if not self._follower.knows_all:
                await self._follower.rebuild_tree()

    def _inside(self, submission: StoredSubmission, sector: int) -> list[Hash32] | None:
        """Leaf of a sector and siblings up to the submitted node that it lies in; `None` where its segment is not here."""
        within = sector - submission.start_sector
        stored = self._store.read_with_proof(submission.root, segment_of_sector(submission.submission.size_bytes, within))
        return None if stored is None else siblings_inside(submission.submission, within, stored.data, stored.siblings)
