"""Append-only files that hold the items of streams, with a checksum for every 4 KiB, so that a value is read and checked by its blocks.

A record, little-endian: header (magic, length, root, size of the file, checksum of these), the item, checksums of its blocks. Small items
stand one behind the other in `NNNNNNNN.items`; a large one that was downloaded to a file has that file for itself, `NNNNNNNN.item`, with
the header behind it. What is behind the end that the catalogue knows is a write that was interrupted.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.kv.records import Place

__all__ = ["ItemFiles", "ItemLostError", "RecordFound", "sync_folder"]

BLOCK_BYTES: Final = 4096
SUM_BYTES: Final = 4
HEADER: Final = struct.Struct("<4sQ32s16sI")
MAGIC: Final = b"0gKV"
FILE_BYTES_MAX: Final = 256 << 20
"""A file that has grown so long is not appended to; one item may be longer."""
MAPPED_BYTES_MIN: Final = 1 << 20
"""A longer item is mapped when it is read as a whole."""
READERS_MAX: Final = 128
"""Files that are kept open; the others are opened for each read."""
CHUNK_BYTES: Final = 1 << 20
WINDOW_BYTES: Final = 1 << 20
FILE_MODE: Final = 0o600


class ItemLostError(Exception):
    """What was stored is not there any more, or is something else."""


@dataclass(frozen=True, slots=True)
class RecordFound:
    """A record that was found sound in a file."""

    root: Hash32
    size_bytes: bytes
    place: Place


def blocks_of(size: int) -> int:
    return -(-size // BLOCK_BYTES)


def end_of(place: Place) -> int:
    """Behind the checksums of an item."""
    return place.offset + place.size + SUM_BYTES * blocks_of(place.size)


class ItemFiles:
    """The files in one folder. Whoever writes is alone; reads may come from any thread."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self._durable = durable
        self._descriptor = -1
        self._number = 0
        self._end = 0
        self._newest = 0
        self._readers: dict[int, int] = {}
        """Descriptors by file, open until the end: to open a file takes as long as to read a value in it."""

    def path(self, file: int) -> Path:
        return self.folder / (f"{file:08}.items" if file > 0 else f"{-file:08}.item")

    def numbers(self) -> list[int]:
        """Files that are there, whether they count or not."""
        shared = [int(path.stem) for path in self.folder.glob("*.items") if path.stem.isdecimal()]
        alone = [-int(path.stem) for path in self.folder.glob("*.item") if path.stem.isdecimal()]
        return sorted(shared) + alone

    def go_on(self, ends: dict[int, int]) -> None:
        """Take up the work behind what is known, by file, and delete the files of which nothing is. Raises `OSError`."""
        self._newest = max((abs(number) for number in (*self.numbers(), *ends)), default=0)
        for number in self.numbers():
            if number not in ends:
                self.path(number).unlink(missing_ok=True)
        last = max((number for number in ends if number > 0), default=0)
        if last and self.path(last).exists() and ends[last] < FILE_BYTES_MAX:
            self._descriptor = os.open(self.path(last), os.O_WRONLY | os.O_CLOEXEC)
            if os.fstat(self._descriptor).st_size < ends[last]:
                self._close()  # What is missing in it is found when it is read; nothing is added behind a gap.
            else:
                os.ftruncate(self._descriptor, ends[last])
                self._number, self._end = last, ends[last]

    def append(self, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[Place]:
        """Write items (root, size of the file, data) behind the others, with one wait for the disk; durable when it returns.

        Raises `OSError`: then none of them counts, and what comes after goes into a new file.
        """
        try:
            if self._descriptor < 0 or self._end >= FILE_BYTES_MAX:
                self._begin()
            places: list[Place] = []
            pieces: list[bytes] = []
            end = self._end
            for root, size_bytes, data in items:
                pieces += (_header(root, size_bytes, len(data)), data, _sums(data))
                places.append(Place(self._number, end + HEADER.size, len(data)))
                end = end_of(places[-1])
            _write_all(self._descriptor, b"".join(pieces), self._end)
            self._sync(self._descriptor)
        except OSError:
            self._close()  # Nobody knows what the disk has of these: nothing that counts is written behind them.
            raise
        self._end = end
        return places

    def adopt(self, root: bytes, size_bytes: bytes, path: Path) -> Place:
        """Move a file with one item here; durable when it returns. It is on the same file system. Raises `OSError`."""
        size = path.stat().st_size
        self._newest += 1
        place = Place(-self._newest, 0, size)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            sums = bytearray()
            for begin in range(0, size, CHUNK_BYTES):
                sums += _sums(_read_exactly(descriptor, begin, min(CHUNK_BYTES, size - begin)))
            _write_all(descriptor, bytes(sums) + _header(root, size_bytes, size), size)
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        path.chmod(FILE_MODE)
        path.replace(self.path(place.file))
        self._sync_folder()
        return place

    def read(self, place: Place, start: int, length: int) -> bytes:
        """A part of an item, which lies within it. Raises `ItemLostError`."""
        first, last = start // BLOCK_BYTES, blocks_of(start + length)
        try:
            data, sums = self._read_blocks(place, first, last)
        except OSError as error:
            raise ItemLostError(error.strerror or str(error)) from error
        if _sums(data) != sums:
            raise ItemLostError("its bytes do not have their checksum")
        skipped = start - first * BLOCK_BYTES
        return data[skipped : skipped + length]

    def _read_blocks(self, place: Place, first: int, last: int) -> tuple[bytes, bytes]:
        """Blocks `first` to `last` - 1 of an item, and their checksums. Raises `OSError`."""
        begin, end = first * BLOCK_BYTES, min(last * BLOCK_BYTES, place.size)
        descriptor = self._readers.get(place.file)
        kept = descriptor is not None
        if descriptor is None:
            descriptor = os.open(self.path(place.file), os.O_RDONLY | os.O_CLOEXEC)
            if len(self._readers) < READERS_MAX:
                kept = self._readers.setdefault(place.file, descriptor) == descriptor
        try:
            data = _read_exactly(descriptor, place.offset + begin, end - begin)
            return data, _read_exactly(descriptor, place.offset + place.size + SUM_BYTES * first, SUM_BYTES * (last - first))
        finally:
            if not kept:
                os.close(descriptor)

    def whole(self, place: Place) -> memoryview:
        """An item, checked, in memory or mapped into it. Raises `ItemLostError`."""
        if place.size < MAPPED_BYTES_MIN:
            return memoryview(self.read(place, 0, place.size))
        for begin in range(0, place.size, CHUNK_BYTES):
            self.read(place, begin, min(CHUNK_BYTES, place.size - begin))
        skipped = place.offset % mmap.ALLOCATIONGRANULARITY
        try:
            descriptor = os.open(self.path(place.file), os.O_RDONLY | os.O_CLOEXEC)
            try:
                mapped = mmap.mmap(descriptor, skipped + place.size, access=mmap.ACCESS_READ, offset=place.offset - skipped)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise ItemLostError(str(error)) from error
        return memoryview(mapped)[skipped:]

    def records(self, number: int) -> Iterator[RecordFound]:
        """The sound items of a file. Where one is damaged, the next is looked for behind its beginning. Raises `OSError`."""
        size = self.path(number).stat().st_size
        descriptor = os.open(self.path(number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            offset: int | None = 0 if number > 0 else size - HEADER.size
            while offset is not None and 0 <= offset <= size - HEADER.size:
                found = self._record(descriptor, number, offset, size)
                if found is not None:
                    yield found
                    if number < 0:
                        return
                offset = end_of(found.place) if found is not None else _find(descriptor, offset + 1, size)
        finally:
            os.close(descriptor)

    def _record(self, descriptor: int, number: int, offset: int, file_size: int) -> RecordFound | None:
        raw = _read_exactly(descriptor, offset, HEADER.size)
        magic, size, root, size_bytes, check = HEADER.unpack(raw)
        place = Place(number, offset + HEADER.size if number > 0 else 0, size)
        if magic != MAGIC or zlib.crc32(raw[:-SUM_BYTES]) != check or end_of(place) > file_size:
            return None
        try:
            for begin in range(0, size, CHUNK_BYTES):
                self.read(place, begin, min(CHUNK_BYTES, size - begin))
        except ItemLostError:
            return None
        return RecordFound(Hash32(root), size_bytes, place)

    def close(self) -> None:
        self._close()
        while self._readers:
            os.close(self._readers.popitem()[1])

    def _begin(self) -> None:
        self._close()
        self._newest += 1
        self._descriptor = os.open(self.path(self._newest), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        self._number, self._end = self._newest, 0
        self._sync_folder()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _sync(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)

    def _sync_folder(self) -> None:
        if self._durable:
            sync_folder(self.folder)


def _header(root: bytes, size_bytes: bytes, size: int) -> bytes:
    unchecked = HEADER.pack(MAGIC, size, root, size_bytes, 0)[:-SUM_BYTES]
    return unchecked + zlib.crc32(unchecked).to_bytes(SUM_BYTES, "little")


def _sums(data: bytes) -> bytes:
    """Of each block, the last one being as long as it is."""
    if len(data) <= BLOCK_BYTES:
        return zlib.crc32(data).to_bytes(SUM_BYTES, "little") if data else b""
    view = memoryview(data)
    return b"".join(zlib.crc32(view[at : at + BLOCK_BYTES]).to_bytes(SUM_BYTES, "little") for at in range(0, len(data), BLOCK_BYTES))


def _read_exactly(descriptor: int, offset: int, size: int) -> bytes:
    """Raises `OSError` where there is less."""
    data = os.pread(descriptor, size, offset)
    while len(data) < size:
        more = os.pread(descriptor, size - len(data), offset + len(data))
        if not more:
            raise OSError("the file ends before the item does")
        data += more
    return data


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _find(descriptor: int, offset: int, size: int) -> int | None:
    """Where a record may begin, from `offset` on."""
    while offset < size:
        found = os.pread(descriptor, WINDOW_BYTES, offset).find(MAGIC)
        if found >= 0:
            return offset + found
        offset += WINDOW_BYTES - len(MAGIC) + 1
    return None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
