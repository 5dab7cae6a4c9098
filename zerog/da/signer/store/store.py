"""The store of a DA node. What `keep` returned from is on the disk, whatever happens next; a signature leaves only after that."""

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zerog.da.client.chain import BlobEvent
from zerog.da.following import BlockMark
from zerog.da.protocol.names import BlobName
from zerog.da.signer.errors import BadRequestError, StoreFailedError
from zerog.da.signer.store.database import DATABASE_FILE, NUMBERS_END, Database
from zerog.da.signer.store.row_files import DamagedFileError, HeldRow, RowFile, RowsHead, head_of, read_head, sync_folder, write_rows
from zerog.primitives import Hash32
from zerog.runtime.clock import Clock
from zerog.runtime.files import make_private_folder

__all__ = ["BlobStanding", "HeldBlob", "SignedBlob", "SignerStore"]

ROWS_FOLDER: Final = "rows"
MARKS_MAX: Final = 1_024
"""Blocks that are remembered, in case that the chain goes back to one of them."""
MARK_S: Final = 1.0
MARK_BLOCKS: Final = 64
"""Blocks without an event are noted on disk after so much time, or when there are so many."""


@dataclass(frozen=True, slots=True)
class BlobStanding:
    """What the entrance has told of a blob."""

    is_uploaded: bool
    is_verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBlob:
    """What was signed, and is kept for it."""

    blob: BlobName
    commitment: bytes = field(repr=False)
    """x and y, 32 big-endian bytes each."""
    signature: bytes = field(repr=False)
    """Likewise."""
    row_count: int
    size_bytes: int
    signed_ms: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """An entry of the list."""

    signed: SignedBlob
    is_verified: bool
    """Whether the chain says that the quorum confirmed it."""


