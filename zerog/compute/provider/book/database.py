"""SQLite and PostgreSQL as one kind of database: how each is opened, and which of its failures pass if one tries again."""

import sqlite3
from pathlib import Path
from typing import Final, cast

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from zerog.compute.provider.book.errors import BookUnusableError
from zerog.compute.provider.book.schema import SCHEMA_VERSION, metadata

__all__ = ["READERS_MAX", "Database", "open_database"]

log = structlog.get_logger(__name__)

READERS_MAX: Final = 4
SQLITE_BUSY_MS: Final = 10_000
POSTGRES_OPTIONS: Final = "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=30s"
SCHEMA_LOCK: Final = 0x7A65726F67
"""Held while tables are made, so that brokers that start together do not make them twice."""


class Database:
    """Two engines on one database: one for the writer, one for readers."""

    def __init__(self, url: URL, connect_args: dict[str, object]) -> None:
        self.url = url
        self.writer: Engine = create_engine(url, poolclass=NullPool, connect_args=connect_args)
        self.readers: Engine = create_engine(
            url, poolclass=QueuePool, pool_size=READERS_MAX, max_overflow=0, pool_pre_ping=False, connect_args=connect_args
        )
        self.takes_any_mixture = False
        """Whether one transaction may hold the work of several callers: with row locks they could wait for each other crosswise."""

    def set_durable(self, connection: Connection, *, durable: bool) -> None:
        """Say before a transaction whether its commit must survive a loss of power."""

    def raw_sqlite(self, connection: Connection) -> sqlite3.Connection | None:  # noqa: ARG002 - of which this is none.
        """SQLite's own connection beneath, if it is one."""
        return None

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})

    def passes(self, error: DBAPIError) -> bool:
        """Whether the same transaction may succeed when it is tried again: a lost connection, a restart, a deadlock."""
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))

    def make_tables(self, connection: Connection) -> None:
        """Create what is missing. Raises `BookUnusableError` for a book of a later version."""
        self.lock_schema(connection)
        metadata.create_all(connection)
        connection.execute(
            text("INSERT INTO facts (name, value) VALUES ('schema_version', :version) ON CONFLICT DO NOTHING"),
            {"version": str(SCHEMA_VERSION)},
        )
        version = int(connection.execute(text("SELECT value FROM facts WHERE name = 'schema_version'")).scalar_one())
        if version != SCHEMA_VERSION:
            raise BookUnusableError(f"its tables have version {version}, this program knows {SCHEMA_VERSION}")

    def dispose(self) -> None:
        self.writer.dispose()
        self.readers.dispose()


class SqliteDatabase(Database):
    """A file with a write-ahead log. Each commit that promises something waits for the disk."""

    def __init__(self, url: URL) -> None:
        super().__init__(url, {"timeout": SQLITE_BUSY_MS / 1000, "cached_statements": 256})
        self.takes_any_mixture = True
        self._durable = True
        event.listen(self.writer, "connect", self._on_connect)
        event.listen(self.readers, "connect", self._on_connect)
        event.listen(self.writer, "begin", _begin_writing)
        event.listen(self.readers, "begin", _begin_reading)

    def _on_connect(self, connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        raw = cast("sqlite3.Connection", connection)
        raw.isolation_level = None  # We say BEGIN ourselves.
        raw.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MS}")
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        self._durable = True

    def set_durable(self, connection: Connection, *, durable: bool) -> None:
        if durable != self._durable:
            self.raw_sqlite(connection).execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def raw_sqlite(self, connection: Connection) -> sqlite3.Connection:
        return cast("sqlite3.Connection", connection.connection.dbapi_connection)

    def lock_schema(self, connection: Connection) -> None:
        pass  # BEGIN IMMEDIATE has done it.

    def passes(self, error: DBAPIError) -> bool:
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def open_database(url: str) -> Database:
    """The database that `url` names; nothing is connected yet. Raises `BookUnusableError`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BookUnusableError(f"{error}") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            return _open_postgres(parsed)
        case other:
            raise BookUnusableError(f"{other} is not a kind of database that can hold it")


def _open_sqlite(url: URL) -> Database:
    if not url.database or url.database == ":memory:":
        raise BookUnusableError("a database in memory loses what was charged")
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise BookUnusableError(f"{error}") from error
    return SqliteDatabase(url.set(drivername="sqlite+pysqlite"))


def _open_postgres(url: URL) -> Database:
    arguments: dict[str, object] = {"connect_timeout": 5, "options": POSTGRES_OPTIONS, "application_name": "zerog"}
    try:
        return Database(url.set(drivername="postgresql+psycopg"), arguments)
    except ImportError as error:
        raise BookUnusableError(f"psycopg is missing ({error}); install zerog[postgres]") from error
