"""The disperser's books: every blob with its way so far, and transactions that are not known to have ended. SQLite, in one thread.

A blob is in the books before its id is answered, and each step of its way before the next one begins.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread

from zerog.da.disperser.errors import DisperserDataError
from zerog.da.protocol.dispersal import DispersalState
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobPage, BlobStatus, ListedBlob
from zerog.primitives import Hash32, decode_hook

__all__ = ["BlobRow", "OpenTransaction", "Sending", "Store"]

T = TypeVar("T")

VERSION: Final = 1
BUSY_S: Final = 10.0
SQLITE_INTEGER_END: Final = 1 << 63
SCHEMA: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    received_ns INTEGER NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    status INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    ended_s REAL,
    root BLOB,
    epoch INTEGER,
    quorum_id INTEGER,
    state BLOB NOT NULL
);
CREATE INDEX blobs_open ON blobs (seq) WHERE is_open;
CREATE INDEX blobs_by_status ON blobs (status, seq);
CREATE INDEX blobs_by_root ON blobs (root) WHERE root IS NOT NULL;
CREATE INDEX blobs_by_end ON blobs (ended_s) WHERE ended_s IS NOT NULL;
CREATE TABLE transactions (id INTEGER PRIMARY KEY AUTOINCREMENT, purpose TEXT NOT NULL);
CREATE TABLE transaction_blobs (
    transaction_id INTEGER NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (transaction_id, seq)
) WITHOUT ROWID;
CREATE TABLE sendings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    transaction_id INTEGER NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    nonce INTEGER NOT NULL,
    raw BLOB NOT NULL
);
"""

_STATES: Final = msgspec.json.Decoder(DispersalState, dec_hook=decode_hook)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRow:
    """A blob in the books."""

    seq: int
    request_id: str
    received_ns: int
    size_bytes: int
    state: DispersalState


@dataclass(frozen=True, slots=True)
class Sending:
    """A signed transaction."""

    hash: Hash32
    nonce: int
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """What was sent, or was about to be, for blobs that have not heard of it yet."""

    transaction_id: int
    purpose: str
    blobs: tuple[int, ...]
    sendings: tuple[Sending, ...]
    """In the order in which they replaced each other."""


