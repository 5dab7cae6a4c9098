"""Which segments of a file are held: a bitmap that is small where few are, however large the file says it is."""

from collections.abc import Iterable, Iterator

__all__ = ["CHUNK_SEGMENTS", "Held"]

CHUNK_SEGMENTS = 4096
"""Segments whose bits are kept together. A file may claim 2^54 segments, so there is no room for bits of those that never came."""


class Held:
    """The held segments of one file. It follows the store while the store has it in mind; take `bitmap` or `copy` for a picture."""

    __slots__ = ("_chunks", "_count")

    def __init__(self, indexes: Iterable[int] = ()) -> None:
        self._chunks: dict[int, int] = {}
        self._count = 0
        for index in indexes:
            self.add(index)

    @classmethod
    def first(cls, count: int) -> "Held":
        """The segments 0 to `count` - 1."""
        held = cls()
        whole, rest = divmod(count, CHUNK_SEGMENTS)
        full = (1 << CHUNK_SEGMENTS) - 1
        held._chunks = dict.fromkeys(range(whole), full)
        if rest:
            held._chunks[whole] = (1 << rest) - 1
        held._count = count
        return held

    def __contains__(self, index: int) -> bool:
        return index >= 0 and bool(self._chunks.get(index // CHUNK_SEGMENTS, 0) >> index % CHUNK_SEGMENTS & 1)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Indexes of the held segments, ascending."""
        for chunk, bits in sorted(self._chunks.items()):
            for place in range(bits.bit_length()):
                if bits >> place & 1:
                    yield chunk * CHUNK_SEGMENTS + place

    @property
    def chunk_count(self) -> int:
        """How much memory it takes, in bitmaps of at most 512 bytes."""
        return len(self._chunks)

    def count_in(self, indexes: range) -> int:
        """How many of `indexes` (ascending, from 0 on) are held. Takes time by what is held, not by what is asked for."""
        if indexes.step < 1 or indexes.start < 0:
            raise ValueError(f"not ascending from 0 on: {indexes}")
        return sum((bits & _mask(indexes, chunk)).bit_count() for chunk, bits in tuple(self._chunks.items()))

    def has_all(self, indexes: range) -> bool:
        """Whether every one of `indexes` (ascending, from 0 on) is held."""
        return len(indexes) <= self._count and self.count_in(indexes) == len(indexes)

    def bitmap(self, count: int) -> bytes:
        """Bit i is segment i, little-endian, of the first `count` segments."""
        whole = 0
        for chunk, bits in tuple(self._chunks.items()):
            if chunk * CHUNK_SEGMENTS < count:
                whole |= bits << chunk * CHUNK_SEGMENTS
        return (whole & (1 << count) - 1).to_bytes(-(-count // 8), "little")

    def copy(self) -> "Held":
        """A picture of now."""
        held = Held()
        held._chunks, held._count = dict(self._chunks), self._count
        return held

    def add(self, index: int) -> None:
        """For the store."""
        chunk, place = divmod(index, CHUNK_SEGMENTS)
        bits = self._chunks.get(chunk, 0)
        if not bits >> place & 1:
            self._chunks[chunk] = bits | 1 << place
            self._count += 1

    def discard(self, index: int) -> None:
        """For the store."""
        if index in self:
            chunk, place = divmod(index, CHUNK_SEGMENTS)
            self._chunks[chunk] &= ~(1 << place)
            self._count -= 1
            if not self._chunks[chunk]:
                del self._chunks[chunk]


def _mask(indexes: range, chunk: int) -> int:
    """Bits of one chunk at the places of `indexes`: a repeated pattern is a quotient of powers of two."""
    begin = chunk * CHUNK_SEGMENTS
    skipped = max(0, -(-(begin - indexes.start) // indexes.step))
    first = indexes.start + skipped * indexes.step
    last = min(indexes.stop, begin + CHUNK_SEGMENTS)
    if first >= last:
        return 0
    count = -(-(last - first) // indexes.step)
    if count == 1:
        return 1 << first - begin  # The step may be as long as a file says it is.
    pattern = ((1 << count * indexes.step) - 1) // ((1 << indexes.step) - 1)
    return pattern << first - begin
