"""The store's SQLite database: its schema, one writer at a time, and readers that wait for nobody."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from zerog.storage.node.store.errors import StoreDamagedError, StoreFailedError, StoreFormatError, StoreFullError

__all__ = ["CATALOGUE_FILE", "DAMAGED_FILE", "SCHEMA_VERSION", "Catalogue", "refusal_of"]

CATALOGUE_FILE: Final = "catalogue.sqlite"
DAMAGED_FILE: Final = "catalogue.damaged"
"""Stands beside a catalogue that was found damaged, until it is made anew."""
APPLICATION_ID: Final = 0x30475354
"""«0GST»."""
SCHEMA_VERSION: Final = 2
BUSY_SECONDS_MAX: Final = 10.0
"""Nobody else writes into the folder; a reader that opens after a crash may repair the log of writes for a moment."""
WRITER_CACHE_KIB: Final = 8192
READER_CACHE_KIB: Final = 1024
WAL_BYTES_KEPT: Final = 16 << 20
IDLE_READERS_MAX: Final = 8
CLOSED: Final = "it is closed"

SCHEMA: Final = """
CREATE TABLE submissions (
    seq INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    start_sector BLOB NOT NULL,
    size_bytes BLOB NOT NULL,
    nodes BLOB NOT NULL,
    tags BLOB NOT NULL,
    sender BLOB NOT NULL,
    transaction_hash BLOB NOT NULL,
    block_number INTEGER NOT NULL,
    block_hash BLOB NOT NULL,
    pruned INTEGER NOT NULL
) STRICT;
CREATE INDEX submissions_by_root ON submissions (root, seq);
CREATE INDEX submissions_by_block ON submissions (block_number);
CREATE INDEX submissions_by_sector ON submissions (start_sector);
CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    flow_checkpoint BLOB NOT NULL
) STRICT;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root BLOB NOT NULL UNIQUE,
    padded_sectors INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT;
CREATE TABLE segments (
    file INTEGER NOT NULL,
    place INTEGER NOT NULL,
    data_file INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    siblings INTEGER NOT NULL,
    data_bytes INTEGER NOT NULL,
    segment_root BLOB NOT NULL,
    PRIMARY KEY (file, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped_files (
    file INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE data_files (
    id INTEGER PRIMARY KEY,
    end INTEGER NOT NULL,
    live_segments INTEGER NOT NULL,
    live_bytes INTEGER NOT NULL,
    sealed INTEGER NOT NULL
) STRICT;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('files', 0), ('segments', 0), ('dropped_segments', 0), ('corrupt_segments', 0), ('empty_commits', 0);
"""
"""Sectors and bytes of submissions are 16 bytes, big-endian: one may claim more than an integer of SQLite holds, and they sort by value."""
ADDED_IN_2: Final = """
CREATE INDEX segments_by_place ON segments (data_file, offset);
CREATE INDEX submissions_alive ON submissions (start_sector) WHERE pruned = 0;
CREATE INDEX submissions_pruned ON submissions (start_sector) WHERE pruned <> 0;
CREATE INDEX submissions_doomed ON submissions (pruned) WHERE pruned > 1;
CREATE TABLE extensions (
    seq INTEGER NOT NULL,
    extensions INTEGER NOT NULL,
    block_number INTEGER NOT NULL,
    PRIMARY KEY (seq, extensions)
) STRICT, WITHOUT ROWID;
CREATE INDEX extensions_by_block ON extensions (block_number);
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE damaged_segments (
    root BLOB NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (root, place)
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('repaired_segments', 0), ('moved_segments', 0), ('moved_bytes', 0), ('given_back_bytes', 0);
"""
"""`pruned` is 0, or 1 once the data is dropped, or until then the time at which it is to be dropped, in seconds since 1970."""
MIGRATIONS: Final = {1: ("DELETE FROM submissions", "DELETE FROM marks", ADDED_IN_2)}
"""By the version that is found, what leads to the next. Version 1 did not note extensions, so the chain's log is read again."""


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
            self._note_damage(error)
            raise StoreDamagedError(self.path.parent, str(error)) from error
        finally:
            if len(self._idle) < IDLE_READERS_MAX and not self._is_closed:
                self._idle.append(connection)
            else:
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside becomes durable together, or not at all. Raises `StoreFailedError`."""
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
                if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                    self._note_damage(error)
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
            self.note_failure(refusal)
        return refusal

    def _note_damage(self, error: sqlite3.DatabaseError) -> None:
        """Leave word that the catalogue is to be made anew when it is opened again; until then nothing more is written."""
        if _is_damage(error):
            self.path.with_name(DAMAGED_FILE).touch()
            self.note_failure(StoreFailedError(f"the catalogue is damaged ({error}); a new start makes it anew"))

    def note_failure(self, failure: StoreFailedError) -> None:
        """Write nothing any more. What is kept is a copy, since an error that was raised holds on to what was on the stack."""
        self.failure = replace(failure)

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


def refusal_of(error: OSError | sqlite3.Error) -> StoreFailedError:
    """What a failed write means: only a lack of room is sure to have left nothing behind."""
    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return StoreFullError("no space left for the catalogue") if full else StoreFailedError(f"catalogue: {error}")
    return StoreFailedError(str(error))


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def _prepare(path: Path, writer: sqlite3.Connection, *, durable: bool) -> None:
    version = int(writer.execute("PRAGMA user_version").fetchone()[0])
    application = int(writer.execute("PRAGMA application_id").fetchone()[0])
    fresh = (version, application) == (0, 0) and writer.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    if not fresh and (application != APPLICATION_ID or version not in (*MIGRATIONS, SCHEMA_VERSION)):
        raise StoreFormatError(path.parent, version, SCHEMA_VERSION)
    writer.execute("PRAGMA journal_mode = WAL").fetchone()
    writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    writer.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}").fetchone()
    if fresh:
        script = f"{SCHEMA} {ADDED_IN_2} PRAGMA application_id = {APPLICATION_ID};"
        writer.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    for old in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        writer.executescript(f"BEGIN IMMEDIATE; {'; '.join(MIGRATIONS[old])} PRAGMA user_version = {old + 1}; COMMIT;")


def _refusal_on_open(path: Path, error: sqlite3.Error) -> StoreDamagedError | StoreFailedError:
    return StoreDamagedError(path.parent, str(error)) if _is_damage(error) else refusal_of(error)


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is wrong. Codes have refinements in their upper bits; some of Python's own errors have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