class SignerStore:
    """One folder. Methods block, and may be called from any thread; all raise `StoreFailedError`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Raises `StoreForeignError` where another kind of database lies there."""
        self._folder: Final = folder
        self._clock: Final = clock
        self._rows: Final = folder / ROWS_FOLDER
        make_private_folder(folder)
        make_private_folder(self._rows)
        self._database: Final = Database(folder / DATABASE_FILE)
        self._keeping: Final = threading.Lock()
        self._remove_drafts()
        kept = self._database.rows("SELECT number, hash FROM marks ORDER BY number DESC LIMIT 1")
        self._kept = BlockMark(int(str(kept[0][0])), Hash32(_bytes(kept[0][1]))) if kept else None
        self._kept_s = clock.monotonic_s()
        self._unkept: BlockMark | None = None

    def close(self) -> None:
        """Note how far the log was read, and let go of the files."""
        if self._unkept is not None:
            self.take(self._unkept, (), force=True)
        self._database.close()

    def bind(self, identity: str) -> None:
        """Say, the first time, whose data this is. Raises `StoreForeignError` where it is another one's."""
        self._database.bind(identity)

    # What the entrance tells.

    def standing(self, blob: BlobName) -> BlobStanding:
        """Whether a blob was announced, and confirmed."""
        if not _is_small(blob):
            return BlobStanding(is_uploaded=False, is_verified=False)
        found = self._database.rows(
            "SELECT uploaded_block IS NOT NULL, verified_block IS NOT NULL FROM announced WHERE epoch = ? AND quorum_id = ? AND root = ?",
            _key(blob),
        )
        return BlobStanding(*map(bool, found[0])) if found else BlobStanding(is_uploaded=False, is_verified=False)

    def mark(self) -> BlockMark | None:
        """The newest block whose log was kept."""
        return self._kept

    def marks(self) -> list[BlockMark]:
        """Such blocks, the newest first."""
        rows = self._database.rows("SELECT number, hash FROM marks ORDER BY number DESC")
        return [BlockMark(int(str(number)), Hash32(_bytes(hash_))) for number, hash_ in rows]

    def take(self, mark: BlockMark, events: Sequence[BlobEvent], *, force: bool = False) -> None:
        """Keep what was read up to a block; of blocks that told nothing not each on its own."""
        if not events and not force and not self._is_mark_due(mark):
            self._unkept = mark
            return
        with self._database.transaction() as connection:
            for event in events:
                if _is_small(event.blob):
                    column = "verified_block" if event.is_verified else "uploaded_block"
                    connection.execute(
                        f"INSERT INTO announced (epoch, quorum_id, root, {column}) VALUES (?, ?, ?, ?)"  # noqa: S608 - one of two words.
                        f" ON CONFLICT DO UPDATE SET {column} = min(ifnull({column}, excluded.{column}), excluded.{column})",
                        (*_key(event.blob), event.block_number),
                    )
            connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (mark.number, mark.hash))
            connection.execute(
                "DELETE FROM marks WHERE number <= (SELECT number FROM marks ORDER BY number DESC LIMIT 1 OFFSET ?)", (MARKS_MAX,)
            )
        self._note_kept(mark)

    def unwind(self, mark: BlockMark | None) -> None:
        """Forget what was told after a block, or everything. What was signed stays: the blob may be announced again."""
        number = -1 if mark is None else mark.number
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM marks WHERE number > ?", (number,))
            for column in ("uploaded_block", "verified_block"):
                connection.execute(f"UPDATE announced SET {column} = NULL WHERE {column} > ?", (number,))  # noqa: S608 - one of two words.
            connection.execute("DELETE FROM announced WHERE uploaded_block IS NULL AND verified_block IS NULL")
        self._note_kept(mark)

    # What was signed.

    def signed(self, blob: BlobName) -> SignedBlob | None:
        """What was signed for a blob."""
        query = f"SELECT {COLUMNS} FROM signed WHERE epoch = ? AND quorum_id = ? AND root = ?"  # noqa: S608 - fixed words.
        rows = self._database.rows(query, _key(blob))
        return _signed_blob(rows[0]) if rows else None

    def keep(
        self,
        blob: BlobName,
        commitment: bytes,
        coset_roots: tuple[bytes, bytes, bytes],
        rows: Sequence[HeldRow],
        signature: bytes,
    ) -> None:
        """Have rows and signature on the disk; nothing is written again that is there.

        Raises `BadRequestError` where the same blob was signed with another commitment.
        """
        with self._keeping:
            known = self.signed(blob)
            head = self._head(blob)
            kept = known.commitment if known is not None else None if head is None else head.commitment
            if kept is not None and kept != commitment:
                raise BadRequestError(f"another commitment was signed for {blob.root}")
            head_due = head_of(blob, commitment, coset_roots, rows)
            is_there = head == head_due and self._is_whole(blob)
            size_bytes = self._path(blob).stat().st_size if is_there else self._write(blob, head_due, rows)
            if known is not None and known.signature == signature and is_there:
                return
            values = (*_key(blob), commitment, signature, len(rows), size_bytes, int(1_000 * self._clock.unix_s()))
            with self._database.transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO signed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def open_rows(self, blob: BlobName) -> RowFile | None:
        """The file of a blob's rows, a context; `None` where there is none that can be read."""
        try:
            return RowFile(self._path(blob))
        except DamagedFileError:
            return None

    def held(self, cursor: str, limit: int) -> tuple[list[HeldBlob], str]:
        """A page of what was signed, the newest epochs first, and where the next one begins; an empty cursor for the first or the last."""
        condition = ""
        values: tuple[object, ...] = ()
        if cursor:
            condition = "WHERE (epoch, quorum_id, root) < (?, ?, ?)"
            values = _key(_blob_of(cursor))
        rows = self._database.rows(
            f"SELECT {COLUMNS}, EXISTS (SELECT 1 FROM announced a WHERE (a.epoch, a.quorum_id, a.root) ="  # noqa: S608 - fixed words.
            f" (signed.epoch, signed.quorum_id, signed.root) AND a.verified_block IS NOT NULL) FROM signed {condition}"
            " ORDER BY epoch DESC, quorum_id DESC, root DESC LIMIT ?",
            (*values, limit + 1),
        )
        page = [HeldBlob(_signed_blob(row[:-1]), bool(row[-1])) for row in rows[:limit]]
        last = page[-1].signed.blob if len(rows) > limit else None
        return page, "" if last is None else f"{last.epoch}-{last.quorum_id}-{last.root.hex()}"

    def totals(self) -> tuple[int, int]:
        """How many blobs were signed and are kept, and how many bytes their rows take."""
        [(count, size_bytes)] = self._database.rows("SELECT count(*), ifnull(sum(size_bytes), 0) FROM signed")
        return int(str(count)), int(str(size_bytes))

    def prune(self, oldest_epoch: int) -> int:
        """Forget all epochs before one, and say how many blobs that were."""
        with self._keeping:
            with self._database.transaction() as connection:
                count = connection.execute("DELETE FROM signed WHERE epoch < ?", (oldest_epoch,)).rowcount
                connection.execute("DELETE FROM announced WHERE epoch < ?", (oldest_epoch,))
            for folder in self._epoch_folders():
                if int(folder.name) < oldest_epoch:
                    shutil.rmtree(folder)
        return count

    def copy(self, directory: Path) -> None:
        """Leave a copy: rows as hard links, since they never change, and the database."""
        for folder in self._epoch_folders():
            (directory / ROWS_FOLDER / folder.name).mkdir(parents=True, exist_ok=True)
            for path in folder.glob("*.rows"):
                (directory / ROWS_FOLDER / folder.name / path.name).hardlink_to(path)
        (directory / ROWS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._database.backup(directory / DATABASE_FILE)

    def _write(self, blob: BlobName, head: RowsHead, rows: Sequence[HeldRow]) -> int:
        path = self._path(blob)
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700)
                sync_folder(self._rows)
            return write_rows(path, head, rows)
        except OSError as error:
            raise StoreFailedError(error.strerror or str(error)) from error

    def _head(self, blob: BlobName) -> RowsHead | None:
        try:
            return read_head(self._path(blob))
        except DamagedFileError:
            return None

    def _is_whole(self, blob: BlobName) -> bool:
        file = self.open_rows(blob)
        if file is None:
            return False
        with file:
            return file.is_whole()

    def _path(self, blob: BlobName) -> Path:
        return self._rows / str(blob.epoch) / f"{blob.quorum_id}-{blob.root.hex()}.rows"

    def _epoch_folders(self) -> list[Path]:
        return [path for path in self._rows.iterdir() if path.name.isdigit()]

    def _remove_drafts(self) -> None:
        """What a process that was killed did not finish."""
        for folder in self._epoch_folders():
            for draft in folder.glob(".*.draft"):
                draft.unlink()

    def _is_mark_due(self, mark: BlockMark) -> bool:
        if self._kept is None or mark.number - self._kept.number >= MARK_BLOCKS:
            return True
        return self._clock.monotonic_s() - self._kept_s >= MARK_S

    def _note_kept(self, mark: BlockMark | None) -> None:
        self._kept, self._unkept = mark, None
        self._kept_s = self._clock.monotonic_s()


