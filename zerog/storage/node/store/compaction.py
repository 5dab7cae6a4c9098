"""Closes the gaps that dropped segments left: what is live of a sparse data file is written again at the end, and the file deleted.

A step is small and complete in itself: data, then rows, as for an upload. What a crash interrupts is a second copy that no row refers to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.store.data_files import Place
from zerog.storage.node.store.records import SegmentWrite, StoredSegment
from zerog.storage.node.store.segment_index import SegmentIndex
from zerog.storage.node.store.writer import Writer
from zerog.storage.protocol.units import SECTOR_BYTES

__all__ = ["Compaction", "CompactionStep"]

SEGMENTS_AT_ONCE: Final = 512
"""Of one step, however small they are."""
TAIL_PART: Final = 8
"""The last data file is given up when an eighth of what it may hold is dead, beside the share that is asked of full ones."""

Read = Callable[[Hash32, int], StoredSegment | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionStep:
    """What one step did."""

    moved_bytes: int = 0
    is_idle: bool = False
    """Whether there was nothing to do: no data file is sparse."""


class Compaction:
    """Moves segments. Belongs to one thread at a time."""

    def __init__(self, index: SegmentIndex, writer: Writer, read: Read, *, data_file_bytes_max: int) -> None:
        """`read` gives a segment that was checked; one that is not what it should be, it discards."""
        self._index: Final = index
        self._writer: Final = writer
        self._read: Final = read
        self._tail_dead_bytes_min: Final = data_file_bytes_max // TAIL_PART

    def step(self, *, dead_share: float, bytes_max: int) -> CompactionStep:
        """Move about `bytes_max` out of the sparsest data file of which at least `dead_share` is dead. Raises `StoreFailedError`."""
        number = self._index.sparse(dead_share)
        if number is None:
            return self._give_up_tail(dead_share)
        return CompactionStep(moved_bytes=self._move_from(number, bytes_max))

    def _give_up_tail(self, dead_share: float) -> CompactionStep:
        dead_bytes, size_bytes = self._index.dead_bytes_of_tail()
        if dead_bytes < self._tail_dead_bytes_min or dead_bytes < dead_share * size_bytes:
            return CompactionStep(is_idle=True)
        self._writer.seal_tail()
        return CompactionStep()

    def _move_from(self, number: int, bytes_max: int) -> int:
        segments: list[SegmentWrite] = []
        places: list[Place] = []
        size_bytes = 0
        for record in self._index.records_in(number, 0, SEGMENTS_AT_ONCE):
            place = record.located.place
            if segments and size_bytes + place.record_bytes > bytes_max:
                break
            stored = self._read(record.root, record.index)
            if stored is not None:
                segments.append(_write_of(stored))
                places.append(place)
                size_bytes += place.record_bytes
        if segments:
            self._writer.move(segments, places)
        return size_bytes


def _write_of(stored: StoredSegment) -> SegmentWrite:
    return SegmentWrite(
        root=stored.root,
        size_bytes=stored.padded_sectors * SECTOR_BYTES,  # Of all sizes with this root the one that needs no rounding.
        index=stored.index,
        data=stored.data,
        segment_root=stored.segment_root,
        siblings=stored.siblings,
    )
