"""The database of a DA node: blobs as the entrance tells of them, blobs that were signed, and how far the log was read."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from zerog.da.signer.errors import StoreFailedError, StoreForeignError

__all__ = ["DATABASE_FILE", "NUMBERS_END", "Database"]

DATABASE_FILE: Final = "signer.sqlite"
APPLICATION_ID: Final = 0x30474453
"""«0GDS»."""
SCHEMA_VERSION: Final = 1
BUSY_SECONDS_MAX: Final = 10.0
NUMBERS_END: Final = 1 << 63
"""Epochs, quorums and blocks from here on fit no integer of SQLite, and no chain will get there."""
SCHEMA: Final = """
CREATE TABLE announced (
    epoch INTEGER NOT NULL,
    quorum_id INTEGER NOT NULL,
    root BLOB NOT NULL,
    uploaded_block INTEGER,
    verified_block INTEGER,
    PRIMARY KEY (epoch, quorum_id, root)
) STRICT, WITHOUT ROWID;
CREATE TABLE signed (
    epoch INTEGER NOT NULL,
    quorum_id INTEGER NOT NULL,
    root BLOB NOT NULL,
    commitment BLOB NOT NULL,
    signature BLOB NOT NULL,
    row_count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    signed_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, quorum_id, root)
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Database:
    """One connection that writes and one that reads, each for one thread at a time. All methods raise `StoreFailedError`."""

    def __init__(self, path: Path) -> None:
        """Raises `StoreForeignError` where the file is another database."""
        self._path: Final = path
        self._writing: Final = threading.Lock()
        self._reading: Final = threading.Lock()
        with _worded():
            self._writer: Final = _connect(path)
            try:
                self._prepare()
                self._reader: Final = _connect(path)
            except BaseException:
                self._writer.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written within is on the disk afterwards, or nothing of it."""
        with _worded(), self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            self._writer.commit()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """What a query finds."""
        with _worded(), self._reading:
            return self._reader.execute(query, values).fetchall()

    def bind(self, identity: str) -> None:
        """Say, the first time, whose data this is. Raises `StoreForeignError` where it is another one's."""
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO notes VALUES ('identity', ?)", (identity,))
        [(kept,)] = self.rows("SELECT value FROM notes WHERE name = 'identity'")
        if kept != identity:
            raise StoreForeignError(self._path.parent, f"the data belongs to {kept}, and this node is {identity}")

    def backup(self, path: Path) -> None:
        """Write a copy."""
        with _worded(), self._reading:
            copy = sqlite3.connect(path)
            try:
                self._reader.backup(copy)
            finally:
                copy.close()

    def _prepare(self) -> None:
        version = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
        application = int(self._writer.execute("PRAGMA application_id").fetchone()[0])
        if (version, application) not in ((0, 0), (SCHEMA_VERSION, APPLICATION_ID)):
            raise StoreForeignError(self._path, f"it is another database, or of another version ({version})")
        self._writer.execute("PRAGMA journal_mode = WAL").fetchone()
        self._writer.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False)


@contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreFailedError(str(error)) from error
