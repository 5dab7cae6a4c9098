"""What the gateway writes down: which blobs a digest stands for, and which quorums have signed a root. An SQLite file."""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from zerog.da.protocol.commitments import GenericCommitment, decode_commitment
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32

__all__ = ["Book"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS payload (digest BLOB PRIMARY KEY, commitment BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS name (root BLOB, epoch BLOB, quorum_id BLOB, PRIMARY KEY (root, epoch, quorum_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading (chain TEXT PRIMARY KEY, next_block INTEGER NOT NULL) WITHOUT ROWID;
"""
NUMBER_BYTES: Final = 8
"""Big-endian, so that SQLite compares numbers of 64 bits, of which it knows only 63."""


class Book:
    """Used from threads, one at a time. What a method has written when it returns survives a crash."""

    def __init__(self, path: Path | None) -> None:
        """With `None` it is in memory."""
        self._lock: Final = threading.Lock()
        self._database: Final = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def copy_to(self, path: Path) -> None:
        """A copy as of now."""
        with self._lock, sqlite3.connect(path) as copy:
            self._database.backup(copy)
        copy.close()

    def note_payload(self, digest: Hash32, commitment: GenericCommitment) -> None:
        """A later payload of the same digest counts: it lives longer."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO payload VALUES (?, ?)", (digest, commitment.encode()))

    def find_payload(self, digest: Hash32) -> GenericCommitment | None:
        with self._lock:
            row = self._database.execute("SELECT commitment FROM payload WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            return None
        commitment = decode_commitment(row[0])
        return commitment if isinstance(commitment, GenericCommitment) else None

    def note_names(self, chain: str, names: Iterable[BlobName], next_block: int) -> None:
        """Names that stand in the log of `chain` before `next_block`."""
        rows = [(name.root, _packed(name.epoch), _packed(name.quorum_id)) for name in names]
        with self._lock, self._database:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR IGNORE INTO name VALUES (?, ?, ?)", rows)
            self._database.execute("INSERT OR REPLACE INTO reading VALUES (?, ?)", (chain, next_block))

    def find_name(self, root: Hash32) -> BlobName | None:
        """The newest name of a root."""
        query = "SELECT epoch, quorum_id FROM name WHERE root = ? ORDER BY epoch DESC, quorum_id DESC LIMIT 1"
        with self._lock:
            row = self._database.execute(query, (root,)).fetchone()
        return None if row is None else BlobName(root, int.from_bytes(row[0], "big"), int.from_bytes(row[1], "big"))

    def next_block(self, chain: str) -> int:
        """From where on the log of a chain has not been read."""
        with self._lock:
            row = self._database.execute("SELECT next_block FROM reading WHERE chain = ?", (chain,)).fetchone()
        return 0 if row is None else int(row[0])


def _packed(number: int) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big")
