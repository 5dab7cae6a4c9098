"""A fragment of a file on its way to the nodes, and the messages in which it travels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from zerog.primitives import Hash32
from zerog.storage.client.selection import KnownNode
from zerog.storage.client.source import Source
from zerog.storage.client.submitting import Placed
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.protocol.shards import segments_of_shard
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.segments import BulkSegment, BulkUpload, FileProof, SegmentWithProof

__all__ = ["Message", "Piece", "messages_to"]


@dataclass(eq=False)
class Piece:
    """Up to one fragment's worth of bytes: what one submission names."""

    source: Source
    view: memoryview
    placed: Placed | None = None
    known_at: set[str] = field(default_factory=set)
    """URLs of nodes that may hold some of it."""
    finalized_at: set[str] = field(default_factory=set)
    """URLs of nodes that have all that they must hold."""
    fee_wei: int = 0
    """Paid for it in this upload."""
    sent_bytes: int = 0
    """Sent of it in this upload, counted for each node."""

    @cached_property
    def tree(self) -> FileTree:
        """Hashes all bytes, once."""
        return FileTree(self.view)

    @property
    def root(self) -> Hash32:
        return self.tree.root

    @property
    def size_bytes(self) -> int:
        return len(self.view)

    @property
    def place(self) -> Placed:
        """Where it lies on the flow. It must have been submitted."""
        if self.placed is None:
            raise RuntimeError(f"{self.root} has no place yet")
        return self.placed

    def required(self, node: KnownNode) -> range:
        """Segments that a node must hold."""
        return segments_of_shard(node.shard, start_sector=self.place.start_sector, size_bytes=self.size_bytes)

    def sectors_of(self, index: int) -> memoryview:
        """A segment in whole sectors, in place but for a last one that has to be filled up."""
        data = self.view[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        missing = uploaded_bytes_of_segment(self.size_bytes, index) - len(data)
        return memoryview(bytes(data) + bytes(missing)) if missing else data

    def bulk(self, indexes: Iterable[int]) -> BulkUpload:
        """Segments in MessagePack."""
        segments = []
        for index in indexes:
            proof = self.tree.segment_proof(index)
            segments.append(BulkSegment(index=index, data=self.sectors_of(index), lemma=list(proof.lemma), path=list(proof.path)))
        return BulkUpload(root=self.root, size_bytes=self.size_bytes, tx_seq=self.place.tx_seq, segments=segments)

    def as_json(self, index: int) -> SegmentWithProof:
        """A segment in JSON."""
        proof = FileProof.of(self.tree.segment_proof(index))
        return SegmentWithProof(root=self.root, data=bytes(self.sectors_of(index)), index=index, proof=proof, file_size=self.size_bytes)


@dataclass(frozen=True, slots=True)
class Message:
    """What one request brings to one node."""

    node: KnownNode
    entries: tuple[tuple[Piece, tuple[int, ...]], ...]
    """Pieces, and segments of each."""
    size_bytes: int


def messages_to(node: KnownNode, missing: Iterable[tuple[Piece, Iterable[int]]], *, bytes_max: int, pieces_max: int) -> Iterator[Message]:
    """Pack the `missing` segments into messages of at most `bytes_max`, or of one segment, and of at most `pieces_max`."""
    entries: list[tuple[Piece, tuple[int, ...]]] = []
    size_bytes = 0
    for piece, indexes in missing:
        some: list[int] = []
        for index in indexes:
            segment_bytes = uploaded_bytes_of_segment(piece.size_bytes, index)
            if size_bytes and (size_bytes + segment_bytes > bytes_max or len(entries) == pieces_max):
                if some:
                    entries.append((piece, tuple(some)))
                yield Message(node, tuple(entries), size_bytes)
                entries, some, size_bytes = [], [], 0
            some.append(index)
            size_bytes += segment_bytes
        if some:
            entries.append((piece, tuple(some)))
    if entries:
        yield Message(node, tuple(entries), size_bytes)
