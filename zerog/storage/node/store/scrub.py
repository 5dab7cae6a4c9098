"""Reads what is stored in the order of the disk and holds each record against what it has to be, so that damage is found before it is met.

The medium is what is in question, so what is in the system's memory already is checked there and left there, and all else is read from the
disk and forgotten again: a pass through a terabyte pushes nothing out that others use.
"""

import errno
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from zerog._kernel import record_faults
from zerog.storage.node.store.catalogue import Catalogue
from zerog.storage.node.store.data_files import FILE_HEADER, FILE_MAGIC, FILE_VERSION, RECORD_HEADER, DataFiles, record_header
from zerog.storage.node.store.mending import Mender
from zerog.storage.node.store.segment_index import Record, SegmentIndex

__all__ = ["Checked", "ScrubProgress", "Scrubber", "Window"]

log = structlog.get_logger(__name__)

WINDOW_BYTES: Final = 4 << 20
"""Read and checked at a time."""
GAP_BYTES_MAX: Final = 64 << 10
"""Dead bytes between two records that are rather read than jumped over."""
RECORDS_MAX: Final = 1024
"""That are looked up at a time, and of one window."""
NOTE: Final = "scrubbing"
PAGE_BYTES: Final = 4096
DATA_DAMAGED: Final = "its bytes do not have its root"
PROOF_DAMAGED: Final = "its proof does not lead to the root"
HEADER_DAMAGED: Final = "its header is damaged"
READ_NOW: Final = getattr(os, "RWF_NOWAIT", None)
"""Reads only what needs no disk, where the system can say so."""

Lose = Callable[[Sequence[Record], str], int]
"""Holds records no longer, for a cause; how many of them still lay where they were found."""


class ScrubProgress(msgspec.Struct, kw_only=True):
    """How far a pass is, and what the passes before found. Kept in the catalogue; times are seconds since 1970."""

    data_file: int = 0
    """The file that is being read; 0 before the first."""
    offset: int = 0
    last_file: int = 0
    """Where the pass ends: files that came later have their turn in the next one."""
    began_s: float | None = None
    """When the pass began; `None` while there is none."""
    bytes_checked: int = 0
    """Of this pass, like the next three."""
    segments_checked: int = 0
    segments_damaged: int = 0
    records_mended: int = 0
    passes: int = 0
    """That came to their end."""
    ended_s: float | None = None
    """When the latest of them did, and what it was."""
    ended_began_s: float | None = None
    ended_bytes: int = 0
    ended_damaged: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring records of one data file."""

    data_file: int
    records: Sequence[Record]
    is_first: bool
    """Whether the file begins with them."""

    @property
    def begin(self) -> int:
        return self.records[0].located.place.offset

    @property
    def size_bytes(self) -> int:
        return self.records[-1].located.place.end - self.begin


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a window."""

    size_bytes: int
    segments: int
    damaged: int
    """Segments that are held no longer."""
    mended: int
    """Headers and proofs that were written again: everything in them is known."""


