"""A segment on its way: as JSON, in the shape of the official clients, and as MessagePack between our own programs.

Source of the JSON: 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`. The MessagePack form is ours: the same members without base64 and
hex, so that data is neither encoded nor copied.
"""

from typing import Annotated, Final, TypeAlias

import msgspec

from zerog.primitives import Hash32
from zerog.storage.protocol.merkle import MerkleProof

__all__ = ["BulkOutcome", "BulkSegment", "BulkUpload", "Count", "FileProof", "SegmentWithProof"]

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A size or an index: no file has more bytes, and beyond it lies only mischief."""

PROOF_HASHES_MAX: Final = 72
"""A proof over 2^64 segments is shorter."""
Lemma: TypeAlias = Annotated[list[Hash32], msgspec.Meta(max_length=PROOF_HASHES_MAX)]
BytesLemma: TypeAlias = Annotated[list[bytes], msgspec.Meta(max_length=PROOF_HASHES_MAX)]
Path: TypeAlias = Annotated[list[bool], msgspec.Meta(max_length=PROOF_HASHES_MAX)]


class FileProof(msgspec.Struct, frozen=True):
    """A `MerkleProof` in JSON."""

    lemma: Lemma
    path: Path

    def to_proof(self) -> MerkleProof:
        return MerkleProof(tuple(self.lemma), tuple(self.path))

    @classmethod
    def of(cls, proof: MerkleProof) -> "FileProof":
        return cls(list(proof.lemma), list(proof.path))


class SegmentWithProof(msgspec.Struct, frozen=True, rename={"file_size": "fileSize"}, kw_only=True):
    """A segment of a file in JSON; `data` is base64 there."""

    root: Hash32
    data: bytes
    index: Count
    proof: FileProof
    file_size: Count


class BulkSegment(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A segment of a file in MessagePack: `[index, data, lemma, path]`."""

    index: Count
    data: memoryview
    """Whole sectors, without padding sectors. Where it was decoded it lies within the message."""
    lemma: BytesLemma
    path: Path

    def to_proof(self) -> MerkleProof:
        """Raises `ValueError` where a hash is not of 32 bytes."""
        return MerkleProof(tuple(map(Hash32, self.lemma)), tuple(self.path))


class BulkUpload(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Segments of one file: `[root, size, sequence or nil, segments]`. The body of `POST /segments` is an array of these."""

    root: bytes
    size_bytes: Count
    tx_seq: Count | None
    """The submission that they belong to; none finds it by the root."""
    segments: list[BulkSegment]


class BulkOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one entry of `POST /segments`: JSON, in the order of the request."""

    stored: int = 0
    """Segments that were stored by this request, or had been before."""
    finalized: bool = False
    """Whether the node now has all that it has to hold of the file."""
    code: str | None = None
    """Of the refusal that ended the entry."""
    cause: str | None = None
