"""A file with the rows of one blob: written once, moved to its place when it is whole and on the disk, each row with a checksum.

    magic (8) · length of the head (u32) · checksum of the head (u32) · head (MessagePack) · for each row its path, then its elements

Numbers are little-endian, checksums CRC-32. A row of zeros, as short blobs have many, has no elements in the file.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import msgspec

from zerog.da.protocol.constants import ROW_BYTES
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32

__all__ = ["PATH_BYTES", "DamagedFileError", "HeldRow", "RowFile", "RowsHead", "read_head", "write_rows"]

MAGIC: Final = b"0GDAROW1"
NUMBER_BYTES: Final = 4
PREFIX_BYTES: Final = len(MAGIC) + 2 * NUMBER_BYTES
HEAD_BYTES_MAX: Final = 1 << 20
PATH_BYTES: Final = 320
"""Ten siblings of 32 bytes."""
ZERO_ROW: Final = bytes(ROW_BYTES)
FILE_MODE: Final = 0o600


class DamagedFileError(Exception):
    """The file is not one that was written whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A row as it is kept."""

    index: int
    data: bytes = field(repr=False)
    path: bytes = field(repr=False)
    """Siblings from the row's root up to that of its coset."""


class RowsHead(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What the file says before its rows."""

    root: bytes
    epoch: int
    quorum_id: int
    commitment: bytes
    """x and y, 32 big-endian bytes each."""
    coset_roots: tuple[bytes, bytes, bytes]
    indexes: tuple[int, ...]
    """Of the rows, ascending."""
    checksums: tuple[int, ...]
    """Of each row's path and elements."""
    zero_rows: tuple[int, ...]
    """Positions in `indexes` of rows without elements in the file."""

    @property
    def blob(self) -> BlobName:
        return BlobName(Hash32(self.root), self.epoch, self.quorum_id)


_decoder: Final = msgspec.msgpack.Decoder(RowsHead)
_encoder: Final = msgspec.msgpack.Encoder()


def head_of(blob: BlobName, commitment: bytes, coset_roots: tuple[bytes, bytes, bytes], rows: Sequence[HeldRow]) -> RowsHead:
    """The head for these rows."""
    return RowsHead(
        root=bytes(blob.root),
        epoch=blob.epoch,
        quorum_id=blob.quorum_id,
        commitment=commitment,
        coset_roots=coset_roots,
        indexes=tuple(row.index for row in rows),
        checksums=tuple(_checksum(row.path, row.data) for row in rows),
        zero_rows=tuple(position for position, row in enumerate(rows) if row.data == ZERO_ROW),
    )


def write_rows(path: Path, head: RowsHead, rows: Sequence[HeldRow]) -> int:
    """Write a whole file, on the disk when this returns, and say how long it is. After a crash it is there whole or not at all.

    Raises `OSError`.
    """
    draft = path.with_name(f".{path.name}.draft")
    zeros = set(head.zero_rows)
    packed = _encoder.encode(head)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            file.write(MAGIC + _number(len(packed)) + _number(zlib.crc32(packed)) + packed)
            for row in rows:
                file.write(row.path)
            for position, row in enumerate(rows):
                if position not in zeros:
                    file.write(row.data)
            file.flush()
            os.fsync(file.fileno())
            size_bytes = file.tell()
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return size_bytes


def sync_folder(path: Path) -> None:
    """Make names in a folder durable. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_head(path: Path) -> RowsHead:
    """Raises `DamagedFileError`, also where there is no file."""
    with RowFile(path) as file:
        return file.head


class RowFile:
    """A file that is being read: a context. Opening it raises `DamagedFileError`."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DamagedFileError(str(error)) from None
        try:
            self.head: Final = self._read_head()
        except BaseException:
            os.close(self._descriptor)
            raise
        self._positions: Final = {index: position for position, index in enumerate(self.head.indexes)}
        zeros = set(self.head.zero_rows)
        places, place = [], self._rows_start + PATH_BYTES * len(self.head.indexes)
        for position in range(len(self.head.indexes)):
            places.append(None if position in zeros else place)
            place += 0 if position in zeros else ROW_BYTES
        self._places: Final = places

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def row(self, index: int) -> HeldRow | None:
        """A row; `None` where the file never had it, or has it damaged."""
        position = self._positions.get(index)
        if position is None:
            return None
        place = self._places[position]
        path = self._read(PATH_BYTES, self._rows_start + PATH_BYTES * position)
        data = ZERO_ROW if place is None else self._read(ROW_BYTES, place)
        if path is None or data is None or _checksum(path, data) != self.head.checksums[position]:
            return None
        return HeldRow(index=index, data=data, path=path)

    def is_whole(self) -> bool:
        """Whether every row can be read."""
        return all(self.row(index) is not None for index in self.head.indexes)

    def _read_head(self) -> RowsHead:
        prefix = self._read(PREFIX_BYTES, 0)
        if prefix is None or not prefix.startswith(MAGIC):
            raise DamagedFileError("it does not begin as such a file does")
        length = int.from_bytes(prefix[len(MAGIC) : len(MAGIC) + NUMBER_BYTES], "little")
        packed = self._read(length, PREFIX_BYTES) if length <= HEAD_BYTES_MAX else None
        if packed is None or zlib.crc32(packed) != int.from_bytes(prefix[-NUMBER_BYTES:], "little"):
            raise DamagedFileError("its head is damaged")
        try:
            head = _decoder.decode(packed)
        except (msgspec.DecodeError, ValueError) as error:
            raise DamagedFileError(str(error)) from None
        self._rows_start = PREFIX_BYTES + length
        return head

    def _read(self, size_bytes: int, offset: int) -> bytes | None:
        try:
            data = os.pread(self._descriptor, size_bytes, offset)
        except OSError:
            return None
        return data if len(data) == size_bytes else None


def _checksum(path: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(path))


def _number(number: int) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "little")
