"""Append-only files of segments: each record is a header, the siblings of the proof and the data, so that a file explains itself.

A file begins with a magic number, its version and its number; little-endian like the records. Nothing is ever changed in place but for a
damaged header: a file only grows, is sealed when it is full, and is deleted when nothing in it is needed any more.
"""

import errno
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from zerog.primitives import Hash32
from zerog.storage.node.store.records import SegmentWrite
from zerog.storage.protocol.units import HASH_BYTES

__all__ = [
    "FILE_HEADER",
    "FILE_MAGIC",
    "FILE_VERSION",
    "RECORD_HEADER",
    "RECORD_MAGIC",
    "Appended",
    "DataFiles",
    "Place",
    "Tail",
    "is_lack_of_room",
    "record_bytes_of",
    "record_header",
]

log = structlog.get_logger(__name__)

FILE_MODE: Final = 0o600
FILE_MAGIC: Final = b"0GSEGMNT"
FILE_VERSION: Final = 1
FILE_HEADER: Final = struct.Struct("<8sII")
"""Magic number, version, number of the file."""
RECORD_MAGIC: Final = 0x53473053
RECORD_HEADER: Final = struct.Struct("<IHHI32sQQI")
"""Magic number, count of siblings, zero, bytes of data, root of the file, padded sectors of the file, index of the segment, zero."""
VECTORS_MAX: Final = 1000
"""Of one system call; Linux takes 1,024."""
CACHED_BYTES: Final = 64 << 20
"""What was written last is often read soon; the system keeps so much of it in memory."""
sync_data: Final = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies."""

    data_file: int
    offset: int
    siblings: int
    data_bytes: int

    @property
    def siblings_offset(self) -> int:
        return self.offset + RECORD_HEADER.size

    @property
    def data_offset(self) -> int:
        return self.siblings_offset + HASH_BYTES * self.siblings

    @property
    def end(self) -> int:
        return self.data_offset + self.data_bytes

    @property
    def record_bytes(self) -> int:
        return self.end - self.offset


@dataclass(slots=True)
class Tail:
    """The file that is appended to."""

    number: int
    end: int


@dataclass(slots=True)
class Appended:
    """What one group added: a place for each segment, in their order, and the files that it touched."""

    places: list[Place] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    """New end of each touched file, the oldest first; all but the last are full."""


class DataFiles:
    """The files in one folder, and the end at which the writer goes on."""

    def __init__(self, folder: Path, *, size_bytes_max: int, durable: bool) -> None:
        self.folder = folder
        self._size_bytes_max = size_bytes_max
        self._durable = durable
        self._tail: Tail | None = None
        self._before: Tail | None = None
        """Where the latest group began."""
        self._newest_before = 0
        self._forgotten = 0
        """Up to where the system was told that it need not keep the last file in memory."""
        self._descriptor = -1
        self._newest = 0

    def path(self, number: int) -> Path:
        return self.folder / f"{number:08}.segments"

    def numbers(self) -> list[int]:
        """Files that are there, whether they count or not."""
        return sorted(int(path.stem) for path in self.folder.glob("*.segments") if path.stem.isdecimal())

    def size_bytes(self, number: int) -> int:
        """Length of a file; 0 if it is missing."""
        try:
            return self.path(number).stat().st_size
        except FileNotFoundError:
            return 0

    def go_on(self, tail: Tail | None, newest: int) -> None:
        """Take up the work behind `tail`, cutting off what a crash left there; `newest` is the highest number ever in use."""
        self._newest = newest
        if tail is not None:
            self._descriptor = os.open(self.path(tail.number), os.O_WRONLY | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, tail.end)
            self._tail = Tail(tail.number, tail.end)

    @property
    def tail(self) -> Tail | None:
        return self._tail

    def read(self, number: int, offset: int, size_bytes: int) -> bytes:
        """What is there; shorter where the file ends. Raises `OSError`."""
        descriptor = os.open(self.path(number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size_bytes, offset)
        finally:
            os.close(descriptor)

    @contextmanager
    def reading(self, number: int) -> Iterator[int]:
        """A descriptor for reads of exactly what is asked for: the system reads nothing ahead. Raises `OSError`."""
        descriptor = os.open(self.path(number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            yield descriptor
        finally:
            os.close(descriptor)

    def mend(self, number: int, offset: int, header: bytes) -> None:
        """Write a damaged header again, durably: it says only what is known. Raises `OSError`."""
        descriptor = os.open(self.path(number), os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write_all(descriptor, [header], offset)
            sync_data(descriptor)
        finally:
            os.close(descriptor)

    def append(self, segments: Sequence[SegmentWrite]) -> Appended:
        """Write records at the end, beginning new files where they are full, and wait until they are durable.

        Raises `OSError`; after one for lack of room everything is as it was before.
        """
        self._before = None if self._tail is None else Tail(self._tail.number, self._tail.end)
        self._newest_before = self._newest
        appended = Appended()
        try:
            for batch in self._batches(segments):
                self._write(batch, appended)
        except OSError as error:
            if is_lack_of_room(error):
                self.take_back()
            raise
        self._sync()
        return appended

    def _batches(self, segments: Sequence[SegmentWrite]) -> Iterator[list[SegmentWrite]]:
        """Segments that go into one file and one system call."""
        batch: list[SegmentWrite] = []
        end = FILE_HEADER.size if self._tail is None else self._tail.end
        for segment in segments:
            size_bytes = record_bytes_of(segment)
            if batch and (end + size_bytes > self._size_bytes_max or 2 * len(batch) >= VECTORS_MAX):
                yield batch
                batch, end = [], FILE_HEADER.size if self._tail is None else self._tail.end
            batch.append(segment)
            end += size_bytes
        if batch:
            yield batch

    def _write(self, batch: Sequence[SegmentWrite], appended: Appended) -> None:
        tail = self._tail
        if tail is None or tail.end + record_bytes_of(batch[0]) > self._size_bytes_max or self._is_unlinked():
            tail = self._begin_file()
        buffers, end = [], tail.end
        for segment in batch:
            place = Place(tail.number, end, len(segment.siblings), memoryview(segment.data).nbytes)
            buffers += [_record_head(segment, place), segment.data]
            appended.places.append(place)
            end = place.end
        _write_all(self._descriptor, buffers, tail.end)
        tail.end = appended.ends[tail.number] = end

    def _is_unlinked(self) -> bool:
        """Whether somebody deleted the last file: what is added to it would be gone with the process."""
        return os.fstat(self._descriptor).st_nlink == 0

    def _begin_file(self) -> Tail:
        """Seal the file that is full and open the next; its name is durable before anything refers to it."""
        self._sync(keep_bytes=0)
        self._close()
        number = self._newest + 1
        self._descriptor = os.open(self.path(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        self._newest = number
        self._tail = Tail(number, FILE_HEADER.size)
        _write_all(self._descriptor, [FILE_HEADER.pack(FILE_MAGIC, FILE_VERSION, number)], 0)
        if self._durable:
            sync_folder(self.folder)
        return self._tail

    def seal(self) -> int | None:
        """Append no more to the last file; its number, if there was one. Raises `OSError`."""
        tail = self._tail
        self._sync(keep_bytes=0)
        self._close()
        return None if tail is None else tail.number

    def take_back(self) -> None:
        """Give back the space of the latest group, which nothing may refer to. Raises `OSError`."""
        self._close()
        for number in range(self._newest_before + 1, self._newest + 1):
            self.path(number).unlink(missing_ok=True)
        self.go_on(self._before, self._newest)

    def _sync(self, keep_bytes: int = CACHED_BYTES) -> None:
        """Wait until all of the last file is durable; the system may forget all but its end."""
        if self._durable and self._tail is not None:
            sync_data(self._descriptor)
            begin, end = self._forgotten, self._tail.end - keep_bytes
            if end > begin:
                _forget(self._descriptor, begin, end - begin)
                self._forgotten = end

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._tail = None
        self._forgotten = 0

    def delete(self, numbers: Iterable[int]) -> None:
        """Give back the space of files of which nothing is needed. One that cannot be deleted now goes when the store is opened again."""
        for number in numbers:
            try:
                self.path(number).unlink(missing_ok=True)
            except OSError as error:
                log.warning("store_data_file_left", path=str(self.path(number)), cause=error.strerror)

    def close(self) -> None:
        self._close()


def record_bytes_of(segment: SegmentWrite) -> int:
    return RECORD_HEADER.size + HASH_BYTES * len(segment.siblings) + memoryview(segment.data).nbytes


def record_header(root: Hash32, index: int, padded_sectors: int, place: Place) -> bytes:
    """What a record begins with."""
    return RECORD_HEADER.pack(RECORD_MAGIC, place.siblings, 0, place.data_bytes, root, padded_sectors, index, 0)


def _record_head(segment: SegmentWrite, place: Place) -> bytes:
    return record_header(segment.root, segment.index, segment.padded_sectors, place) + b"".join(segment.siblings)


def _write_all(descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> None:
    """Write all of `buffers`, also where the system takes only a part at a time."""
    left: list[bytes | memoryview] = list(buffers)
    while left:
        written = os.pwritev(descriptor, left, offset)
        offset += written
        left = _behind(left, written)


def _behind(buffers: Sequence[bytes | memoryview], written: int) -> list[bytes | memoryview]:
    for number, buffer in enumerate(buffers):
        view = memoryview(buffer).cast("B")
        if written < view.nbytes:
            return [view[written:], *buffers[number + 1 :]]
        written -= view.nbytes
    return []


def _forget(descriptor: int, offset: int, size_bytes: int) -> None:
    """Let the system use the memory of what was written for other things: fresh memory for each page costs more than reading one again."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, size_bytes, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_lack_of_room(error: OSError) -> bool:
    """Whether a write failed because it would not fit: on the disk, in a quota, or in what a file or a process may take."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