class Store:
    """Every method is done by one thread, one after another. SQLite's errors come through: without books nothing can be promised."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: Final = connection
        self._one: Final = CapacityLimiter(1)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Make the books, or open those that are there. Raises `DisperserDataError` for ones of another version."""
        return cls(await to_thread.run_sync(_open, path))

    async def close(self) -> None:
        """End the connection."""
        await self._run(self._connection.close)

    async def _run(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._one)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """All of it or nothing, and on disk when this returns."""

        def write() -> T:
            with self._connection:
                return work(self._connection)

        return await self._run(write)

    async def fact(self, name: str) -> str | None:
        """Something that is kept by name."""

        def read() -> str | None:
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

        return await self._run(read)

    async def keep_fact(self, name: str, value: str) -> None:
        await self._write(lambda connection: connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value)))

    async def add(self, request_id: str, received_ns: int, size_bytes: int, state: DispersalState) -> int:
        """A new blob; returns its number."""

        def add(connection: sqlite3.Connection) -> int:
            values = (request_id, received_ns, size_bytes, *_columns(state))
            cursor = connection.execute(
                "INSERT INTO blobs (request_id, received_ns, size_bytes, status, is_open, ended_s, root, epoch, quorum_id, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return int(cursor.lastrowid or 0)

        return await self._write(add)

    async def keep(self, seq: int, state: DispersalState, *, heard_of: int | None = None) -> None:
        """Where a blob is now. With `heard_of` it knows what became of that transaction."""

        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE blobs SET status = ?, is_open = ?, ended_s = ?, root = ?, epoch = ?, quorum_id = ?, state = ? WHERE seq = ?",
                (*_columns(state), seq),
            )
            if heard_of is not None:
                connection.execute("DELETE FROM transaction_blobs WHERE transaction_id = ? AND seq = ?", (heard_of, seq))
                connection.execute(
                    "DELETE FROM transactions WHERE id = ?"
                    " AND NOT EXISTS (SELECT 1 FROM transaction_blobs WHERE transaction_id = transactions.id)",
                    (heard_of,),
                )

        await self._write(keep)

    async def by_request_id(self, request_id: str) -> BlobRow | None:
        rows = await self._rows("WHERE request_id = ?", (request_id,))
        return rows[0] if rows else None

    async def by_seq(self, seq: int) -> BlobRow | None:
        rows = await self._rows("WHERE seq = ?", (seq,))
        return rows[0] if rows else None

    async def open_blobs(self) -> list[BlobRow]:
        """Blobs that have not ended, in the order in which they came."""
        return await self._rows("WHERE is_open ORDER BY seq", ())

    async def kept_files(self) -> set[int]:
        """Times of receipt of all blobs that have not failed: the names of their files."""

        def read() -> set[int]:
            found = self._connection.execute("SELECT received_ns FROM blobs WHERE status != ?", (int(BlobStatus.FAILED),)).fetchall()
            return {received_ns for (received_ns,) in found}

        return await self._run(read)

    async def confirmed(self, name: BlobName) -> BlobRow | None:
        """A blob that the chain has under this name."""
        if max(name.epoch, name.quorum_id) >= SQLITE_INTEGER_END:
            return None
        rows = await self._rows(
            "WHERE root = ? AND epoch = ? AND quorum_id = ? AND status IN (?, ?) ORDER BY seq LIMIT 1",
            (bytes(name.root), name.epoch, name.quorum_id, int(BlobStatus.CONFIRMED), int(BlobStatus.FINALIZED)),
        )
        return rows[0] if rows else None

    async def page(self, status: BlobStatus, before_seq: int | None, limit: int) -> BlobPage:
        """The newest blobs before one, of one status unless that is UNKNOWN."""
        condition = "seq < ?" + ("" if status is BlobStatus.UNKNOWN else " AND status = ?")
        bound = SQLITE_INTEGER_END - 1 if before_seq is None else before_seq
        values: tuple[object, ...] = (bound,) if status is BlobStatus.UNKNOWN else (bound, int(status))
        rows = await self._rows(f"WHERE {condition} ORDER BY seq DESC LIMIT ?", (*values, limit + 1))
        shown = [
            ListedBlob(
                request_id=row.request_id, state=row.state.shown, size_bytes=row.size_bytes, received_ms=row.received_ns // 1_000_000
            )
            for row in rows[:limit]
        ]
        return BlobPage(blobs=tuple(shown), next_cursor=str(rows[limit - 1].seq) if len(rows) > limit else "")

    async def counts(self) -> dict[BlobStatus, int]:
        """How many blobs there are of each status."""

        def read() -> dict[BlobStatus, int]:
            found = self._connection.execute("SELECT status, COUNT(*) FROM blobs GROUP BY status").fetchall()
            return {BlobStatus(status): count for status, count in found}

        return await self._run(read)

    async def ended_before(self, ended_s: float, limit: int) -> list[BlobRow]:
        """Some of the blobs that ended before a time."""
        return await self._rows("WHERE ended_s < ? ORDER BY ended_s LIMIT ?", (ended_s, limit))

    async def forget(self, seqs: Sequence[int]) -> None:
        """Take blobs out of the books."""
        await self._write(lambda connection: connection.executemany("DELETE FROM blobs WHERE seq = ?", [(seq,) for seq in seqs]))

    async def _rows(self, condition: str, values: Sequence[object]) -> list[BlobRow]:
        statement = f"SELECT seq, request_id, received_ns, size_bytes, state FROM blobs {condition}"  # noqa: S608 - our own words.

        def read() -> list[BlobRow]:
            return [
                BlobRow(seq=seq, request_id=request_id, received_ns=received_ns, size_bytes=size, state=_STATES.decode(state))
                for seq, request_id, received_ns, size, state in self._connection.execute(statement, values).fetchall()
            ]

        return await self._run(read)

    # Transactions.

    async def begin(self, purpose: str, blobs: Sequence[int], sending: Sending) -> int:
        """Write a transaction down before it is sent; returns its number."""

        def begin(connection: sqlite3.Connection) -> int:
            number = int(connection.execute("INSERT INTO transactions (purpose) VALUES (?)", (purpose,)).lastrowid or 0)
            connection.executemany("INSERT INTO transaction_blobs VALUES (?, ?)", [(number, seq) for seq in blobs])
            _add_sending(connection, number, sending)
            return number

        return await self._write(begin)

    async def add_sending(self, transaction_id: int, sending: Sending) -> None:
        """Write down what replaces a transaction, before it is sent."""
        await self._write(lambda connection: _add_sending(connection, transaction_id, sending))

    async def drop(self, transaction_id: int) -> None:
        """Forget a transaction that has no effect and will have none."""
        await self._write(lambda connection: connection.execute("DELETE FROM transactions WHERE id = ?", (transaction_id,)))

    async def open_transactions(self) -> list[OpenTransaction]:
        """In the order in which they were begun. Those go that only ended blobs have not heard of."""

        def read(connection: sqlite3.Connection) -> list[OpenTransaction]:
            connection.execute("DELETE FROM transaction_blobs WHERE seq NOT IN (SELECT seq FROM blobs WHERE is_open)")
            connection.execute("DELETE FROM transactions WHERE id NOT IN (SELECT transaction_id FROM transaction_blobs)")
            found = []
            for number, purpose in connection.execute("SELECT id, purpose FROM transactions ORDER BY id").fetchall():
                blobs = connection.execute("SELECT seq FROM transaction_blobs WHERE transaction_id = ? ORDER BY seq", (number,))
                sendings = connection.execute("SELECT hash, nonce, raw FROM sendings WHERE transaction_id = ? ORDER BY id", (number,))
                found.append(
                    OpenTransaction(
                        transaction_id=number,
                        purpose=purpose,
                        blobs=tuple(seq for (seq,) in blobs.fetchall()),
                        sendings=tuple(Sending(Hash32(hash_), nonce, raw) for hash_, nonce, raw in sendings.fetchall()),
                    )
                )
            return found

        return await self._write(read)

    async def copy_to(self, path: Path) -> None:
        """Leave a copy of the books at `path`."""

        def copy() -> None:
            with closing(sqlite3.connect(path)) as copy:
                self._connection.backup(copy)

        await self._run(copy)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)  # The thread of the moment is the only one.
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
    elif version != VERSION:
        raise DisperserDataError(path, f"it has version {version} of the books, and this program reads version {VERSION}")


def _columns(state: DispersalState) -> tuple[object, ...]:
    """What is looked for by, and the state itself."""
    name = state.name
    return (
        int(state.step.status),
        not state.step.is_last,
        state.since_s if state.step.is_last else None,
        None if state.root is None else bytes(state.root),
        None if name is None else name.epoch,
        None if name is None else name.quorum_id,
        msgspec.json.encode(state, enc_hook=str),
    )


def _add_sending(connection: sqlite3.Connection, transaction_id: int, sending: Sending) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO sendings (hash, transaction_id, nonce, raw) VALUES (?, ?, ?, ?)",
        (bytes(sending.hash), transaction_id, sending.nonce, sending.raw),
    )
