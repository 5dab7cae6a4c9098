"""The trees of storage as their rules stand, leaf by leaf, to hold the kernel's against. Source: npm `@0gfoundation/0g-ts-sdk` 1.2.8."""

from eth_utils.crypto import keccak

from zerog.storage.protocol.padding import padded_sectors_of
from zerog.storage.protocol.units import SECTOR_BYTES

ZERO_LEAF = keccak(bytes(SECTOR_BYTES))


def pattern(size_bytes: int) -> bytes:
    """The bytes of the vectors: byte i is i mod 251."""
    return (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]


def tree_root(leaves: list[bytes]) -> bytes:
    """One leaf is its own root; more split at the largest power of two below their number."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return keccak(tree_root(leaves[:split]) + tree_root(leaves[split:]))


def sector_hashes(data: bytes, sectors: int) -> list[bytes]:
    padded = data.ljust(sectors * SECTOR_BYTES, b"\0")
    return [keccak(padded[start : start + SECTOR_BYTES]) for start in range(0, len(padded), SECTOR_BYTES)]


def file_root(data: bytes) -> bytes:
    return tree_root(sector_hashes(data, padded_sectors_of(len(data))))


def flow_root(leaves: list[bytes]) -> bytes:
    """The tree over the flow is perfect: missing leaves are zero sectors."""
    missing = (1 << (len(leaves) - 1).bit_length()) - len(leaves)
    return tree_root(leaves + [ZERO_LEAF] * missing)
