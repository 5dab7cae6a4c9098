"""The SQLite database of a key-value node: its schema, one writer at a time, and readers that wait for nobody."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from zerog.storage.kv.store.errors import StoreDamagedError, StoreFailedError, StoreFormatError, StoreFullError, refusal_of

__all__ = ["CATALOGUE_FILE", "COMMITTED_STATE", "DAMAGED_FILE", "PENDING", "REJECTED_STATE", "SKIPPED", "Catalogue"]

CATALOGUE_FILE: Final = "catalogue.sqlite"
DAMAGED_FILE: Final = "catalogue.damaged"
"""Stands beside a catalogue that was found damaged, until it is made anew."""
APPLICATION_ID: Final = 0x30474B56
"""«0GKV»."""
SCHEMA_VERSION: Final = 1
BUSY_SECONDS_MAX: Final = 10.0
"""Nobody else writes into the folder; a reader that opens after a crash may repair the log of writes for a moment."""
WRITER_CACHE_KIB: Final = 32_768
READER_CACHE_KIB: Final = 4096
WAL_BYTES_KEPT: Final = 16 << 20
IDLE_READERS_MAX: Final = 8
CLOSED: Final = "it is closed"

SKIPPED: Final = 0
"""State of an item of which a stream is not followed."""
PENDING: Final = 1
COMMITTED_STATE: Final = 2
REJECTED_STATE: Final = 3

SCHEMA: Final = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    next_seq INTEGER NOT NULL
) STRICT;
CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream BLOB NOT NULL UNIQUE,
    followed INTEGER NOT NULL,
    first_commit INTEGER
) STRICT;
CREATE TABLE data (
    id INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    size_bytes BLOB NOT NULL,
    item_bytes INTEGER NOT NULL,
    file INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    UNIQUE (root, size_bytes)
) STRICT;
CREATE TABLE items (
    seq INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    size_bytes BLOB NOT NULL,
    start_sector BLOB NOT NULL,
    sectors BLOB NOT NULL,
    streams BLOB NOT NULL,
    sender BLOB NOT NULL,
    transaction_hash BLOB NOT NULL,
    block_number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    result TEXT,
    unmonitored BLOB,
    data INTEGER
) STRICT;
CREATE INDEX items_by_root ON items (root, size_bytes);
CREATE INDEX items_by_block ON items (block_number);
CREATE INDEX items_wanted ON items (seq) WHERE data IS NULL AND state IN (1, 2);
CREATE INDEX items_waiting ON items (seq) WHERE state = 1;
CREATE INDEX items_followed ON items (seq) WHERE state > 0;
CREATE INDEX items_unmonitored ON items (unmonitored, seq) WHERE unmonitored IS NOT NULL;
CREATE TABLE tagged (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE reads (
    stream BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX reads_by_seq ON reads (seq);
CREATE TABLE versions (
    stream INTEGER NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (stream, key, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_seq ON versions (seq);
CREATE TABLE controls (
    stream INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    account BLOB NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    PRIMARY KEY (stream, kind, account, key, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX controls_by_seq ON controls (seq);
CREATE TRIGGER items_added AFTER INSERT ON items BEGIN
    UPDATE facts SET value = value + (NEW.state = 1) WHERE name = 'waiting';
    UPDATE facts SET value = value + (NEW.state > 1) WHERE name = 'settled';
END;
CREATE TRIGGER items_changed AFTER UPDATE OF state ON items BEGIN
    UPDATE facts SET value = value + (NEW.state = 1) - (OLD.state = 1) WHERE name = 'waiting';
    UPDATE facts SET value = value + (NEW.state > 1) - (OLD.state > 1) WHERE name = 'settled';
END;
CREATE TRIGGER items_taken_back AFTER DELETE ON items BEGIN
    UPDATE facts SET value = value - (OLD.state = 1) WHERE name = 'waiting';
    UPDATE facts SET value = value - (OLD.state > 1) WHERE name = 'settled';
END;
INSERT INTO facts VALUES ('next_seq', 0), ('follow_all', 0), ('waiting', 0), ('settled', 0);
"""
"""`queue` has what is not settled, by stream: an item is judged when it is the first of each of its streams. `tagged` has all, `reads` the
streams that settled items read beside their own.

Sizes and sectors are 16 bytes, big-endian: a submission may claim more than an integer of SQLite holds. `data` is found by root and size,
since files of different size may have one root; `item_bytes` is the length of the item in it, which is less where the file was encrypted.
"""