class Scrubber:
    """One pass at a time; its windows may be checked by several threads at once. All methods block, for threads."""

    def __init__(self, catalogue: Catalogue, files: DataFiles, index: SegmentIndex, mender: Mender, lose: Lose) -> None:
        self._catalogue = catalogue
        self._files = files
        self._index = index
        self._mender = mender
        self._lose = lose
        self._lock = threading.Lock()
        self._ahead: Sequence[Record] = ()
        """What was looked up of the file that is being read; one that is moved or dropped meanwhile is no damage."""
        self._open: dict[int, Window] = {}
        """Windows that were given and have not been checked, by their identity."""
        with catalogue.reading() as connection:
            found = connection.execute("SELECT value FROM notes WHERE name = ?", (NOTE,)).fetchone()
        self.progress = ScrubProgress() if found is None else msgspec.json.decode(found[0], type=ScrubProgress)

    @property
    def is_under_way(self) -> bool:
        """Whether a pass has begun and not ended, also before the latest start of the program."""
        return self.progress.began_s is not None

    def begin(self, now_s: float) -> None:
        """Begin a pass from the first file on, and note it. Raises `StoreFailedError`."""
        with self._lock:
            before = self.progress
            self._open.clear()
            self._ahead = ()
            self.progress = ScrubProgress(
                last_file=max(self._index.data_files(), default=0),
                began_s=now_s,
                passes=before.passes,
                ended_s=before.ended_s,
                ended_began_s=before.ended_began_s,
                ended_bytes=before.ended_bytes,
                ended_damaged=before.ended_damaged,
            )
        self.note()

    def end(self, now_s: float) -> bool:
        """Note what a pass found of which nothing is left; a new one may have begun behind its last window. Raises `StoreFailedError`."""
        with self._lock:
            if self._looks_on():
                return False
            pass_ = self.progress
            self.progress = ScrubProgress(
                passes=pass_.passes + 1,
                ended_s=now_s,
                ended_began_s=pass_.began_s,
                ended_bytes=pass_.bytes_checked,
                ended_damaged=pass_.segments_damaged,
            )
        self.note()
        return True

    def note(self) -> None:
        """Keep how far the pass is, from where the next start goes on. Raises `StoreFailedError`."""
        with self._lock:
            oldest = min(self._open.values(), key=lambda window: (window.data_file, window.begin), default=None)
            noted = self.progress
            if oldest is not None:
                noted = msgspec.structs.replace(noted, data_file=oldest.data_file, offset=oldest.begin)
        with self._catalogue.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (NOTE, msgspec.json.encode(noted)))

    def size_bytes(self) -> int:
        """Bytes in the files that the pass goes through."""
        return sum(end for number, end in self._index.data_files().items() if number <= self.progress.last_file)

    def next_window(self) -> Window | None:
        """The records that are to be checked next; `None` at the end of the pass."""
        with self._lock:
            window = self._find_window()
            if window is not None:
                self.progress.data_file = window.data_file
                self.progress.offset = window.begin + window.size_bytes
                self._open[id(window)] = window
            return window

    def _find_window(self) -> Window | None:
        if not self._looks_on():
            return None
        records = _neighbours(self._ahead)
        self._ahead = self._ahead[len(records) :]
        place = records[0].located.place
        is_first = place.data_file != self.progress.data_file or self.progress.offset <= FILE_HEADER.size
        return Window(place.data_file, records, is_first)

    def _looks_on(self) -> bool:
        """Whether anything is left of the pass."""
        if not self._ahead:
            self._look_ahead()
        return bool(self._ahead)

    def _look_ahead(self) -> None:
        """Look up what lies behind the latest window, in its file or in the next that has anything."""
        number, offset = self.progress.data_file, self.progress.offset
        self._ahead = self._index.records_in(number, offset, RECORDS_MAX) if number else ()
        for later in sorted(self._index.data_files()) if not self._ahead else ():
            if number < later <= self.progress.last_file:
                self._ahead = self._index.records_in(later, 0, RECORDS_MAX)
                if self._ahead:
                    return

    def check(self, window: Window, buffer: memoryview) -> Checked:
        """Hold the records of a window against what they have to be; `buffer`, of `WINDOW_BYTES`, is overwritten.

        Damaged segments are held no longer when this returns.
        """
        content = self._read(window, buffer)
        suspects = window.records if content is None else _suspects(window, content)
        lost: dict[str, list[Record]] = {}
        mended = self._mend_file_header(window.data_file) if window.is_first else 0
        for record in suspects:
            # What was read once may have been spoilt on the way; only what is wrong on the disk counts.
            verdict = self._verdict(record)
            if verdict == HEADER_DAMAGED:
                mended += self._mender.header(record)
            elif verdict == PROOF_DAMAGED and self._mender.proof(record):
                mended += 1
            elif verdict is not None:
                lost.setdefault(verdict, []).append(record)
        checked = Checked(window.size_bytes, len(window.records), sum(self._lose(found, cause) for cause, found in lost.items()), mended)
        self._take_note(window, checked)
        return checked

    def _take_note(self, window: Window, checked: Checked) -> None:
        with self._lock:
            if self._open.pop(id(window), None) is not None:
                self.progress.bytes_checked += checked.size_bytes
                self.progress.segments_checked += checked.segments
                self.progress.segments_damaged += checked.damaged
                self.progress.records_mended += checked.mended

    def _read(self, window: Window, buffer: memoryview) -> memoryview | None:
        """What is there of a window, shorter where the file ends; `None` where the disk does not give it."""
        content = buffer[: window.size_bytes]
        try:
            with self._files.reading(window.data_file) as descriptor:
                return content[: _read_through(descriptor, content, window.begin)]
        except OSError as error:
            log.warning("scrub_unreadable", path=str(self._files.path(window.data_file)), offset=window.begin, cause=error.strerror)
            return None

    def _verdict(self, record: Record) -> str | None:
        """What is wrong with one record as it is on the disk; `None` if nothing is."""
        place = record.located.place
        raw = memoryview(bytearray(place.record_bytes))
        try:
            with self._files.reading(place.data_file) as descriptor:
                _forget(descriptor, place.offset, place.record_bytes)
                filled = _read_through(descriptor, raw, place.offset)
        except OSError as error:
            return error.strerror or str(error)
        if filled < place.record_bytes:
            return "its file ends before it"
        for _, part in record_faults(raw, [_entry(record, place.offset)]):
            return DATA_DAMAGED if part == "data" else PROOF_DAMAGED
        return None if raw[: RECORD_HEADER.size] == _header_of(record) else HEADER_DAMAGED

    def _mend_file_header(self, number: int) -> int:
        """Write the beginning of a data file again if it is damaged; whether it was."""
        right = FILE_HEADER.pack(FILE_MAGIC, FILE_VERSION, number)
        try:
            is_right = self._files.read(number, 0, len(right)) == right
        except OSError:
            is_right = False
        return 0 if is_right else int(self._mender.write(number, 0, right))


