"""Reads by place on the flow: segments of it, and proofs of its sectors."""

from collections.abc import Iterator, Sequence
from typing import Final

from anyio import CapacityLimiter, Lock, to_thread

from zerog._kernel import FlowRefusedError, keccak256, keccak256_many
from zerog.primitives import Hash32
from zerog.storage.node.errors import ReadRefusedError
from zerog.storage.node.reads import Reads
from zerog.storage.node.store import Store, StoredSubmission
from zerog.storage.node.sync import FlowFollower
from zerog.storage.protocol.merkle import MerkleProof, segment_root, zero_root
from zerog.storage.protocol.padding import sectors_of, segments_of
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS

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
        """Zeros, with all files laid in that reach into the segment."""
        begin, end = index * SEGMENT_SECTORS, (index + 1) * SEGMENT_SECTORS
        whole = bytearray(SEGMENT_BYTES)
        for submission in self.submissions_in(index):
            first = max(begin, submission.start_sector) - submission.start_sector
            last = min(end - submission.start_sector, sectors_of(submission.submission.size_bytes))
            if first >= last:
                continue  # Padding only.
            data = self._reads.read_sectors(submission, first, last)
            if data is None:
                return None
            place = (submission.start_sector + first - begin) * SECTOR_BYTES
            whole[place : place + len(data)] = data
        return bytes(whole)

    async def proof(self, sector: int, flow_root: Hash32 | None) -> MerkleProof:
        """From a sector of the flow to the root, which is `flow_root` if that is given.

        Raises `ReadRefusedError` for another root than the newest, and for a sector whose segment is not here.
        """
        if flow_root is not None and flow_root != self._follower.tree.root:
            raise ReadRefusedError(f"the root of the flow is {self._follower.tree.root}, and only that can be proved")
        if not 0 <= sector < self._follower.tree.sectors:
            raise ReadRefusedError(f"sector {sector} is beyond the {self._follower.tree.sectors} of the flow")
        submission = self._store.submission_at_sector(sector)
        inside = () if submission is None else await to_thread.run_sync(self._inside, submission, sector, limiter=self._limiter)
        if inside is None:
            raise ReadRefusedError(f"the segment of sector {sector} is not here")
        try:
            return self._follower.tree.proof(sector, inside)
        except FlowRefusedError:
            async with self._rebuild:
                await self._follower.rebuild_tree()
        try:
            return self._follower.tree.proof(sector, inside)
        except FlowRefusedError as error:
            raise ReadRefusedError(str(error)) from None

    def _inside(self, submission: StoredSubmission, sector: int) -> tuple[Hash32, ...] | None:
        """Leaf of a sector and siblings up to the submitted node that it lies in; `None` where its segment is not here."""
        within, begin = sector - submission.start_sector, 0
        for node in submission.submission.nodes:
            if within < begin + node.sectors:
                break
            begin += node.sectors
        else:
            raise AssertionError("a submission's nodes cover its sectors")
        index = within // SEGMENT_SECTORS
        last = min(segments_of(submission.submission.size_bytes) - 1, index)
        stored = self._store.read_with_proof(submission.root, last)
        if stored is None:
            return None
        data = stored.data if last == index else b""
        if node.height <= SEGMENT_HEIGHT:
            first = begin % SEGMENT_SECTORS
            return _leaf_and_siblings(data[first * SECTOR_BYTES :], within - begin, node.sectors)
        lower = _leaf_and_siblings(data, within % SEGMENT_SECTORS, SEGMENT_SECTORS)
        first = begin // SEGMENT_SECTORS
        levels = node.height - SEGMENT_HEIGHT
        return (*lower, *_segment_siblings(index - first, last - first, stored.segment_root, stored.siblings[:levels]))


def _leaf_and_siblings(data: bytes, place: int, sectors: int) -> tuple[Hash32, ...]:
    """Of the perfect tree over so many sectors, which begin with `data` and go on with zeros."""
    whole = data[: sectors * SECTOR_BYTES].ljust(sectors * SECTOR_BYTES, b"\0")
    level = keccak256_many([whole[begin : begin + SECTOR_BYTES] for begin in range(0, len(whole), SECTOR_BYTES)])
    found = [level[place]]
    while len(level) > 1:
        found.append(level[place ^ 1])
        level = keccak256_many([left + right for left, right in zip(level[::2], level[1::2], strict=True)])
        place //= 2
    return tuple(map(Hash32, found))


def _segment_siblings(place: int, known: int, root: Hash32, siblings: Sequence[Hash32]) -> list[Hash32]:
    """Siblings of segment `place` of a node, from the proof of segment `known`, after which there are zeros only."""
    found: list[Hash32] = []
    running: bytes = root
    for height, sibling in enumerate(siblings):
        if place == known:
            found.append(sibling)
        elif place ^ 1 == known:
            found.append(Hash32(running))
        else:
            found.append(zero_root(SEGMENT_HEIGHT + height))
        running = keccak256(sibling + running if known % 2 else running + sibling)
        place, known = place // 2, known // 2
    return found
