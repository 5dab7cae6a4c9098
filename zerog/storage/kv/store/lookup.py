"""Answers from the catalogue: values of keys as of any version, the keys of a stream in their order, streams and items."""

from collections.abc import Iterable
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.kv.records import Found, ItemRecord, Place, Progress, StreamRecord, StreamSubmission
from zerog.storage.kv.store.catalogue import Catalogue
from zerog.storage.kv.store.journal import SUBMISSION_COLUMNS, fact, submission_of
from zerog.storage.kv.store.streams import StreamNumbers
from zerog.storage.protocol.streams import Key

__all__ = ["LATEST", "Lookup"]

LATEST: Final = (1 << 63) - 1
LISTED_KEY_BYTES_MAX: Final = 1 << 20
"""Keys of one page take up no more than this together, but for the last."""

VALUE: Final = """
SELECT versions.seq, size, start, file, offset, item_bytes FROM versions
LEFT JOIN items ON items.seq = versions.seq LEFT JOIN data ON data.id = items.data
WHERE versions.stream = ? AND key = ? AND versions.seq <= ? ORDER BY versions.seq DESC LIMIT 1
"""
PLACE: Final = "SELECT file, offset, item_bytes FROM items JOIN data ON data.id = items.data WHERE seq = ?"
MISSING: Final = """
SELECT items.root, items.size_bytes FROM items LEFT JOIN data ON data.id = items.data WHERE seq = ? AND data.id IS NULL
"""
UPWARD: Final = """
WITH RECURSIVE keys (key) AS (
    SELECT min(key) FROM versions WHERE stream = ?1 AND key {first} ?2
    UNION ALL
    SELECT (SELECT min(key) FROM versions WHERE stream = ?1 AND key > keys.key) FROM keys WHERE keys.key IS NOT NULL
)
SELECT keys.key, versions.seq, versions.size, versions.start FROM keys CROSS JOIN versions
WHERE versions.stream = ?1 AND versions.key = keys.key
    AND versions.seq = (SELECT max(seq) FROM versions WHERE stream = ?1 AND key = keys.key AND seq <= ?3)
    AND versions.size > 0
LIMIT ?4
"""
"""Steps from key to key, whatever the number of their versions, and over those that were deleted or come later."""
DOWNWARD: Final = UPWARD.replace("min(key)", "max(key)").replace("key > keys.key", "key < keys.key")
DOWNWARD_FROM_LAST: Final = DOWNWARD.replace("AND key {first} ?2", "AND ?2 IS NULL")


