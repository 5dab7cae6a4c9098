"""What stands on the first layer in place of a rollup's payload, as the OP Stack reads it.

A commitment is a type and what the type says: 0 is a Keccak-256 digest of the payload, 1 is generic, which means that only the server knows
how to read it. 0G's generic one is `G`, then epoch, quorum and root of a blob. Where a payload is longer than a blob, ours goes on with the
epoch, quorum and root of the next one: who knows only the official form of 50 bytes finds the first blob where it always stands.

Sources: ethereum-optimism/specs, specs/experimental/alt-da.md; 0glabs/0g-da-op-plasma, cmd/daserver/zg.go.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from zerog._kernel import keccak256
from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32

__all__ = [
    "BLOBS_MAX",
    "GENERIC_TYPE",
    "KECCAK_TYPE",
    "Commitment",
    "CommitmentBrokenError",
    "CommitmentUnknownError",
    "GenericCommitment",
    "KeccakCommitment",
    "decode_commitment",
    "split_payload",
]

KECCAK_TYPE: Final = 0
GENERIC_TYPE: Final = 1
LAYER: Final = ord("G")
"""0G among the DA layers whose commitments are generic."""
NAME: Final = struct.Struct("<QQ32s")
BLOBS_MAX: Final = 32
"""Blobs of one payload: a commitment of 1,538 bytes for a payload of 992 MiB."""


@dataclass(eq=False)
class CommitmentUnknownError(DaError):
    """Bytes that are a commitment of another kind than ours, or none."""

    cause: str

    code = "da_commitment_unknown"
    remedy = "send a commitment as this server gave it: 0x00 and a Keccak-256 digest, or 0x0147 and the names of blobs"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class CommitmentBrokenError(DaError):
    """A commitment that says of itself that it is ours, and can never have named a blob."""

    cause: str

    code = "da_commitment_broken"
    remedy = "drop it: whoever made it did not get it from a server of 0G DA"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class KeccakCommitment:
    """A payload by its digest. Where its blobs are, only the server that took it knows."""

    digest: Hash32

    @classmethod
    def of(cls, payload: bytes) -> "KeccakCommitment":
        return cls(Hash32(keccak256(payload)))

    def encode(self) -> bytes:
        return bytes([KECCAK_TYPE]) + self.digest


@dataclass(frozen=True, slots=True)
class GenericCommitment:
    """A payload by the blobs that it consists of, in their order: at least one, at most `BLOBS_MAX`."""

    blobs: tuple[BlobName, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError`."""
        if not 1 <= len(self.blobs) <= BLOBS_MAX:
            raise ValueError(f"a commitment names 1 to {BLOBS_MAX} blobs, not {len(self.blobs)}")

    def encode(self) -> bytes:
        """50 bytes for one blob, 48 more for each further one."""
        return bytes([GENERIC_TYPE, LAYER]) + b"".join(NAME.pack(blob.epoch, blob.quorum_id, blob.root) for blob in self.blobs)


Commitment: TypeAlias = KeccakCommitment | GenericCommitment


def decode_commitment(data: bytes) -> Commitment:
    """The inverse of both `encode`. Raises `CommitmentUnknownError` and `CommitmentBrokenError`."""
    if not data:
        raise CommitmentUnknownError("there are no bytes of a commitment")
    kind, rest = data[0], data[1:]
    if kind == KECCAK_TYPE:
        if len(rest) != Hash32.LENGTH:
            raise CommitmentUnknownError(f"a Keccak-256 digest has {Hash32.LENGTH} bytes, and this one {len(rest)}")
        return KeccakCommitment(Hash32(rest))
    if kind != GENERIC_TYPE:
        raise CommitmentUnknownError(f"there is no commitment of type {kind}")
    if rest[:1] != bytes([LAYER]):
        raise CommitmentUnknownError("it is a commitment of another DA layer than 0G's")
    return GenericCommitment(_names(rest[1:]))


def _names(data: bytes) -> tuple[BlobName, ...]:
    count, over = divmod(len(data), NAME.size)
    if over or not 1 <= count <= BLOBS_MAX:
        raise CommitmentBrokenError(f"{len(data)} bytes are not the names of 1 to {BLOBS_MAX} blobs, {NAME.size} bytes each")
    return tuple(BlobName(Hash32(root), epoch, quorum_id) for epoch, quorum_id, root in NAME.iter_unpack(data))


def split_payload(payload: bytes, blob_bytes_max: int = BLOB_BYTES_MAX) -> Sequence[memoryview]:
    """A payload in blobs as large as they can be; empty for an empty one, which no blob can hold."""
    view = memoryview(payload)
    return [view[start : start + blob_bytes_max] for start in range(0, len(payload), blob_bytes_max)]
