"""Which segments were held, turned out damaged and are not here again: a table of the catalogue, so that no restart forgets them."""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.store.catalogue import Catalogue

__all__ = ["DamageLog"]

FILES_MAX: Final = 10_000
"""Damaged files that one look gives."""


class DamageLog:
    """Queries from any thread; changes are parts of a transaction of the store."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._count = 0
        self.count_again()

    def __len__(self) -> int:
        """Damaged segments that are not here again."""
        return self._count

    def count_again(self) -> None:
        """After a transaction that dropped some was committed."""
        with self._catalogue.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM damaged_segments").fetchone()
        self._count = int(count)

    def committed(self, change: int) -> None:
        """A transaction was committed that added so many, or took them off."""
        with self._lock:
            self._count += change

    def files(self, count: int = FILES_MAX) -> list[tuple[Hash32, int]]:
        """Roots of damaged files, with how many of their segments are missing for that reason."""
        if not self._count:
            return []
        with self._catalogue.reading() as connection:
            found = connection.execute("SELECT root, count(*) FROM damaged_segments GROUP BY root LIMIT ?", (count,)).fetchall()
        return [(Hash32(root), missing) for root, missing in found]

    def of_file(self, root: Hash32, count: int) -> list[int]:
        """The first `count` damaged segments of a file."""
        if not self._count:
            return []
        with self._catalogue.reading() as connection:
            query = "SELECT place FROM damaged_segments WHERE root = ? ORDER BY place LIMIT ?"
            return [place for (place,) in connection.execute(query, (root, count))]

    def forget(self, root: Hash32, places: Sequence[int]) -> None:
        """These need not be here any more. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            query = "DELETE FROM damaged_segments WHERE root = ? AND place = ?"
            gone = connection.executemany(query, [(root, place) for place in places]).rowcount
        self.committed(-gone)

    def note(self, connection: sqlite3.Connection, segments: Iterable[tuple[Hash32, int]]) -> int:
        """These are held no longer, because they are damaged; how many that are. When it is committed, say so."""
        return connection.executemany("INSERT OR IGNORE INTO damaged_segments VALUES (?, ?)", segments).rowcount

    def mend(self, connection: sqlite3.Connection, segments: Iterable[tuple[Hash32, int]]) -> int:
        """These are held again; how many of them were damaged. When it is committed, say so."""
        if not self._count:
            return 0
        return connection.executemany("DELETE FROM damaged_segments WHERE root = ? AND place = ?", segments).rowcount

    def drop(self, connection: sqlite3.Connection, root: Hash32) -> None:
        """A file is needed no longer. When it is committed, count again."""
        if self._count:
            connection.execute("DELETE FROM damaged_segments WHERE root = ?", (root,))
