"""Files to upload: random, all zeros, or the pattern of the published vectors."""

import random
from pathlib import Path
from typing import Final

from zerog.storage.protocol.merkle import file_root

__all__ = ["SEGMENT_BYTES", "SIZES", "pattern", "random_bytes", "root_of", "written"]

SEGMENT_BYTES: Final = 262_144
SIZES: Final = (
    1,
    255,
    256,
    257,
    1023,
    SEGMENT_BYTES - 1,
    SEGMENT_BYTES,
    SEGMENT_BYTES + 1,
    256 * 1025,
    256 * 2048 - 1,
    256 * 16_385,
    10 << 20,
    (10 << 20) + 1,
)
"""At and around every border there is: of a byte, a sector, a segment, of sixteen segments (where padding begins to add segments of its
own), and of the 10 MiB that a node keeps of files which it does not know yet."""


def pattern(size_bytes: int) -> bytes:
    """Byte i is i mod 251."""
    cycle = bytes(range(251))
    return (cycle * (size_bytes // 251 + 1))[:size_bytes]


def random_bytes(size_bytes: int, seed: int = 0) -> bytes:
    """The same bytes for the same size and seed."""
    return random.Random(f"{size_bytes}/{seed}").randbytes(size_bytes)


def written(path: Path, data: bytes) -> Path:
    """`path`, with `data` in it."""
    path.write_bytes(data)
    return path


def root_of(data: bytes) -> str:
    """The root by our own kernel, as the SDKs write it."""
    return f"0x{file_root(data).hex()}"
