"""How long submissions live: what was extended, what has expired, and whose data waits to be dropped. A write is one short transaction."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.following.records import LoggedExtension
from zerog.storage.node.store.catalogue import Catalogue
from zerog.storage.node.store.chain_log import WIDE_BYTES, ChainLog
from zerog.storage.node.store.segment_index import SegmentIndex

__all__ = ["ExtendedLife", "Lives"]

FLOW_END: Final = (1 << 8 * WIDE_BYTES) - 1
MARKED_DROPPED: Final = 1
DROP_S_MIN: Final = 2
"""Smaller times mean something else in the column."""


@dataclass(frozen=True, slots=True)
class ExtendedLife:
    """A submission that was extended."""

    seq: int
    start_sector: int
    extensions: int
    pruned: bool


class Lives:
    """Queries from any thread; changes come from the store."""

    def __init__(self, catalogue: Catalogue, log: ChainLog, index: SegmentIndex) -> None:
        self._catalogue: Final = catalogue
        self._log: Final = log
        self._index: Final = index

    def extend(self, extensions: Sequence[LoggedExtension]) -> None:
        """Note extensions; one that is noted stays as it is. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO extensions VALUES (?, ?, ?)",
                [(entry.seq, entry.extensions, entry.block_number) for entry in extensions],
            )

    def extensions_of(self, seq: int) -> int:
        """How often a submission was extended."""
        with self._catalogue.reading() as connection:
            return int(connection.execute("SELECT ifnull(max(extensions), 0) FROM extensions WHERE seq = ?", (seq,)).fetchone()[0])

    def extended(self, first_seq: int, count: int) -> list[ExtendedLife]:
        """At most `count` submissions that were extended, from `first_seq` on, in their order."""
        with self._catalogue.reading() as connection:
            rows = connection.execute(
                "SELECT seq, start_sector, max(extensions), pruned FROM extensions JOIN submissions USING (seq) WHERE seq >= ?"
                " GROUP BY seq ORDER BY seq LIMIT ?",
                (first_seq, count),
            ).fetchall()
        return [ExtendedLife(seq, int.from_bytes(start), extensions, bool(pruned)) for seq, start, extensions, pruned in rows]

    def alive_between(self, first_sector: int, end_sector: int, count: int) -> list[tuple[int, int]]:
        """At most `count` living submissions, (number, start), that begin between two sectors of the flow and were not extended."""
        with self._catalogue.reading() as connection:
            rows = connection.execute(
                "SELECT seq, start_sector FROM submissions INDEXED BY submissions_alive WHERE pruned = 0 AND start_sector >= ?"
                " AND start_sector < ? AND NOT EXISTS (SELECT 1 FROM extensions WHERE extensions.seq = submissions.seq)"
                " ORDER BY start_sector LIMIT ?",
                (_wide(first_sector), _wide(end_sector), count),
            ).fetchall()
        return [(seq, int.from_bytes(start)) for seq, start in rows]

    def alive_from(self, first_seq: int, count: int) -> list[int]:
        """At most `count` submissions that live, from `first_seq` on, in their order."""
        if first_seq >= 1 << 63:
            return []
        with self._catalogue.reading() as connection:
            rows = connection.execute(
                "SELECT seq FROM submissions INDEXED BY submissions_alive WHERE pruned = 0 AND start_sector >="
                " (SELECT start_sector FROM submissions WHERE seq >= ? ORDER BY seq LIMIT 1) ORDER BY start_sector LIMIT ?",
                (first_seq, count),
            ).fetchall()
        return [seq for (seq,) in rows]

    def pruned_from(self, sector: int, count: int) -> list[int]:
        """At most `count` submissions that begin at `sector` or behind it and are pruned."""
        with self._catalogue.reading() as connection:
            rows = connection.execute(
                "SELECT seq FROM submissions INDEXED BY submissions_pruned WHERE pruned <> 0 AND start_sector >= ?"
                " ORDER BY start_sector LIMIT ?",
                (_wide(sector), count),
            ).fetchall()
        return [seq for (seq,) in rows]

    def counts(self) -> tuple[int, int]:
        """How many submissions are pruned, and of how many of these the data is still there."""
        with self._catalogue.reading() as connection:
            (pruned,) = connection.execute("SELECT count(*) FROM submissions INDEXED BY submissions_pruned WHERE pruned <> 0").fetchone()
            (doomed,) = connection.execute("SELECT count(*) FROM submissions INDEXED BY submissions_doomed WHERE pruned > 1").fetchone()
        return int(pruned), int(doomed)

    def expire(self, seqs: Sequence[int], drop_s: int) -> None:
        """Mark submissions as pruned; their data is to be dropped at `drop_s`, in seconds since 1970. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            connection.executemany(
                "UPDATE submissions SET pruned = ? WHERE seq = ? AND pruned = 0", [(max(drop_s, DROP_S_MIN), seq) for seq in seqs]
            )

    def revive(self, seqs: Sequence[int]) -> None:
        """Take the mark back; what was dropped is not here. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            connection.executemany("UPDATE submissions SET pruned = 0 WHERE seq = ?", [(seq,) for seq in seqs])

    def drop_due(self, now_s: int, count: int) -> int:
        """Drop the data of at most `count` submissions whose time has come, unless another one needs it; how many.

        Raises `StoreFailedError`.
        """
        dropped: list[Hash32] = []
        with self._catalogue.transaction() as connection:
            due = _due(connection, now_s, count)
            connection.executemany("UPDATE submissions SET pruned = ? WHERE seq = ?", [(MARKED_DROPPED, seq) for seq, _ in due])
            for root in dict.fromkeys(root for _, root in due):
                if not self._log.is_needed(connection, root):
                    self._index.drop(connection, root)
                    dropped.append(root)
        for root in dropped:
            self._index.forget(root)
        return len(due)


def _due(connection: sqlite3.Connection, now_s: int, count: int) -> list[tuple[int, Hash32]]:
    rows = connection.execute(
        "SELECT seq, root FROM submissions INDEXED BY submissions_doomed WHERE pruned > 1 AND pruned <= ? ORDER BY pruned LIMIT ?",
        (now_s, count),
    ).fetchall()
    return [(seq, Hash32(root)) for seq, root in rows]


def _wide(sector: int) -> bytes:
    return min(sector, FLOW_END).to_bytes(WIDE_BYTES)
