"""Applies items in the order of the log as far as their data is there; what must wait holds up its own streams alone.

An item is judged when it is the first that waits in each of its streams, and no earlier one waits in a stream that it reads. A judgement
looks only at what came before the item, so whatever the order in which data appears, the result is that of a replay in order.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from zerog.primitives import Address
from zerog.storage.kv.records import Place
from zerog.storage.kv.store.catalogue import COMMITTED_STATE, PENDING, REJECTED_STATE
from zerog.storage.kv.store.item_files import ItemFiles, ItemLostError
from zerog.storage.kv.store.journal import split
from zerog.storage.kv.store.streams import StateBefore, StreamNumbers, put_controls, put_values
from zerog.storage.kv.store.waiting import Turns
from zerog.storage.protocol.replay import NO_WRITE_PERMISSION, Commit, Rejected, Verdict, can_write_to_any, judge, streams_read

__all__ = ["Applier", "forget_data"]

log = structlog.get_logger(__name__)

WRITES_MAX: Final = 20_000
"""Values of one transaction, unless one item has more."""


class Applier:
    """Judges what is ready. It works inside transactions of the caller."""

    def __init__(self, files: ItemFiles, numbers: StreamNumbers, turns: Turns, is_monitored: Callable[[bytes], bool]) -> None:
        self._files = files
        self._numbers = numbers
        self._turns = turns
        self._is_monitored = is_monitored

    def begin_anew(self, connection: sqlite3.Connection) -> None:
        """Look at the first waiting item of every stream again."""
        heads = connection.execute("SELECT (SELECT min(seq) FROM queue WHERE stream = streams.id) FROM streams").fetchall()
        self._turns.reset(seq for (seq,) in heads if seq is not None)

    def apply(self, connection: sqlite3.Connection, items_max: int) -> int:
        """Settle at most `items_max` items; how many were."""
        settled = writes = 0
        while settled < items_max and writes < WRITES_MAX and (seq := self._turns.take()) is not None:
            done = self._try(connection, seq)
            if done is not None:
                settled += 1
                writes += done
        return settled

    def _try(self, connection: sqlite3.Connection, seq: int) -> int | None:
        """Settle an item if its turn has come: how many values it wrote."""
        row = connection.execute("SELECT streams, sender, data FROM items WHERE seq = ? AND state = ?", (seq, PENDING)).fetchone()
        if row is None:
            return None
        ids, sender, data = frozenset[bytes](split(row[0])), Address(row[1]), row[2]
        numbers = [self._numbers.make(connection, stream) for stream in ids]
        if any(self._first_waiting(connection, number) != seq for number in numbers):
            return None
        state = StateBefore(connection, self._numbers, seq)
        if not can_write_to_any(state, sender, ids):
            self._settle(connection, seq, numbers, Rejected(NO_WRITE_PERMISSION))
            return 0
        item = None if data is None else self._item(connection, data)
        if item is None:
            return None
        beside = streams_read(item) - ids
        for stream in beside:
            blocker = self._last_waiting(connection, stream, seq)
            if blocker is not None:
                self._turns.wait_for(blocker, seq)
                return None
        verdict = judge(item, sender=sender, seq=seq, streams=ids, is_monitored=self._is_monitored, state=state)
        connection.executemany("INSERT INTO reads VALUES (?, ?)", [(stream, seq) for stream in beside])
        self._settle(connection, seq, numbers, verdict)
        return len(verdict.writes) if isinstance(verdict, Commit) else 0

    def _first_waiting(self, connection: sqlite3.Connection, stream: int) -> int | None:
        found: int | None = connection.execute("SELECT min(seq) FROM queue WHERE stream = ?", (stream,)).fetchone()[0]
        return found

    def _last_waiting(self, connection: sqlite3.Connection, stream: bytes, seq: int) -> int | None:
        """The last item before `seq` that waits in a stream: when it is settled, all before it are."""
        number = self._numbers.find(connection, stream)
        if number is None:
            return None
        found: int | None = connection.execute("SELECT max(seq) FROM queue WHERE stream = ? AND seq < ?", (number, seq)).fetchone()[0]
        return found

    def _item(self, connection: sqlite3.Connection, data: int) -> memoryview | None:
        """The bytes of an item; if they are lost, that is noted, and they are wanted again."""
        place = Place(*connection.execute("SELECT file, offset, item_bytes FROM data WHERE id = ?", (data,)).fetchone())
        try:
            return self._files.whole(place)
        except ItemLostError as error:
            log.warning("kv_item_lost", path=str(self._files.path(place.file)), offset=place.offset, cause=str(error))
            forget_data(connection, data)
            return None

    def _settle(self, connection: sqlite3.Connection, seq: int, numbers: list[int], verdict: Verdict) -> None:
        if isinstance(verdict, Commit):
            put_values(connection, self._numbers, seq, list(verdict.writes.items()))
            put_controls(connection, self._numbers, seq, verdict.controls)
            connection.executemany(
                "UPDATE streams SET first_commit = ? WHERE id = ? AND first_commit IS NULL", [(seq, number) for number in numbers]
            )
            state, unmonitored = COMMITTED_STATE, None
        else:
            state, unmonitored = REJECTED_STATE, verdict.unmonitored
        connection.execute("UPDATE items SET state = ?, result = ?, unmonitored = ? WHERE seq = ?", (state, verdict.text, unmonitored, seq))
        connection.executemany("DELETE FROM queue WHERE stream = ? AND seq = ?", [(number, seq) for number in numbers])
        for number in numbers:
            following = self._first_waiting(connection, number)
            if following is not None:
                self._turns.add(following)
        self._turns.settled(seq)


def forget_data(connection: sqlite3.Connection, data: int) -> None:
    """Hold an item no longer."""
    connection.execute("UPDATE items SET data = NULL WHERE data = ?", (data,))
    connection.execute("DELETE FROM data WHERE id = ?", (data,))