COLUMNS: Final = "epoch, quorum_id, root, commitment, signature, row_count, size_bytes, signed_ms"


def _key(blob: BlobName) -> tuple[int, int, bytes]:
    return blob.epoch, blob.quorum_id, bytes(blob.root)


def _is_small(blob: BlobName) -> bool:
    return blob.epoch < NUMBERS_END and blob.quorum_id < NUMBERS_END


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise StoreFailedError("a column has another type than it was made with")
    return value


def _signed_blob(row: Sequence[object]) -> SignedBlob:
    epoch, quorum_id, root, commitment, signature, row_count, size_bytes, signed_ms = row
    return SignedBlob(
        blob=BlobName(Hash32(_bytes(root)), int(str(epoch)), int(str(quorum_id))),
        commitment=_bytes(commitment),
        signature=_bytes(signature),
        row_count=int(str(row_count)),
        size_bytes=int(str(size_bytes)),
        signed_ms=int(str(signed_ms)),
    )


def _blob_of(cursor: str) -> BlobName:
    """Raises `BadRequestError` for what no page gave."""
    try:
        epoch, quorum_id, root = cursor.split("-")
        blob = BlobName(Hash32(bytes.fromhex(root)), int(epoch), int(quorum_id))
    except ValueError:
        raise BadRequestError("cursor: give the next_cursor of a page") from None
    if not _is_small(blob):
        raise BadRequestError("cursor: give the next_cursor of a page")
    return blob
