"""Streams in the catalogue: their short numbers, and their state before any item as the rules of replay ask for it."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from zerog.primitives import ZERO_ADDRESS, Address
from zerog.storage.protocol.streams import Control, Key, KeyOfStream, Operation, ValueSpan

__all__ = ["StateBefore", "StreamNumbers", "put_controls", "put_values"]

NUMBERS_KEPT_MAX: Final = 65_536


class StreamNumbers:
    """The number of each stream in the catalogue, by its id.

    After a transaction that forgot streams or that failed, `forget` what is kept: whoever looked before that keeps it for itself.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, int] = {}

    def find(self, connection: sqlite3.Connection, stream: bytes) -> int | None:
        """`None` for a stream that nobody has named."""
        kept = self._kept
        number = kept.get(stream)
        if number is None:
            row = connection.execute("SELECT id FROM streams WHERE stream = ?", (stream,)).fetchone()
            if row is None:
                return None
            number = int(row[0])
            if len(kept) >= NUMBERS_KEPT_MAX:
                kept.clear()
            kept[bytes(stream)] = number
        return number

    def make(self, connection: sqlite3.Connection, stream: bytes) -> int:
        """The number of a stream, which is given one if it has none. Inside a transaction."""
        number = self.find(connection, stream)
        if number is None:
            (number,) = connection.execute("INSERT INTO streams (stream, followed) VALUES (?, 0) RETURNING id", (stream,)).fetchone()
        return int(number)

    def forget(self) -> None:
        self._kept = {}


class StateBefore:
    """Streams as the items before `seq` left them."""

    def __init__(self, connection: sqlite3.Connection, numbers: StreamNumbers, seq: int) -> None:
        self._connection = connection
        self._numbers = numbers
        self._seq = min(seq, (1 << 63) - 1)

    def is_new(self, stream: bytes) -> bool:
        row = self._connection.execute("SELECT first_commit FROM streams WHERE stream = ?", (stream,)).fetchone()
        return row is None or row[0] is None or row[0] >= self._seq

    def version(self, stream: bytes, key: Key) -> int | None:
        number = self._numbers.find(self._connection, stream)
        if number is None:
            return None
        query = "SELECT max(seq) FROM versions WHERE stream = ? AND key = ? AND seq < ?"
        (version,) = self._connection.execute(query, (number, key, self._seq)).fetchone()
        return None if version is None else int(version)

    def is_admin(self, account: Address, stream: bytes) -> bool:
        return self._latest(stream, 0x00, account, b"") == Operation.GRANT_ADMIN

    def is_writer(self, account: Address, stream: bytes) -> bool:
        return self._latest(stream, 0x20, account, b"") == Operation.GRANT_WRITER

    def is_special_key(self, stream: bytes, key: Key) -> bool:
        return self._latest(stream, 0x10, ZERO_ADDRESS, key) == Operation.SET_KEY_TO_SPECIAL

    def is_key_writer(self, account: Address, stream: bytes, key: Key) -> bool:
        return self._latest(stream, 0x30, account, key) == Operation.GRANT_SPECIAL_WRITER

    def _latest(self, stream: bytes, kind: int, account: Address, key: Key) -> int | None:
        """The control that holds for this kind, account and key."""
        number = self._numbers.find(self._connection, stream)
        if number is None:
            return None
        query = (
            "SELECT operation FROM controls WHERE stream = ? AND kind = ? AND account = ? AND key = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
        )
        row = self._connection.execute(query, (number, kind, account, key, self._seq)).fetchone()
        return None if row is None else int(row[0])

    def writes_some_key(self, account: Address, stream: bytes) -> bool:
        number = self._numbers.find(self._connection, stream)
        if number is None:
            return False
        query = (
            "SELECT 1 FROM controls AS it WHERE stream = ?1 AND kind = 48 AND account = ?2 AND seq < ?3 AND operation = 48 AND NOT EXISTS ("
            "SELECT 1 FROM controls WHERE stream = ?1 AND kind = 48 AND account = ?2 AND key = it.key AND seq > it.seq AND seq < ?3"
            ") LIMIT 1"
        )
        return self._connection.execute(query, (number, account, self._seq)).fetchone() is not None


def put_values(connection: sqlite3.Connection, numbers: StreamNumbers, seq: int, writes: Sequence[tuple[KeyOfStream, ValueSpan]]) -> None:
    """Note where the values of an item are."""
    of = {stream: numbers.make(connection, stream) for stream in {stream for (stream, _), _ in writes}}
    connection.executemany(
        "INSERT INTO versions (stream, key, seq, start, size) VALUES (?, ?, ?, ?, ?)",
        ((of[stream], key, seq, span.start, span.size) for (stream, key), span in writes),
    )


def put_controls(connection: sqlite3.Connection, numbers: StreamNumbers, seq: int, controls: Sequence[Control]) -> None:
    """Note what an item changes about who may do what."""
    connection.executemany(
        "INSERT INTO controls (stream, kind, account, key, seq, operation) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                numbers.make(connection, control.stream),
                control.operation.kind,
                control.account,
                control.key,
                seq,
                int(control.operation),
            )
            for control in controls
        ),
    )
