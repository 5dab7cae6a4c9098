"""What the store knows of the chain's log: submissions in their order, and the blocks up to which it was read."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from zerog.primitives import Address, Hash32
from zerog.storage.node.store.catalogue import Catalogue
from zerog.storage.node.store.records import BlockMark, StoredSubmission
from zerog.storage.protocol.submission import Submission, SubmissionNode

__all__ = ["ChainLog"]

NODE_BYTES: Final = 33
WIDE_BYTES: Final = 16


class ChainLog:
    """Reads and writes the log's tables; each write is one transaction and durable when it returns."""

    def __init__(self, catalogue: Catalogue, marks_max: int) -> None:
        self._catalogue = catalogue
        self._marks_max = marks_max

    def mark(self) -> BlockMark | None:
        """The newest block that was read."""
        rows = self._rows("SELECT number, hash FROM marks ORDER BY number DESC LIMIT 1")
        return BlockMark(rows[0][0], Hash32(rows[0][1])) if rows else None

    def marks(self) -> list[BlockMark]:
        """Blocks that were read, the newest first, as far back as the log can be taken step by step."""
        return [BlockMark(number, Hash32(block)) for number, block in self._rows("SELECT number, hash FROM marks ORDER BY number DESC")]

    def flow_checkpoint(self) -> bytes | None:
        """Of the newest block that was read."""
        rows = self._rows("SELECT flow_checkpoint FROM marks ORDER BY number DESC LIMIT 1")
        return rows[0][0] if rows else None

    @property
    def next_seq(self) -> int:
        """Sequence of the submission that comes next."""
        return int(self._rows("SELECT ifnull(max(seq), -1) + 1 FROM submissions")[0][0])

    def record(self, mark: BlockMark, submissions: Sequence[StoredSubmission], flow_checkpoint: bytes) -> None:
        """Add what the log has up to `mark`. Raises `ValueError` where one does not follow on what is there, `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            (seq,) = connection.execute("SELECT ifnull(max(seq), -1) + 1 FROM submissions").fetchone()
            if [entry.seq for entry in submissions] != list(range(seq, seq + len(submissions))):
                raise ValueError(f"submission {seq} comes next, not {[entry.seq for entry in submissions][:5]}")
            if any(entry.block_number > mark.number for entry in submissions):
                raise ValueError(f"a submission is of a block after {mark.number}")
            connection.executemany("INSERT INTO submissions VALUES (?,?,?,?,?,?,?,?,?,?,?)", map(_row, submissions))
            connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (mark.number, mark.hash, flow_checkpoint))
            connection.execute(
                "DELETE FROM marks WHERE number <= (SELECT number FROM marks ORDER BY number DESC LIMIT 1 OFFSET ?)", (self._marks_max,)
            )

    def unwind(self, number: int) -> bytes | None:
        """Forget all that was read after the newest mark that is not above `number`.

        Returns the checkpoint of the flow there, `None` when nothing is left. Raises `StoreFailedError`.
        """
        with self._catalogue.transaction() as connection:
            found = connection.execute(
                "SELECT number, flow_checkpoint FROM marks WHERE number <= ? ORDER BY number DESC LIMIT 1", (number,)
            ).fetchone()
            last = -1 if found is None else found[0]
            connection.execute("DELETE FROM submissions WHERE block_number > ?", (last,))
            connection.execute("DELETE FROM extensions WHERE block_number > ?", (last,))
            connection.execute("DELETE FROM marks WHERE number > ?", (last,))
        return None if found is None else found[1]

    def prune(self, connection: sqlite3.Connection, seq: int) -> Hash32 | None:
        """Mark a submission as pruned; returns the file's root when no other submission of it is left."""
        found = connection.execute("UPDATE submissions SET pruned = 1 WHERE seq = ? RETURNING root", (seq,)).fetchone()
        return None if found is None or self.is_needed(connection, Hash32(found[0])) else Hash32(found[0])

    def is_needed(self, connection: sqlite3.Connection, root: Hash32) -> bool:
        """Whether there is a submission of a file whose data is not to be dropped. The newest are pruned last, so they are asked first."""
        query = "SELECT 1 FROM submissions WHERE root = ? AND pruned <> 1 ORDER BY seq DESC LIMIT 1"
        return connection.execute(query, (root,)).fetchone() is not None

    def starts_of(self, connection: sqlite3.Connection, root: Hash32) -> Iterator[int]:
        """Where on the flow the submissions of a file begin that are not pruned, in sectors."""
        for (start_sector,) in connection.execute("SELECT start_sector FROM submissions WHERE root = ? AND pruned <> 1", (root,)):
            yield int.from_bytes(start_sector)

    def submission(self, seq: int) -> StoredSubmission | None:
        found = self._submissions("SELECT * FROM submissions WHERE seq = ?", seq) if 0 <= seq < 1 << 63 else ()
        return found[0] if found else None

    def submissions(self, first_seq: int, count: int) -> list[StoredSubmission]:
        """At most `count` submissions from `first_seq` on, in their order."""
        return (
            self._submissions("SELECT * FROM submissions WHERE seq >= ? ORDER BY seq LIMIT ?", first_seq, count)
            if first_seq < 1 << 63
            else []
        )

    def submission_at_sector(self, sector: int) -> StoredSubmission | None:
        """The submission that a sector of the flow belongs to; gaps belong to none."""
        if not 0 <= sector < 1 << 8 * WIDE_BYTES:
            return None
        found = self._submissions("SELECT * FROM submissions WHERE start_sector <= ? ORDER BY start_sector DESC LIMIT 1", _wide(sector))
        return found[0] if found and sector < found[0].end_sector else None

    def seqs_of(self, root: Hash32) -> list[int]:
        """Sequence numbers of all submissions of a file, ascending."""
        return [seq for (seq,) in self._rows("SELECT seq FROM submissions WHERE root = ? ORDER BY seq", root)]

    def _submissions(self, query: str, *values: object) -> list[StoredSubmission]:
        return [_submission(row) for row in self._rows(query, *values)]

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._catalogue.reading() as connection:
            return connection.execute(query, values).fetchall()


def _row(entry: StoredSubmission) -> tuple[object, ...]:
    submission = entry.submission
    return (
        entry.seq,
        entry.root,
        _wide(entry.start_sector),
        _wide(submission.size_bytes),
        b"".join(bytes([node.height]) + node.root for node in submission.nodes),
        submission.tags,
        entry.sender,
        entry.transaction_hash,
        entry.block_number,
        entry.block_hash,
        int(entry.pruned),
    )


def _submission(row: tuple[Any, ...]) -> StoredSubmission:
    seq, root, start_sector, size_bytes, nodes, tags, sender, transaction_hash, block_number, block_hash, pruned = row
    parts = [nodes[at : at + NODE_BYTES] for at in range(0, len(nodes), NODE_BYTES)]
    return StoredSubmission(
        seq=seq,
        submission=Submission(
            size_bytes=int.from_bytes(size_bytes),
            nodes=tuple(SubmissionNode(Hash32(part[1:]), part[0]) for part in parts),
            tags=tags,
        ),
        root=Hash32(root),
        start_sector=int.from_bytes(start_sector),
        sender=Address(sender),
        transaction_hash=Hash32(transaction_hash),
        block_number=block_number,
        block_hash=Hash32(block_hash),
        pruned=bool(pruned),
    )


def _wide(number: int) -> bytes:
    return number.to_bytes(WIDE_BYTES)
