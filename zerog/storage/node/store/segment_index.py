"""Which segments are held and where they lie: tables of the catalogue, with the bitmaps of the files in use kept in memory."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.store.catalogue import Catalogue
from zerog.storage.node.store.damage import DamageLog
from zerog.storage.node.store.data_files import Appended, Place, Tail
from zerog.storage.node.store.errors import StoreFailedError, StoreFullError
from zerog.storage.node.store.held import Held
from zerog.storage.node.store.records import SegmentWrite

__all__ = ["Located", "Record", "SegmentIndex"]

CACHED_FILES_MAX: Final = 16_384
CACHED_CHUNKS_MAX: Final = 16_384
"""At most 8 MiB of bitmaps."""
DROPPED_AT_ONCE: Final = 4_096
"""Rows that one transaction deletes, so that uploads get their turn between."""
FILES_AT_ONCE: Final = 1_024
"""Dropped files whose rows one transaction deletes."""
ROWS_AT_ONCE: Final = (512, 64, 8, 1)
"""Rows of one statement; SQLite takes 32,766 values."""
COUNT_KNOWN: Final = "SELECT count(*) FROM files WHERE root IN (ROWS)"
INSERT_FILES: Final = (
    "INSERT INTO files (root, padded_sectors, held) VALUES ROWS ON CONFLICT (root) DO UPDATE SET held = held + excluded.held"
)
INSERT_SEGMENTS: Final = (
    "INSERT INTO segments SELECT id, column2, column3, column4, column5, column6, column7"
    " FROM (VALUES ROWS) CROSS JOIN files ON root = column1"
)
INDEX_MAX: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Located:
    """Where a segment lies, and what it has to be."""

    place: Place
    segment_root: Hash32
    padded_sectors: int


@dataclass(frozen=True, slots=True)
class Record:
    """A segment by its place."""

    root: Hash32
    index: int
    located: Located


class SegmentIndex:
    """Queries from any thread; changes come from the store, each a transaction."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._cache: OrderedDict[Hash32, Held] = OrderedDict()
        self._chunks = 0
        self._generation = 0
        self.damage = DamageLog(catalogue)
        """Segments that were held and are damaged."""

    # --- queries

    def held(self, root: Hash32) -> Held:
        """The segments of a file; empty if there are none."""
        with self._lock:
            if (known := self._cache.get(root)) is not None:
                self._cache.move_to_end(root)
                return known
            generation = self._generation
        held = self._load(root)
        with self._lock:
            # What was committed meanwhile is in the tables, and may be missing in what was read before.
            if generation == self._generation:
                self._remember(root, held)
        return held

    def held_count(self, root: Hash32) -> int:
        """How many segments of a file are held."""
        with self._lock:
            if (known := self._cache.get(root)) is not None:
                return len(known)
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT held FROM files WHERE root = ?", (root,)).fetchone()
        return 0 if found is None else int(found[0])

    def locate(self, root: Hash32, index: int) -> Located | None:
        """Where a segment is to be read."""
        if not 0 <= index < INDEX_MAX:
            return None
        with self._catalogue.reading() as connection:
            found = connection.execute(
                "SELECT data_file, offset, siblings, data_bytes, segment_root, padded_sectors FROM files JOIN segments ON file = id"
                " WHERE root = ? AND place = ?",
                (root, index),
            ).fetchone()
        if found is None:
            return None
        return Located(Place(*found[:4]), Hash32(found[4]), found[5])

    def segment_roots(self, root: Hash32) -> list[Hash32] | None:
        """Roots of the segments of a file, if they are held from the first on without a gap."""
        with self._catalogue.reading() as connection:
            query = "SELECT place, segment_root FROM segments WHERE file = (SELECT id FROM files WHERE root = ?) ORDER BY place"
            found = connection.execute(query, (root,)).fetchall()
        if [place for place, _ in found] != list(range(len(found))):
            return None
        return [Hash32(segment_root) for _, segment_root in found]

    def orphans(self, count: int) -> list[Hash32]:
        """At most `count` roots of files of which there is no submission."""
        query = "SELECT root FROM files WHERE NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.root = files.root) LIMIT ?"
        with self._catalogue.reading() as connection:
            return [Hash32(root) for (root,) in connection.execute(query, (count,))]

    def statistics(self) -> dict[str, int]:
        """Sums that are kept or small."""
        with self._catalogue.reading() as connection:
            counters = dict(connection.execute("SELECT name, value FROM counters"))
            sums = connection.execute("SELECT count(*), total(end), total(live_bytes) FROM data_files").fetchone()
        data_files, end, live_bytes = map(int, sums)
        data = {"data_files": data_files, "data_file_bytes": end, "dead_bytes": end - live_bytes}
        return counters | data | {"damaged_segments": len(self.damage)}

    def _load(self, root: Hash32) -> Held:
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT id, held FROM files WHERE root = ?", (root,)).fetchone()
            if found is None or not found[1]:
                return Held()
            file, count = found
            (last,) = connection.execute("SELECT max(place) FROM segments WHERE file = ?", (file,)).fetchone()
            if last == count - 1:
                return Held.first(count)  # Whole files, which most are, need no look at every row.
            return Held(place for (place,) in connection.execute("SELECT place FROM segments WHERE file = ?", (file,)))

    def _remember(self, root: Hash32, held: Held) -> None:
        self._cache[root] = held
        self._chunks += held.chunk_count
        while len(self._cache) > CACHED_FILES_MAX or (self._chunks > CACHED_CHUNKS_MAX and len(self._cache) > 1):
            _, forgotten = self._cache.popitem(last=False)
            self._chunks -= forgotten.chunk_count

    # --- changes

    def add(self, segments: Sequence[SegmentWrite], appended: Appended) -> None:
        """Make appended segments held, all at once and durably. Raises `StoreFailedError`."""
        by_root: dict[Hash32, list[tuple[SegmentWrite, Place]]] = {}
        for segment, place in zip(segments, appended.places, strict=True):
            by_root.setdefault(segment.root, []).append((segment, place))
        with self._catalogue.transaction() as connection:
            new_files = _insert(connection, by_root)
            _grow(connection, appended)
            _count(connection, "files", new_files)
            _count(connection, "segments", len(segments))
            mended = self.damage.mend(connection, [(segment.root, segment.index) for segment in segments])
            _count(connection, "repaired_segments", mended)
        self.damage.committed(-mended)
        with self._lock:
            self._generation += 1
            for root, added in by_root.items():
                if (known := self._cache.get(root)) is not None:
                    self._chunks -= known.chunk_count
                    for segment, _ in added:
                        known.add(segment.index)
                    self._chunks += known.chunk_count

    def move(self, segments: Sequence[SegmentWrite], places: Sequence[Place], appended: Appended) -> None:
        """Note that segments lie elsewhere from now on; one that does not lie at its old place any more is left alone.

        Raises `StoreFailedError`.
        """
        dead: list[tuple[int, int, int]] = []
        with self._catalogue.transaction() as connection:
            _grow(connection, appended)
            for segment, old, new in zip(segments, places, appended.places, strict=True):
                moved = connection.execute(
                    "UPDATE segments SET data_file = ?, offset = ? WHERE file = (SELECT id FROM files WHERE root = ?) AND place = ?"
                    " AND data_file = ? AND offset = ?",
                    (new.data_file, new.offset, segment.root, segment.index, old.data_file, old.offset),
                ).rowcount
                dead.append((1, new.record_bytes, old.data_file if moved else new.data_file))
            _shrink(connection, dead)
            _count(connection, "moved_segments", len(segments))
            _count(connection, "moved_bytes", sum(place.record_bytes for place in appended.places))

    def write_nothing(self) -> None:
        """Commit a transaction that changes nothing of note: it takes the place of what a failed one may have left in the log of writes."""
        with self._catalogue.transaction() as connection:
            connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'empty_commits'")

    def discard(self, records: Sequence[Record]) -> list[Record]:
        """Hold damaged segments no longer; those of them that still lay where they were found. Raises `StoreFailedError`."""
        try:
            gone, noted = self._delete(records)
        except StoreFullError:
            raise
        except StoreFailedError:
            self._hide_all(records)  # Nothing is written any more, so the rows come back when the store is opened again.
            raise
        self.damage.committed(noted)
        self._hide_all(gone)
        return gone

    def _hide_all(self, records: Sequence[Record]) -> None:
        by_root: dict[Hash32, list[int]] = {}
        for record in records:
            by_root.setdefault(record.root, []).append(record.index)
        for root, indexes in by_root.items():
            self.hide(root, indexes)

    def _delete(self, records: Sequence[Record]) -> tuple[list[Record], int]:
        with self._catalogue.transaction() as connection:
            gone = [record for record in records if _delete_row(connection, record)]
            _bury(connection, [record.located.place for record in gone], why="corrupt_segments")
            _count(connection, "segments", -len(gone))
            noted = self.damage.note(connection, [(record.root, record.index) for record in gone])
        return gone, noted

    def hide(self, root: Hash32, indexes: Iterable[int]) -> None:
        """What is in mind of a file follows what was committed: these segments are held no longer."""
        with self._lock:
            self._generation += 1
            if (known := self._cache.get(root)) is not None:
                self._chunks -= known.chunk_count
                for index in indexes:
                    known.discard(index)
                self._chunks += known.chunk_count

    def drop_places(self, connection: sqlite3.Connection, file: int, places: Sequence[int]) -> None:
        """Hold some segments of a file no longer. When this is committed, `hide` them."""
        gone: list[Place] = []
        for part in _portions([(place,) for place in places]):
            rows = connection.execute(
                _query("DELETE FROM segments WHERE file = ? AND place IN (ROWS) RETURNING data_file, offset, siblings, data_bytes", part),
                (file, *_values(part)),
            )
            gone += (Place(*row) for row in rows.fetchall())
        _bury(connection, gone)
        _count(connection, "segments", -len(gone))
        (held,) = connection.execute("UPDATE files SET held = held - ? WHERE id = ? RETURNING held", (len(gone), file)).fetchone()
        if not held:
            connection.execute("DELETE FROM files WHERE id = ?", (file,))
            _count(connection, "files", -1)

    def drop(self, connection: sqlite3.Connection, root: Hash32) -> None:
        """Hold nothing of a file any longer; its rows go in `sweep`. When this is committed, `forget` it."""
        found = connection.execute("DELETE FROM files WHERE root = ? RETURNING id, held", (root,)).fetchone()
        if found is not None:
            connection.execute("INSERT INTO dropped_files VALUES (?)", found[:1])
            _count(connection, "files", -1)
            _count(connection, "segments", -found[1])
        self.damage.drop(connection, root)

    def forget(self, root: Hash32) -> None:
        """What was in mind of a file that was dropped."""
        with self._lock:
            self._generation += 1
            if (known := self._cache.pop(root, None)) is not None:
                self._chunks -= known.chunk_count
        self.damage.count_again()

    def sweep(self) -> bool:
        """Delete some rows of dropped files, in one short transaction; whether there may be more. Raises `StoreFailedError`."""
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT file FROM dropped_files LIMIT ?", (FILES_AT_ONCE,)).fetchall()
        if not found:
            return False
        gone: list[Place] = []
        with self._catalogue.transaction() as connection:
            for (file,) in found:
                left = DROPPED_AT_ONCE - len(gone)
                if not left:
                    break
                rows = connection.execute(
                    "DELETE FROM segments WHERE file = ? AND place IN (SELECT place FROM segments WHERE file = ? LIMIT ?)"
                    " RETURNING data_file, offset, siblings, data_bytes",
                    (file, file, left),
                ).fetchall()
                gone += (Place(*row) for row in rows)
                if len(rows) < left:
                    connection.execute("DELETE FROM dropped_files WHERE file = ?", (file,))
            _bury(connection, gone)
        return True

    # --- data files

    def data_files(self) -> Mapping[int, int]:
        """End of each data file."""
        with self._catalogue.reading() as connection:
            return dict(connection.execute("SELECT id, end FROM data_files").fetchall())

    def tail(self) -> Tail | None:
        """The data file that is not sealed."""
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT id, end FROM data_files WHERE sealed = 0 ORDER BY id DESC LIMIT 1").fetchone()
        return None if found is None else Tail(*found)

    def seal(self, number: int) -> None:
        """Append no more to a data file. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            connection.execute("UPDATE data_files SET sealed = 1 WHERE id = ?", (number,))

    def sparse(self, dead_share: float) -> int | None:
        """The full data file with the largest dead share, if that is at least `dead_share` of it."""
        with self._catalogue.reading() as connection:
            found = connection.execute(
                "SELECT id FROM data_files WHERE sealed = 1 AND live_segments > 0 AND end - live_bytes >= ? * end"
                " ORDER BY live_bytes * 1.0 / end LIMIT 1",
                (dead_share,),
            ).fetchone()
        return None if found is None else int(found[0])

    def dead_bytes_of_tail(self) -> tuple[int, int]:
        """Of the data file that is not full: its dead bytes, and all."""
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT end - live_bytes, end FROM data_files WHERE sealed = 0 ORDER BY id DESC LIMIT 1").fetchone()
        return (0, 0) if found is None else (found[0], found[1])

    def records_in(self, number: int, offset: int, count: int) -> list[Record]:
        """At most `count` held segments of a data file from `offset` on, in their order there."""
        with self._catalogue.reading() as connection:
            rows = connection.execute(
                "SELECT root, place, data_file, offset, siblings, data_bytes, segment_root, padded_sectors"
                " FROM segments INDEXED BY segments_by_place CROSS JOIN files ON id = file"
                " WHERE data_file = ? AND offset >= ? ORDER BY offset LIMIT ?",
                (number, offset, count),
            ).fetchall()
        return [Record(Hash32(row[0]), row[1], Located(Place(*row[2:6]), Hash32(row[6]), row[7])) for row in rows]

    def forget_empty_data_files(self) -> dict[int, int]:
        """Sealed data files of which nothing is held, with their ends: they are known no longer. Raises `StoreFailedError`."""
        with self._catalogue.reading() as connection:
            if connection.execute("SELECT 1 FROM data_files WHERE sealed = 1 AND live_segments = 0 LIMIT 1").fetchone() is None:
                return {}
        with self._catalogue.transaction() as connection:
            gone = dict(connection.execute("DELETE FROM data_files WHERE sealed = 1 AND live_segments = 0 RETURNING id, end").fetchall())
            _count(connection, "given_back_bytes", sum(gone.values()))
        return gone


def _insert(connection: sqlite3.Connection, by_root: Mapping[Hash32, Sequence[tuple[SegmentWrite, Place]]]) -> int:
    """Note segments of files; how many of the files were unknown.

    In few statements with many rows each: every step of one lets go of the interpreter, and takes a while to have it again where others
    are busy.
    """
    known = 0
    for roots in _portions([(root,) for root in by_root]):
        known += connection.execute(_query(COUNT_KNOWN, roots), _values(roots)).fetchone()[0]
    for files in _portions([(root, added[0][0].padded_sectors, len(added)) for root, added in by_root.items()]):
        connection.execute(_query(INSERT_FILES, files), _values(files))
    for segments in _portions([_row(segment, place) for added in by_root.values() for segment, place in added]):
        connection.execute(_query(INSERT_SEGMENTS, segments), _values(segments))
    return len(by_root) - known


def _delete_row(connection: sqlite3.Connection, record: Record) -> bool:
    """Whether the row of a segment was there, with that place."""
    place = record.located.place
    found = connection.execute(
        "DELETE FROM segments WHERE file = (SELECT id FROM files WHERE root = ?) AND place = ? AND data_file = ? AND offset = ?"
        " RETURNING file",
        (record.root, record.index, place.data_file, place.offset),
    ).fetchone()
    if found is not None:
        connection.execute("UPDATE files SET held = held - 1 WHERE id = ?", found)
    return found is not None


def _row(segment: SegmentWrite, place: Place) -> tuple[object, ...]:
    return (segment.root, segment.index, place.data_file, place.offset, place.siblings, place.data_bytes, segment.segment_root)


def _portions(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """Rows in portions of few sizes, so that their statements are prepared once."""
    begin = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - begin >= size:
            yield rows[begin : begin + size]
            begin += size


def _query(query: str, rows: Sequence[tuple[object, ...]]) -> str:
    """A statement with a question mark for each value of `rows`."""
    return query.replace("ROWS", ", ".join([f"({', '.join('?' * len(rows[0]))})"] * len(rows)))


def _values(rows: Iterable[tuple[object, ...]]) -> tuple[object, ...]:
    return tuple(chain.from_iterable(rows))


def _grow(connection: sqlite3.Connection, appended: Appended) -> None:
    """Take note of the new ends; what is not the newest file is full."""
    live: dict[int, list[int]] = {number: [] for number in appended.ends}
    for place in appended.places:
        live[place.data_file].append(place.record_bytes)
    connection.executemany(
        "INSERT INTO data_files VALUES (?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE"
        " SET end = excluded.end, live_segments = live_segments + excluded.live_segments, live_bytes = live_bytes + excluded.live_bytes",
        [(number, end, len(live[number]), sum(live[number])) for number, end in appended.ends.items()],
    )
    connection.execute("UPDATE data_files SET sealed = 1 WHERE sealed = 0 AND id < ?", (max(appended.ends),))


def _shrink(connection: sqlite3.Connection, dead: Iterable[tuple[int, int, int]]) -> None:
    """Take segments, with their bytes, off data files: (segments, bytes, number of the file)."""
    connection.executemany("UPDATE data_files SET live_segments = live_segments - ?, live_bytes = live_bytes - ? WHERE id = ?", dead)


def _bury(connection: sqlite3.Connection, gone: Sequence[Place], *, why: str = "dropped_segments") -> None:
    """Take records that are held no longer off their data files, and count them."""
    dead: dict[int, list[int]] = {}
    for place in gone:
        dead.setdefault(place.data_file, []).append(place.record_bytes)
    _shrink(connection, [(len(sizes), sum(sizes), number) for number, sizes in dead.items()])
    _count(connection, why, len(gone))


def _count(connection: sqlite3.Connection, name: str, step: int) -> None:
    if step:
        connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (step, name))
