"""Files, their segments and their submissions, as a store is given them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from zerog.primitives import Address, Hash32
from zerog.storage.node.store import SegmentWrite, StoredSubmission
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.shards import Shard, segments_of_shard
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES

__all__ = ["SampleFile", "block_hash", "kept_in", "some_file", "submissions_of"]


@dataclass(frozen=True)
class SampleFile:
    """A file of given bytes."""

    data: bytes = field(repr=False)

    @cached_property
    def tree(self) -> FileTree:
        return FileTree(self.data)

    @property
    def root(self) -> Hash32:
        return self.tree.root

    @cached_property
    def segments(self) -> list[SegmentWrite]:
        """All that is uploaded of it."""
        return [
            SegmentWrite(
                root=self.root,
                size_bytes=len(self.data),
                index=index,
                data=self.uploaded(index),
                segment_root=segment_root,
                siblings=self.tree.segment_proof(index).lemma[1:-1],
            )
            for index, segment_root in enumerate(self.tree.segment_roots)
        ]

    def uploaded(self, index: int) -> bytes:
        part = self.data[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        return part.ljust(-(-len(part) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")


def some_file(seed: object, size_bytes: int) -> SampleFile:
    """A file of bytes that the seed determines."""
    return SampleFile(Random(f"file {seed}").randbytes(size_bytes))


def block_hash(number: int, branch: str = "") -> Hash32:
    return Hash32(Random(f"block {number} {branch}").randbytes(32))


def submissions_of(files: list[SampleFile], *, first_seq: int, block: int, start_sector: int = 1) -> list[StoredSubmission]:
    """Submissions of files, one behind the other."""
    entries = []
    for seq, file in enumerate(files, first_seq):
        submission = file.tree.submission(tags=bytes([seq % 256]))
        entry = StoredSubmission(
            seq=seq,
            submission=submission,
            root=file.root,
            start_sector=start_sector,
            sender=Address(seq.to_bytes(20)),
            transaction_hash=Hash32(seq.to_bytes(32)),
            block_number=block,
            block_hash=block_hash(block),
        )
        entries.append(entry)
        start_sector = entry.end_sector
    return entries


def kept_in(
    shard: Shard, held: Iterable[tuple[int, int]], roots: Sequence[Hash32], entries: Iterable[StoredSubmission]
) -> set[tuple[int, int]]:
    """Those of the held segments, (file, index), that one of the submissions wants in a shard."""
    kept = set()
    for entry in entries:
        required = segments_of_shard(shard, start_sector=entry.start_sector, size_bytes=entry.submission.size_bytes)
        kept |= {(file, index) for file, index in held if roots[file] == entry.root and index in required}
    return kept
