"""The units that a file is cut into. Source: 0gfoundation/0g-storage-client, `core/dataflow.go`."""

from typing import Final

__all__ = ["HASH_BYTES", "SECTOR_BYTES", "SEGMENT_BYTES", "SEGMENT_HEIGHT", "SEGMENT_SECTORS"]

HASH_BYTES: Final = 32
SECTOR_BYTES: Final = 256
"""Smallest unit with a Merkle leaf; the official programs also call it chunk and entry."""
SEGMENT_HEIGHT: Final = 10
"""Height of a segment's root over its sectors."""
SEGMENT_SECTORS: Final = 1 << SEGMENT_HEIGHT
SEGMENT_BYTES: Final = SEGMENT_SECTORS * SECTOR_BYTES
"""What is uploaded, downloaded and assigned to shards at once."""
