"""The log of the chain in the catalogue: submissions to streams, the blocks that were read, and what a reorganisation takes back."""

import heapq
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from zerog.primitives import Address, Hash32
from zerog.storage.following import BlockMark
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.store.catalogue import PENDING, SKIPPED, Catalogue
from zerog.storage.kv.store.streams import StreamNumbers

__all__ = ["SUBMISSION_COLUMNS", "Journal", "LogReader", "fact", "set_fact", "split", "submission_of", "wide"]

WIDE_BYTES: Final = 16
STREAM_BYTES: Final = 32
SUBMISSION_COLUMNS: Final = "seq, root, size_bytes, start_sector, sectors, streams, sender, transaction_hash, block_number"

Row = tuple[int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, int]


class Journal:
    """Changes of the log and of the set of streams that are followed. Each is done inside a transaction of the caller."""

    def __init__(self, numbers: StreamNumbers, marks_max: int) -> None:
        self._numbers = numbers
        self._marks_max = marks_max

    def record(
        self,
        connection: sqlite3.Connection,
        mark: BlockMark,
        next_seq: int,
        submissions: Sequence[StreamSubmission],
        followed: set[Hash32] | None,
    ) -> None:
        """Add what the log has up to `mark`; `followed` is the set of streams, `None` all. Raises `ValueError` where it does not follow."""
        before = fact(connection, "next_seq")
        seqs = [entry.seq for entry in submissions]
        if next_seq < before or seqs != sorted(set(seqs)) or any(not before <= seq < next_seq for seq in seqs):
            raise ValueError(f"submissions {seqs[:5]} up to {next_seq} do not follow on {before}")
        if any(entry.block_number > mark.number for entry in submissions):
            raise ValueError(f"a submission is of a block after {mark.number}")
        for entry in submissions:
            self._add(connection, entry, followed)
        connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (mark.number, mark.hash, next_seq))
        connection.execute(
            "DELETE FROM marks WHERE number <= (SELECT number FROM marks ORDER BY number DESC LIMIT 1 OFFSET ?)", (self._marks_max,)
        )
        set_fact(connection, "next_seq", next_seq)

    def _add(self, connection: sqlite3.Connection, entry: StreamSubmission, followed: set[Hash32] | None) -> None:
        is_followed = followed is None or followed.issuperset(entry.streams)
        row = (*_row(entry), PENDING if is_followed else SKIPPED, entry.root, wide(entry.size_bytes))
        connection.execute(
            f"INSERT INTO items ({SUBMISSION_COLUMNS}, state, data)"  # noqa: S608 - our own names.
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT id FROM data WHERE root = ? AND size_bytes = ?))",
            row,
        )
        tags = [(self._numbers.make(connection, stream), entry.seq) for stream in set(entry.streams)]
        connection.executemany("INSERT INTO tagged VALUES (?, ?)", tags)
        if is_followed:
            connection.executemany("INSERT INTO queue VALUES (?, ?)", tags)

    def unwind(self, connection: sqlite3.Connection, number: int) -> bool:
        """Forget what was read after the newest mark that is not above `number`, and all that came of it; whether anything is left."""
        found = connection.execute(
            "SELECT number, next_seq FROM marks WHERE number <= ? ORDER BY number DESC LIMIT 1", (number,)
        ).fetchone()
        last, next_seq = (-1, 0) if found is None else found
        for table in ("versions", "controls", "reads"):
            connection.execute(f"DELETE FROM {table} WHERE seq >= ?", (next_seq,))  # noqa: S608 - our own names.
        for seq, streams in connection.execute("SELECT seq, streams FROM items WHERE seq >= ?", (next_seq,)).fetchall():
            tags = [(self._numbers.make(connection, stream), seq) for stream in set(split(streams))]
            connection.executemany("DELETE FROM tagged WHERE stream = ? AND seq = ?", tags)
            connection.executemany("DELETE FROM queue WHERE stream = ? AND seq = ?", tags)
        connection.execute("DELETE FROM items WHERE seq >= ?", (next_seq,))
        connection.execute("DELETE FROM marks WHERE number > ?", (last,))
        connection.execute("UPDATE streams SET first_commit = NULL WHERE first_commit >= ?", (next_seq,))
        connection.execute("DELETE FROM streams WHERE followed = 0 AND NOT EXISTS (SELECT 1 FROM tagged WHERE stream = streams.id)")
        set_fact(connection, "next_seq", next_seq)
        return found is not None

    def follow(self, connection: sqlite3.Connection, stream: Hash32, followed: set[Hash32]) -> None:
        """Let a stream be followed from the beginning of the log on: what depends on it is judged anew."""
        number = self._numbers.make(connection, stream)
        connection.execute("UPDATE streams SET followed = 1 WHERE id = ?", (number,))
        woken = []
        for seq, streams in connection.execute(
            "SELECT items.seq, items.streams FROM tagged JOIN items ON items.seq = tagged.seq WHERE tagged.stream = ? AND state = 0",
            (number,),
        ).fetchall():
            if followed.issuperset(split(streams)):
                woken.append(seq)
        mismatched = [row[0] for row in connection.execute("SELECT seq FROM items WHERE unmonitored = ?", (stream,))]
        self._unsettle(connection, [*woken, *mismatched])

    def _unsettle(self, connection: sqlite3.Connection, seqs: Iterable[int]) -> None:
        """Let items wait again, and with them everything settled after them that may have depended on what they do."""
        heap = sorted(seqs)
        seen = set(heap)
        affected: set[bytes] = set()
        while heap:
            seq = heapq.heappop(heap)
            for stream in self._let_wait(connection, seq) - affected:
                affected.add(stream)
                for later in self._settled_after(connection, stream, seq):
                    if later not in seen:
                        seen.add(later)
                        heapq.heappush(heap, later)

    def _settled_after(self, connection: sqlite3.Connection, stream: Hash32, seq: int) -> list[int]:
        """Items behind `seq` that are settled and of the stream, or read it."""
        query = (
            "SELECT seq FROM tagged JOIN items USING (seq) WHERE tagged.stream = ?1 AND seq > ?2 AND state > 1"
            " UNION SELECT seq FROM reads JOIN items USING (seq) WHERE reads.stream = ?3 AND seq > ?2 AND state > 1"
        )
        return [row[0] for row in connection.execute(query, (self._numbers.make(connection, stream), seq, stream))]

    def _let_wait(self, connection: sqlite3.Connection, seq: int) -> set[Hash32]:
        """Take back what an item did; its streams."""
        for table in ("versions", "controls", "reads"):
            connection.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))  # noqa: S608 - our own names.
        (streams,) = connection.execute(
            "UPDATE items SET state = 1, result = NULL, unmonitored = NULL WHERE seq = ? RETURNING streams", (seq,)
        ).fetchone()
        ids = set(split(streams))
        tags = [(self._numbers.make(connection, stream), seq) for stream in ids]
        connection.executemany("INSERT OR IGNORE INTO queue VALUES (?, ?)", tags)
        connection.executemany("UPDATE streams SET first_commit = NULL WHERE id = ? AND first_commit = ?", tags)
        return ids

    def begin_anew(self, connection: sqlite3.Connection, followed: set[Hash32] | None) -> None:
        """Judge the whole log again, for another set of streams."""
        for table in ("versions", "controls", "reads", "queue"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names.
        connection.execute("UPDATE streams SET first_commit = NULL")
        connection.execute("UPDATE items SET state = 0, result = NULL, unmonitored = NULL")
        for seq, streams in connection.execute("SELECT seq, streams FROM items").fetchall():
            ids = set(split(streams))
            if followed is None or followed.issuperset(ids):
                connection.execute("UPDATE items SET state = 1 WHERE seq = ?", (seq,))
                connection.executemany("INSERT INTO queue VALUES (?, ?)", [(self._numbers.make(connection, one), seq) for one in ids])


class LogReader:
    """What the log has, for anybody who asks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def mark(self) -> BlockMark | None:
        return next(iter(self._marks(1)), None)

    def marks(self) -> list[BlockMark]:
        return self._marks(-1)

    def _marks(self, count: int) -> list[BlockMark]:
        with self._catalogue.reading() as connection:
            rows = connection.execute("SELECT number, hash FROM marks ORDER BY number DESC LIMIT ?", (count,)).fetchall()
        return [BlockMark(number, Hash32(block)) for number, block in rows]

    def fact(self, name: str) -> int:
        with self._catalogue.reading() as connection:
            return fact(connection, name)


def fact(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])


def set_fact(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE facts SET value = ? WHERE name = ?", (value, name))


def wide(number: int) -> bytes:
    """A number of up to 128 bits, so that it sorts by value."""
    return number.to_bytes(WIDE_BYTES)


def split(streams: bytes) -> tuple[Hash32, ...]:
    return tuple(Hash32(streams[at : at + STREAM_BYTES]) for at in range(0, len(streams), STREAM_BYTES))


def _row(entry: StreamSubmission) -> Row:
    return (
        entry.seq,
        entry.root,
        wide(entry.size_bytes),
        wide(entry.start_sector),
        wide(entry.sectors),
        b"".join(entry.streams),
        entry.sender,
        entry.transaction_hash,
        entry.block_number,
    )


def submission_of(row: Row) -> StreamSubmission:
    """The submission of a row with `SUBMISSION_COLUMNS`."""
    seq, root, size_bytes, start_sector, sectors, streams, sender, transaction_hash, block_number = row
    return StreamSubmission(
        seq=seq,
        root=Hash32(root),
        size_bytes=int.from_bytes(size_bytes),
        start_sector=int.from_bytes(start_sector),
        sectors=int.from_bytes(sectors),
        streams=split(streams),
        sender=Address(sender),
        transaction_hash=Hash32(transaction_hash),
        block_number=block_number,
    )
