"""How a submission is named among nodes of the official peer-to-peer network: by its sequence and a hash of its SSZ encoding.

Integers are little-endian; a list is encoded as an offset in the fixed part, and its items after it.
Source: 0gfoundation/0g-storage-node, `node/shared_types/src/lib.rs`; ethereum/consensus-specs, `ssz/simple-serialize.md`.
"""

from dataclasses import dataclass
from typing import Final, Self

from zerog._kernel import keccak256
from zerog.primitives import Hash32
from zerog.storage.protocol.submission import Submission
from zerog.storage.protocol.units import HASH_BYTES

__all__ = ["FIXED_BYTES", "TransactionId", "ssz_of_submission"]

OFFSET_BYTES: Final = 4
INTEGER_BYTES: Final = 8
FIXED_BYTES: Final = 3 * OFFSET_BYTES + HASH_BYTES + 3 * INTEGER_BYTES
"""Offsets of stream ids, data and nodes; root; start, size and sequence."""


@dataclass(frozen=True, slots=True)
class TransactionId:
    """A submission among nodes."""

    seq: int
    hash: Hash32

    @classmethod
    def of(cls, submission: Submission, *, start_sector: int, seq: int) -> Self:
        return cls(seq, Hash32(keccak256(ssz_of_submission(submission, start_sector=start_sector, seq=seq))))

    def to_ssz(self) -> bytes:
        return _integer(self.seq) + self.hash


def ssz_of_submission(submission: Submission, *, start_sector: int, seq: int) -> bytes:
    """A submission as nodes encode it. Stream ids and data are empty in a storage node, and a node's depth is its height + 1.

    Raises `OverflowError` where a number has more than 64 bits.
    """
    lists_begin = FIXED_BYTES.to_bytes(OFFSET_BYTES, "little")
    nodes = b"".join(_integer(node.height + 1) + node.root for node in submission.nodes)
    numbers = _integer(start_sector) + _integer(submission.size_bytes) + _integer(seq)
    return lists_begin + lists_begin + submission.root + lists_begin + numbers + nodes


def _integer(number: int) -> bytes:
    return number.to_bytes(INTEGER_BYTES, "little")