def _neighbours(records: Sequence[Record]) -> Sequence[Record]:
    """The first of `records`, as many as lie close to each other and go into a window."""
    begin = end = records[0].located.place.offset
    for count, record in enumerate(records):
        place = record.located.place
        if place.end - begin > WINDOW_BYTES or place.offset - end > GAP_BYTES_MAX:
            return records[:count]
        end = place.end
    return records


def _suspects(window: Window, content: memoryview) -> list[Record]:
    """Records in which something is wrong as they were read."""
    wrong = {place for place, _ in record_faults(content, [_entry(record, window.begin) for record in window.records])}
    for place, record in enumerate(window.records):
        offset = record.located.place.offset - window.begin
        if content[offset : offset + RECORD_HEADER.size] != _header_of(record):
            wrong.add(place)
    return [window.records[place] for place in sorted(wrong)]


def _entry(record: Record, begin: int) -> tuple[bytes, bytes, int, int, int, int, int]:
    """A record as the kernel takes it, in a buffer that begins at `begin` of the data file."""
    located = record.located
    place = located.place
    offset = place.siblings_offset - begin
    return record.root, located.segment_root, located.padded_sectors, record.index, offset, place.siblings, place.data_bytes


def _header_of(record: Record) -> bytes:
    return record_header(record.root, record.index, record.located.padded_sectors, record.located.place)


def _read_through(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill `buffer` and return how far the file went, leaving the system's memory as it was. Raises `OSError`."""
    kept = _read_cached(descriptor, buffer, offset)
    filled = kept
    while filled < len(buffer):
        count = os.preadv(descriptor, [buffer[filled:]], offset + filled)
        if not count:
            break
        filled += count
    _forget(descriptor, offset + kept, filled - kept)
    return filled


def _read_cached(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill the beginning of `buffer`, as far as it is in the system's memory."""
    if READ_NOW is None:
        return 0
    try:
        return os.preadv(descriptor, [buffer], offset, READ_NOW)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            return 0  # This file system cannot say what is in memory.
        raise


def _forget(descriptor: int, offset: int, size_bytes: int) -> None:
    """Nobody else asked for these pages. Only whole ones go, so a page that two reads share goes with the second of them."""
    if size_bytes and hasattr(os, "posix_fadvise"):
        begin = offset - offset % PAGE_BYTES
        os.posix_fadvise(descriptor, begin, offset + size_bytes - begin, os.POSIX_FADV_DONTNEED)
