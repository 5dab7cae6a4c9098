"""What a store keeps: submissions and blocks of the chain's log, and segments with their proofs."""

from dataclasses import dataclass, field
from typing import Final

from zerog._kernel import keccak256
from zerog.primitives import Address, Hash32
from zerog.storage.following.records import BlockMark
from zerog.storage.protocol.merkle import MerkleProof
from zerog.storage.protocol.padding import padded_sectors_of
from zerog.storage.protocol.submission import Submission
from zerog.storage.protocol.units import HASH_BYTES, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS

__all__ = ["BlockMark", "SegmentWrite", "StoreOptions", "StoredSegment", "StoredSubmission", "sectors_of_segment", "split_hashes"]

MIB: Final = 1 << 20
SIBLINGS_MAX: Final = 64
"""A tree over 2^64 segments is no deeper."""
RECORD_BYTES_MAX: Final = SEGMENT_BYTES + 4096
"""More than a segment takes up with its header and siblings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What may differ between two stores."""

    data_file_bytes_max: int = 256 * MIB
    """A data file is sealed before it grows beyond; the space of what was dropped comes back in whole data files."""
    disk_bytes_max: int | None = None
    """Data files take up no more than this together; no limit but the disk's if it is left out."""
    queue_bytes_max: int = 32 * MIB
    """Segments that wait for the disk at once; who brings more waits before."""
    queue_puts_max: int = 1024
    """Calls that wait for the disk at once."""
    marks_max: int = 1024
    """Blocks that the log can be taken back to one by one; for a deeper reorganisation it is read from the beginning."""
    durable: bool = True
    """Whether a write must survive a loss of power; without, it survives the end of the process only."""

    def __post_init__(self) -> None:
        if self.data_file_bytes_max < RECORD_BYTES_MAX:
            raise ValueError(f"a data file needs room for a segment: at least {RECORD_BYTES_MAX} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSubmission:
    """A submission as the log of the chain has it, and where on the flow and on the chain it lies."""

    seq: int
    submission: Submission
    root: Hash32
    start_sector: int
    sender: Address
    transaction_hash: Hash32
    block_number: int
    block_hash: Hash32
    pruned: bool = False

    @property
    def end_sector(self) -> int:
        """The first sector of the flow behind it."""
        return self.start_sector + self.submission.sectors


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentWrite:
    """A segment that is to be kept. Whoever brings it has verified that all of it belongs together."""

    root: Hash32
    size_bytes: int
    """Of the file."""
    index: int
    """Of the segment in the file."""
    data: memoryview | bytes
    """Whole sectors, without padding sectors. It must not change before the write is done."""
    segment_root: Hash32
    siblings: tuple[Hash32, ...]
    """From the bottom, without segment root and file root."""

    def __post_init__(self) -> None:
        data_bytes = memoryview(self.data).nbytes
        if not 0 < data_bytes <= SEGMENT_BYTES or data_bytes % SECTOR_BYTES:
            raise ValueError(f"a segment is of 1 to {SEGMENT_SECTORS} whole sectors, not {data_bytes} bytes")
        if len(self.siblings) > SIBLINGS_MAX or not data_bytes <= SECTOR_BYTES * sectors_of_segment(self.padded_sectors, self.index):
            raise ValueError(f"a file of {self.size_bytes} bytes has no segment {self.index} of {data_bytes} bytes")

    @property
    def padded_sectors(self) -> int:
        """Sectors of the file with its padding. Files of one root agree in them, though not always in their size."""
        return padded_sectors_of(self.size_bytes)


def sectors_of_segment(padded_sectors: int, index: int) -> int:
    """Sectors of the tree over segment `index` of a file; 0 if it has no such segment."""
    return min(max(0, padded_sectors - index * SEGMENT_SECTORS), SEGMENT_SECTORS) if index >= 0 else 0


def split_hashes(raw: bytes) -> tuple[Hash32, ...]:
    """Hashes that stand one behind the other; what is left over at the end is none."""
    return tuple(Hash32(raw[at : at + HASH_BYTES]) for at in range(0, len(raw) - HASH_BYTES + 1, HASH_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment that was read and found to be what was stored."""

    root: Hash32
    index: int
    padded_sectors: int = field(repr=False)
    data: bytes = field(repr=False)
    """As it was uploaded: whole sectors, without padding sectors."""
    segment_root: Hash32
    siblings: tuple[Hash32, ...] = field(repr=False)

    @property
    def proof(self) -> MerkleProof:
        """From the segment's root to the file's."""
        if not self.siblings:
            return MerkleProof((self.root,), ())
        return MerkleProof((self.segment_root, *self.siblings, self.root), _path(self.padded_sectors, self.index))

    def leads_to_root(self) -> bool:
        """Whether the siblings make a proof: a few hashes."""
        path = _path(self.padded_sectors, self.index)
        node: bytes = self.segment_root
        for sibling, from_left in zip(self.siblings, path, strict=False):
            node = keccak256(node + sibling if from_left else sibling + node)
        return len(path) == len(self.siblings) and node == self.root


def _path(padded_sectors: int, index: int) -> tuple[bool, ...]:
    """On which side the way goes up from a segment; where an odd last node moves up, there is no step."""
    path = []
    count = -(-padded_sectors // SEGMENT_SECTORS)
    while count > 1:
        if index ^ 1 < count:
            path.append(index % 2 == 0)
        index, count = index // 2, -(-count // 2)
    return tuple(path)
