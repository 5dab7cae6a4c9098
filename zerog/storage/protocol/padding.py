"""How many sectors and segments a file has, and takes up on the flow. Source: 0gfoundation/0g-storage-client, `core/flow.go`."""

from typing import Final

from zerog.storage.protocol.errors import EmptyFileError
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_SECTORS

__all__ = [
    "PADDING_SHARE",
    "padded_sectors_of",
    "padded_sectors_of_segment",
    "padded_segments_of",
    "sectors_of",
    "segments_of",
    "uploaded_bytes_of_segment",
]

PADDING_SHARE: Final = 16
"""Padding fills up to whole sixteenths of the next power of two, so it stays below one of them."""


def sectors_of(size_bytes: int) -> int:
    """Sectors that hold bytes of a file. Raises `EmptyFileError`."""
    if size_bytes < 1:
        raise EmptyFileError
    return -(-size_bytes // SECTOR_BYTES)


def padded_sectors_of(size_bytes: int) -> int:
    """Sectors that a file takes up on the flow, and pays for. Raises `EmptyFileError`."""
    sectors = sectors_of(size_bytes)
    power = 1 << (sectors - 1).bit_length()
    share = max(1, power // PADDING_SHARE)
    return -(-sectors // share) * share


def segments_of(size_bytes: int) -> int:
    """Segments that hold bytes of a file: these are uploaded. Raises `EmptyFileError`."""
    return -(-sectors_of(size_bytes) // SEGMENT_SECTORS)


def padded_segments_of(size_bytes: int) -> int:
    """Segments that a file takes up on the flow: the leaves of its proofs. Raises `EmptyFileError`."""
    return -(-padded_sectors_of(size_bytes) // SEGMENT_SECTORS)


def padded_sectors_of_segment(size_bytes: int, index: int) -> int:
    """Sectors of the tree over segment `index`, with its padding; 0 if the file has no such segment. Raises `EmptyFileError`."""
    return _part(padded_sectors_of(size_bytes), index)


def uploaded_bytes_of_segment(size_bytes: int, index: int) -> int:
    """Bytes of segment `index` as it is uploaded: whole sectors, without padding sectors. Raises `EmptyFileError`."""
    return _part(sectors_of(size_bytes), index) * SECTOR_BYTES


def _part(sectors: int, index: int) -> int:
    return min(max(0, sectors - index * SEGMENT_SECTORS), SEGMENT_SECTORS)
