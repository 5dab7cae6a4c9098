"""The Merkle tree that names a file, and the proofs of its segments. The kernel hashes.

Bytes are whatever has a contiguous buffer and is not copied; a mapped file goes in as `memoryview(mapped)`.
Source: 0gfoundation/0g-storage-client, `core/dataflow.go`, `core/merkle/`; 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from zerog import _kernel
from zerog.primitives import Hash32
from zerog.storage.protocol.errors import EmptyFileError, SegmentParameterError, SegmentProofError
from zerog.storage.protocol.submission import Submission, SubmissionNode

__all__ = [
    "ByteBuffer",
    "FileTree",
    "MerkleProof",
    "ProvedSegment",
    "SegmentTree",
    "faulty_segment",
    "file_root",
    "segment_root",
    "verify_segment",
    "zero_root",
]

ByteBuffer: TypeAlias = bytes | bytearray | memoryview
SegmentRefusal: TypeAlias = SegmentParameterError | SegmentProofError


@dataclass(frozen=True, slots=True)
class MerkleProof:
    """A way from a leaf to a root: `lemma` is the leaf, the siblings from the bottom, and the root (or the root alone, of a tree of one
    leaf); `path` says of each sibling whether the way comes from the left."""

    lemma: tuple[Hash32, ...]
    path: tuple[bool, ...]


def zero_root(height: int) -> Hash32:
    """Root of a perfect tree over 2^`height` sectors of zeros; heights are below 64."""
    return Hash32(_kernel.zero_root(height))


def segment_root(data: ByteBuffer, sectors: int) -> Hash32:
    """Root over `sectors` (1 to 1024) that begin with `data`; what follows is zero. Raises `ValueError` if there is no room."""
    return Hash32(_kernel.segment_root(data, sectors))


def file_root(data: ByteBuffer) -> Hash32:
    """Root of `data` with the zeros that pad it on the flow: the name of the file. Raises `EmptyFileError`."""
    return FileTree(data).root


class FileTree:
    """All that a client needs to submit and upload a file, from one pass over its bytes on all threads."""

    def __init__(self, data: ByteBuffer) -> None:
        """Raises `EmptyFileError`. Writable memory must be left alone until this returns."""
        if not len(data):
            raise EmptyFileError
        self._tree = _kernel.FileTree(data)

    @property
    def size_bytes(self) -> int:
        return self._tree.size_bytes

    @cached_property
    def root(self) -> Hash32:
        return Hash32(self._tree.root)

    @cached_property
    def segment_roots(self) -> tuple[Hash32, ...]:
        """Roots of the segments that hold bytes of the file."""
        return tuple(map(Hash32, self._tree.segment_roots()))

    def submission(self, tags: bytes = b"") -> Submission:
        """What the chain is told of the file."""
        nodes = tuple(SubmissionNode(Hash32(root), height) for root, height in self._tree.submission_nodes())
        return Submission(size_bytes=self.size_bytes, nodes=nodes, tags=tags)

    def segment_proof(self, index: int) -> MerkleProof:
        """From the root of segment `index` to the file's. Raises `IndexError`."""
        return _proof(self._tree.segment_proof(index))

    def segment_proofs(self, first: int, count: int) -> list[MerkleProof]:
        """Of `count` segments from `first` on. Raises `IndexError`."""
        return list(map(_proof, self._tree.segment_proofs(first, count)))


class SegmentTree:
    """The tree of a file of which the roots of the segments are known, and the bytes need not be here."""

    def __init__(self, size_bytes: int, segment_roots: Sequence[Hash32]) -> None:
        """`segment_roots`: of the segments that hold bytes of the file. Raises `EmptyFileError`; `ValueError` for a wrong number."""
        if size_bytes < 1:
            raise EmptyFileError
        self._tree = _kernel.SegmentTree(size_bytes, segment_roots)

    @property
    def size_bytes(self) -> int:
        return self._tree.size_bytes

    @cached_property
    def root(self) -> Hash32:
        return Hash32(self._tree.root)

    def segment_proof(self, index: int) -> MerkleProof:
        """From the root of segment `index` to the file's. Raises `IndexError`."""
        return _proof(self._tree.segment_proof(index))

    def segment_proofs(self, first: int, count: int) -> list[MerkleProof]:
        """Of `count` segments from `first` on. Raises `IndexError`."""
        return list(map(_proof, self._tree.segment_proofs(first, count)))


def _proof(parts: tuple[list[bytes], list[bool]]) -> MerkleProof:
    lemma, path = parts
    return MerkleProof(tuple(map(Hash32, lemma)), tuple(path))


FAULTY_PARAMETER: Final = {
    "empty_file": "file_size",
    "index_out_of_bound": "index",
    "data_length": "data",
    "proof_form": "proof",
    "broken_chain": "proof",
    "padding_mismatch": "proof",
}
"""Faults that the reference reports as an invalid parameter, and which; all others it reports by their text alone."""


def verify_segment(root: Hash32, *, size_bytes: int, index: int, data: ByteBuffer, proof: MerkleProof) -> None:
    """Check that `data` is segment `index` of the file named `root`, as it is uploaded: whole sectors, without padding sectors.

    Also the padding is checked: where a proof passes zeros only, it must have their root. Raises `SegmentParameterError` or
    `SegmentProofError` in the reference's order and words.
    """
    fault = _kernel.segment_fault(root, size_bytes, index, data, proof.lemma, proof.path)
    if fault is not None:
        raise _refusal(*fault)


@dataclass(frozen=True, slots=True)
class ProvedSegment:
    """A segment as it is uploaded, whole sectors without padding sectors, and its way to the file's root."""

    index: int
    data: ByteBuffer
    proof: MerkleProof


def faulty_segment(root: Hash32, *, size_bytes: int, segments: Sequence[ProvedSegment]) -> tuple[int, SegmentRefusal] | None:
    """The first of several segments of one file that `verify_segment` would refuse: its place and the refusal; `None` if all hold.

    They are checked on all threads, so this is the way for more than one.
    """
    parts = [(segment.index, segment.data, segment.proof.lemma, segment.proof.path) for segment in segments]
    fault = _kernel.first_segment_fault(root, size_bytes, parts)
    if fault is None:
        return None
    place, kind, cause = fault
    return place, _refusal(kind, cause)


def _refusal(kind: str, cause: str) -> SegmentRefusal:
    if parameter := FAULTY_PARAMETER.get(kind):
        return SegmentParameterError(parameter, cause)
    return SegmentProofError(cause)