class Lookup:
    """Reads; each is one picture of the catalogue, or a few."""

    def __init__(self, catalogue: Catalogue, numbers: StreamNumbers) -> None:
        self._catalogue = catalogue
        self._numbers = numbers

    def value(self, stream: bytes, key: Key, version: int) -> Found | None:
        with self._catalogue.reading() as connection:
            number = self._numbers.find(connection, stream)
            if number is None:
                return None
            row = connection.execute(VALUE, (number, key, version)).fetchone()
        if row is None:
            return None
        seq, size, start, file, offset, item_bytes = row
        return Found(key, seq, size, start, None if file is None else Place(file, offset, item_bytes))

    def place(self, seq: int) -> Place | None:
        """Where an item's data is; `None` if it is not here."""
        with self._catalogue.reading() as connection:
            row = connection.execute(PLACE, (seq,)).fetchone()
        return None if row is None else Place(*row)

    def missing(self, seqs: Iterable[int]) -> dict[int, tuple[Hash32, bytes]]:
        """Those of some submissions whose data is not here: root, and size in the form of the catalogue."""
        found: dict[int, tuple[Hash32, bytes]] = {}
        with self._catalogue.reading() as connection:
            for seq in seqs:
                row = connection.execute(MISSING, (seq,)).fetchone() if 0 <= seq <= LATEST else None
                if row is not None:
                    found[seq] = Hash32(row[0]), row[1]
        return found

    def upward(self, stream: bytes, key: Key, version: int, count: int, *, inclusive: bool) -> list[Found]:
        """Keys with a value, ascending from `key` on."""
        return self._walk(UPWARD.format(first=">=" if inclusive else ">"), stream, key, version, count)

    def downward(self, stream: bytes, key: Key | None, version: int, count: int, *, inclusive: bool) -> list[Found]:
        """Keys with a value, descending from `key`, or from the last one, on."""
        query = DOWNWARD_FROM_LAST if key is None else DOWNWARD.format(first="<=" if inclusive else "<")
        return self._walk(query, stream, key, version, count)

    def _walk(self, query: str, stream: bytes, key: Key | None, version: int, count: int) -> list[Found]:
        found: list[Found] = []
        key_bytes = 0
        with self._catalogue.reading() as connection:
            number = self._numbers.find(connection, stream)
            if number is None:
                return []
            cursor = connection.execute(query, (number, key, version, count))
            try:
                for row in cursor:
                    found.append(Found(*row))
                    key_bytes += len(row[0])
                    if key_bytes >= LISTED_KEY_BYTES_MAX:
                        break
            finally:
                cursor.close()
        return found

    def result(self, seq: int) -> str | None:
        with self._catalogue.reading() as connection:
            row = connection.execute("SELECT result FROM items WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else row[0]

    def submission(self, seq: int) -> StreamSubmission | None:
        with self._catalogue.reading() as connection:
            row = connection.execute(f"SELECT {SUBMISSION_COLUMNS} FROM items WHERE seq = ?", (seq,)).fetchone()  # noqa: S608 - our own names.
        return None if row is None else submission_of(row)

    def items(self, first_seq: int, count: int) -> list[ItemRecord]:
        query = f"SELECT {SUBMISSION_COLUMNS}, state, data, result FROM items WHERE seq >= ? ORDER BY seq LIMIT ?"  # noqa: S608 - our own names.
        with self._catalogue.reading() as connection:
            rows = connection.execute(query, (first_seq, count)).fetchall()
        return [
            ItemRecord(submission=submission_of(row[:-3]), is_followed=row[-3] > 0, is_held=row[-2] is not None, result=row[-1])
            for row in rows
        ]

    def wanted(self, first_seq: int, count: int) -> list[StreamSubmission]:
        query = (
            f"SELECT {SUBMISSION_COLUMNS} FROM items INDEXED BY items_wanted"  # noqa: S608 - our own names.
            " WHERE data IS NULL AND state IN (1, 2) AND seq >= ? ORDER BY seq LIMIT ?"
        )
        with self._catalogue.reading() as connection:
            return [submission_of(row) for row in connection.execute(query, (first_seq, count))]

    def progress(self) -> Progress:
        with self._catalogue.reading() as connection:
            (waiting,) = connection.execute("SELECT min(seq) FROM items WHERE state = 1").fetchone()
            (first,) = connection.execute("SELECT min(seq) FROM items WHERE state > 0").fetchone()
            return Progress(
                applied_seq=fact(connection, "next_seq") if waiting is None else waiting,
                first_seq=first,
                waiting_items=fact(connection, "waiting"),
                settled_items=fact(connection, "settled"),
            )

    def streams(self, after: bytes, count: int, *, all_of_them: bool) -> list[StreamRecord]:
        """Streams that are followed, ascending behind `after`."""
        query = (
            "SELECT stream, (SELECT min(seq) FROM tagged WHERE stream = streams.id),"
            " (SELECT max(seq) FROM tagged WHERE stream = streams.id), EXISTS (SELECT 1 FROM queue WHERE stream = streams.id)"
            " FROM streams WHERE stream > ? AND (followed OR ?) ORDER BY stream LIMIT ?"
        )
        with self._catalogue.reading() as connection:
            rows = connection.execute(query, (after, all_of_them, count)).fetchall()
        return [
            StreamRecord(stream=Hash32(stream), first_seq=first, last_seq=last, is_parked=bool(parked))
            for stream, first, last, parked in rows
        ]

    def sizes(self) -> dict[str, int]:
        """Counters for operators."""
        with self._catalogue.reading() as connection:
            [streams] = connection.execute("SELECT count(*) FROM streams").fetchone()
            return {
                "streams": streams,
                "waiting_items": fact(connection, "waiting"),
                "settled_items": fact(connection, "settled"),
                "next_seq": fact(connection, "next_seq"),
            }