class Catalogue:
    """The database. Writes are transactions, one after another; a reader takes a connection that nobody else uses meanwhile."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self.path = path
        self.failure: StoreFailedError | None = None
        """Set once the disk failed; nothing is written from then on."""
        self._writer = writer
        self._writing = threading.Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._is_closed = False

    @classmethod
    def open(cls, path: Path, *, durable: bool) -> Self:
        """Open or create it. Raises `StoreFormatError`, `StoreDamagedError`, `StoreFailedError`."""
        try:
            writer = _connect(path, WRITER_CACHE_KIB)
            try:
                _prepare(path, writer, durable=durable)
            except BaseException:
                writer.close()
                raise
        except sqlite3.Error as error:
            raise _refusal_on_open(path, error) from error
        return cls(path, writer)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries, which see all that is committed. Raises `StoreDamagedError`; `StoreFailedError` when it is closed."""
        if self._is_closed:
            raise StoreFailedError(CLOSED)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self.path, READER_CACHE_KIB)
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            raise self._damage(error) from error
        finally:
            if len(self._idle) < IDLE_READERS_MAX and not self._is_closed:
                self._idle.append(connection)
            else:
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside becomes durable together, or not at all. Raises `StoreFailedError`, `StoreDamagedError`."""
        with self._writing:
            if self._is_closed:
                raise StoreFailedError(CLOSED)
            self.require_sound()
            connection = self._writer
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(error)
                if isinstance(error, sqlite3.DatabaseError) and _is_damage(error):
                    raise self._damage(error) from error
                if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                    raise self._note(refusal_of(error)) from error
                raise

    def require_sound(self) -> None:
        """Raises `StoreFailedError` once the disk failed: a new one each time, since a raised error keeps what was on the stack."""
        if self.failure is not None:
            raise replace(self.failure)

    def _roll_back(self, cause: BaseException) -> None:
        """SQLite rolls back by itself when the disk is full or fails."""
        if self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error as error:
                error.__cause__ = cause
                raise self._note(StoreFailedError(str(error))) from error

    def _note(self, refusal: StoreFailedError) -> StoreFailedError:
        if not isinstance(refusal, StoreFullError):
            self.failure = replace(refusal)
        return refusal

    def _damage(self, error: sqlite3.DatabaseError) -> StoreDamagedError | StoreFailedError:
        """What a failed read means; damage is noted, so that the catalogue is made anew at the next opening."""
        if not _is_damage(error):
            return refusal_of(error)
        self.path.with_name(DAMAGED_FILE).touch()
        self.failure = StoreFailedError(f"the catalogue is damaged ({error})")
        return StoreDamagedError(self.path.parent, str(error))

    def copy_to(self, path: Path) -> None:
        """Leave a copy of what is committed now. Raises `OSError`, `StoreDamagedError`."""
        with self.reading() as connection, closing(sqlite3.connect(path)) as target:
            connection.backup(target)

    def close(self) -> None:
        """Take no more reads and writes; those that are under way are finished."""
        with self._writing:
            self._is_closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def _prepare(path: Path, writer: sqlite3.Connection, *, durable: bool) -> None:
    version = int(writer.execute("PRAGMA user_version").fetchone()[0])
    application = int(writer.execute("PRAGMA application_id").fetchone()[0])
    fresh = (version, application) == (0, 0) and writer.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    if not fresh and (version, application) != (SCHEMA_VERSION, APPLICATION_ID):
        raise StoreFormatError(path.parent, version, SCHEMA_VERSION)
    writer.execute("PRAGMA journal_mode = WAL").fetchone()
    writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    writer.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}").fetchone()
    if fresh:
        writer.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def _refusal_on_open(path: Path, error: sqlite3.Error) -> StoreDamagedError | StoreFailedError:
    if isinstance(error, sqlite3.DatabaseError) and _is_damage(error):
        return StoreDamagedError(path.parent, str(error))
    return refusal_of(error)
