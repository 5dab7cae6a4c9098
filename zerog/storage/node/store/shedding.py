"""Drops the segments that a node no longer holds because its shard became smaller, a few at a time, so that all else goes on."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.store.catalogue import Catalogue
from zerog.storage.node.store.chain_log import ChainLog
from zerog.storage.node.store.segment_index import SegmentIndex
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_SECTORS

__all__ = ["ShedCursor", "Shedding"]

ROWS_AT_ONCE: Final = 4_096
"""Segments that are looked at in one transaction."""
FILES_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class ShedCursor:
    """Where a walk through all files goes on. It need not outlive the process: a walk from the beginning passes over what is gone."""

    file: int = 0
    place: int = 0
    dropped: int = 0
    """Segments that the walk dropped so far."""


class Shedding:
    """The walk."""

    def __init__(self, catalogue: Catalogue, log: ChainLog, index: SegmentIndex) -> None:
        self._catalogue: Final = catalogue
        self._log: Final = log
        self._index: Final = index

    def step(self, cursor: ShedCursor, shard: Shard) -> ShedCursor | None:
        """Drop, from `cursor` on, what no submission needs in `shard`; where to go on, `None` at the end. Raises `StoreFailedError`.

        Segments of files without any submission go too. The log of the chain must have been read to its tip.
        """
        gone: list[tuple[Hash32, Sequence[int]]] = []
        with self._catalogue.transaction() as connection:
            files = connection.execute(
                "SELECT id, root FROM files WHERE id >= ? ORDER BY id LIMIT ?", (cursor.file, FILES_AT_ONCE)
            ).fetchall()
            left, dropped, goes_on = ROWS_AT_ONCE, cursor.dropped, (cursor.file, cursor.place)
            for file, root in files:
                places = _places(connection, file, cursor.place if file == cursor.file else 0, left)
                surplus = self._surplus(connection, Hash32(root), places, shard)
                if surplus:
                    self._index.drop_places(connection, file, surplus)
                    gone.append((Hash32(root), surplus))
                    dropped += len(surplus)
                if len(places) == left:  # There may be more of this file.
                    goes_on = (file, places[-1] + 1)
                    break
                left -= len(places)
                goes_on = (file + 1, 0)
        for shrunk, places_gone in gone:
            self._index.hide(shrunk, places_gone)
        if not files:
            return None
        return ShedCursor(*goes_on, dropped)

    def _surplus(self, connection: sqlite3.Connection, root: Hash32, places: Sequence[int], shard: Shard) -> list[int]:
        """Those of the segments that none of the file's submissions wants here."""
        wanted: set[int] = set()
        for start_sector in self._log.starts_of(connection, root):
            wanted.add((shard.id - start_sector // SEGMENT_SECTORS) % shard.count)
            if len(wanted) == shard.count:
                return []
        return [place for place in places if place % shard.count not in wanted]


def _places(connection: sqlite3.Connection, file: int, first: int, count: int) -> list[int]:
    rows = connection.execute("SELECT place FROM segments WHERE file = ? AND place >= ? ORDER BY place LIMIT ?", (file, first, count))
    return [place for (place,) in rows]
