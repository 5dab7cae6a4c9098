"""A key-value node's store: the log of its streams, their items, and the state that follows from both, durable and as of any version."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Self, TypeAlias

from zerog.primitives import Address, Hash32
from zerog.runtime.files import FileLock, make_private_folder
from zerog.storage.following import BlockMark
from zerog.storage.kv.records import Found, ItemRecord, Place, Progress, StreamRecord, StreamSubmission, Supply
from zerog.storage.kv.store.applying import Applier, forget_data
from zerog.storage.kv.store.catalogue import CATALOGUE_FILE, Catalogue
from zerog.storage.kv.store.errors import StoreFailedError, refusal_of
from zerog.storage.kv.store.followed import load_followed, save_followed
from zerog.storage.kv.store.item_files import ItemFiles, ItemLostError, sync_folder
from zerog.storage.kv.store.journal import Journal, LogReader, fact, set_fact
from zerog.storage.kv.store.lookup import LATEST, Lookup
from zerog.storage.kv.store.rebuild import known_ends, open_catalogue
from zerog.storage.kv.store.streams import StateBefore, StreamNumbers
from zerog.storage.kv.store.waiting import Turns
from zerog.storage.protocol import replay
from zerog.storage.protocol.streams import Key

__all__ = ["KvStore"]

LOCK_FILE: Final = "lock"
DATA_FOLDER: Final = "data"
INCOMING_FOLDER: Final = "incoming"
DataName: TypeAlias = tuple[Hash32, bytes]
"""Root of a file, and its size in the form of the catalogue."""
MARKS_MAX: Final = 1024
"""Blocks that the log can be taken back to one by one; for a deeper reorganisation it is read from the beginning."""


class KvStore:
    """One store in one folder, for one process. All methods block, and may be called from any thread.

    What it answers is a function of the log, of the streams that are followed and of the items that are here. Items may be supplied in any
    order; after `supply`, `record`, `unwind` and `add_stream`, call `apply` until it returns 0.
    """

    def __init__(
        self, folder: Path, catalogue: Catalogue, files: ItemFiles, *, follow_all: bool, chosen: set[Hash32], durable: bool
    ) -> None:
        """For `open`."""
        self.folder = folder
        self.incoming = folder / INCOMING_FOLDER
        """Where whoever downloads puts large items for `supply`. It is emptied at the start."""
        self._catalogue = catalogue
        self._files = files
        self._follow_all = follow_all
        self._chosen = chosen
        self._durable = durable
        self._numbers = StreamNumbers()
        self._turns = Turns()
        self._journal = Journal(self._numbers, MARKS_MAX)
        self._log = LogReader(catalogue)
        self._lookup = Lookup(catalogue, self._numbers)
        self._applier = Applier(files, self._numbers, self._turns, self.is_followed)
        self._filing = threading.Lock()
        self._resources = ExitStack()

    @classmethod
    def open(cls, folder: Path | None, *, follow_all: bool, streams: Iterable[Hash32] = (), durable: bool | None = None) -> Self:
        """Open or create the store in `folder`; `None` is a temporary folder that goes with the store, and does not wait for the disk.

        Without `durable`, what is written survives the end of the process, but no loss of power.
        `streams` are followed from now on, beside those that were added before; with `follow_all` every stream is. Takes moments, unless
        the catalogue is damaged, or another set of streams than before is followed.
        Raises `LockHeldError`, `StoreFormatError`, `StoreDamagedError`, `StoreFailedError`.
        """
        try:
            durable = folder is not None if durable is None else durable
            return cls._open(folder, follow_all=follow_all, streams=streams, durable=durable)
        except OSError as error:
            raise refusal_of(error) from error

    @classmethod
    def _open(cls, folder: Path | None, *, follow_all: bool, streams: Iterable[Hash32], durable: bool) -> Self:
        with ExitStack() as resources:
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix="zerog-kv-"))
                resources.callback(shutil.rmtree, folder, ignore_errors=True)
            make_private_folder(folder)
            resources.enter_context(FileLock.acquire(folder / LOCK_FILE, command="key-value node"))
            make_private_folder(folder / DATA_FOLDER)
            shutil.rmtree(folder / INCOMING_FOLDER, ignore_errors=True)
            make_private_folder(folder / INCOMING_FOLDER)
            chosen = load_followed(folder)
            if not chosen.issuperset(streams):
                chosen.update(streams)
                save_followed(folder, chosen, durable=durable)
            files = ItemFiles(folder / DATA_FOLDER, durable=durable)
            resources.callback(files.close)
            catalogue = open_catalogue(folder, files, durable=durable)
            resources.callback(catalogue.close)
            files.go_on(known_ends(catalogue))
            if durable:
                sync_folder(folder)
                sync_folder(folder.parent)
            store = cls(folder, catalogue, files, follow_all=follow_all, chosen=chosen, durable=durable)
            store._take_up()
            store._resources = resources.pop_all()
        return store

    def _take_up(self) -> None:
        """Make what is judged agree with the streams that are followed now, and find what may be judged next."""
        with self._changing() as connection:
            if bool(fact(connection, "follow_all")) != self._follow_all:
                self._journal.begin_anew(connection, None if self._follow_all else self._chosen)
                set_fact(connection, "follow_all", int(self._follow_all))
            known = {row[0] for row in connection.execute("SELECT stream FROM streams WHERE followed = 1")}
            for stream in sorted(self._chosen - known):
                self._journal.follow(connection, stream, self._chosen)
            self._applier.begin_anew(connection)

    def close(self) -> None:
        """Let go of the folder."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction; if it fails, what is kept in memory of the catalogue is looked up again."""
        try:
            with self._catalogue.transaction() as connection:
                yield connection
        except BaseException:
            self._numbers.forget()
            with suppress(StoreFailedError), self._catalogue.transaction() as connection:
                self._applier.begin_anew(connection)
            raise

    @property
    def failure(self) -> StoreFailedError | None:
        """Why nothing is written any more; `None` while all is well."""
        return self._catalogue.failure

    # --- log of the chain

    def mark(self) -> BlockMark | None:
        """The newest block that was read."""
        return self._log.mark()

    def marks(self) -> list[BlockMark]:
        """Blocks that were read, the newest first, as far back as `unwind` can go step by step."""
        return self._log.marks()

    @property
    def next_seq(self) -> int:
        """Sequence of the submission that comes next, to a stream or not."""
        return self._log.fact("next_seq")

    def record(self, mark: BlockMark, next_seq: int, submissions: Sequence[StreamSubmission]) -> None:
        """Add what the log has up to `mark`, durably: its submissions to streams; `next_seq` counts all others too.

        Raises `ValueError` where it does not follow on what is there, `StoreFailedError`.
        """
        with self._changing() as connection:
            self._journal.record(connection, mark, next_seq, submissions, None if self._follow_all else self._chosen)
        for entry in submissions:
            self._turns.add(entry.seq)

    def unwind(self, number: int) -> BlockMark | None:
        """Forget all that was read after the newest mark that is not above block `number`, and what came of it; -1 forgets all.

        Returns the mark that is the newest then. Items stay: they may come again. Raises `StoreFailedError`.
        """
        with self._changing() as connection:
            self._journal.unwind(connection, number)
            self._numbers.forget()
            self._applier.begin_anew(connection)
        self._numbers.forget()
        return self.mark()

    def add_stream(self, stream: Hash32) -> bool:
        """Follow one more stream, from the beginning of the log on; whether it was not followed yet. Raises `StoreFailedError`.

        Items that were skipped or refused for want of it are judged, and what was settled after them in the streams that they concern is
        judged again: until `apply` has done so, those streams are answered as they were before the first of these items.
        """
        with self._filing:
            if stream in self._chosen:
                return False
            chosen = self._chosen | {stream}
            try:
                save_followed(self.folder, chosen, durable=self._durable)
            except OSError as error:
                raise refusal_of(error) from error
            with self._changing() as connection:
                self._journal.follow(connection, stream, chosen)
                self._chosen = chosen
                self._applier.begin_anew(connection)
        return not self._follow_all

    def is_followed(self, stream: bytes) -> bool:
        """Whether items of the stream are applied here."""
        return self._follow_all or stream in self._chosen

    # --- items

    def wanted(self, limit: int, first_seq: int = 0) -> list[StreamSubmission]:
        """Items from `first_seq` on whose data is needed and not here, in order: of what waits, and of values that were lost."""
        return self._lookup.wanted(first_seq, limit)

    def supply(self, seq: int, root: Hash32, data: bytes | Path) -> None:
        """Keep the data of an item, decrypted, which the caller has verified; an item that cannot be decrypted is empty.

        Durable when it returns. A `Path` lies in `incoming` and is moved away. What is not needed any more is passed over.
        Raises `StoreFailedError`.
        """
        self.supply_many([Supply(seq, root, data)])

    def supply_many(self, supplies: Sequence[Supply]) -> None:
        """The same for many items, in one transaction, with one wait for the disk for all that are in memory.

        Raises `StoreFailedError`: then none of them is kept.
        """
        with self._filing:
            try:
                kept = self._write_down(self._needed(supplies))
            except OSError as error:
                raise refusal_of(error) from error
            if kept:
                self._note_data(kept)

    def _needed(self, supplies: Sequence[Supply]) -> dict[DataName, bytes | Path]:
        """What of them is not here yet, by root and size, once; the files of the others go. Raises `OSError`, `StoreFailedError`."""
        needed: dict[DataName, bytes | Path] = {}
        missing = self._lookup.missing(supply.seq for supply in supplies)
        for supply in supplies:
            name = missing.get(supply.seq)
            if name is not None and supply.root == name[0] and name not in needed:
                needed[name] = supply.data
            elif isinstance(supply.data, Path):
                supply.data.unlink(missing_ok=True)
        if needed:
            self._catalogue.require_sound()
        return needed

    def _write_down(self, needed: Mapping[DataName, bytes | Path]) -> dict[DataName, Place]:
        """Where each is now, durably. Raises `OSError`."""
        in_memory = {name: data for name, data in needed.items() if not isinstance(data, Path)}
        kept: dict[DataName, Place] = {}
        if in_memory:
            places = self._files.append([(root, size_bytes, data) for (root, size_bytes), data in in_memory.items()])
            kept.update(zip(in_memory, places, strict=True))
        for (root, size_bytes), data in needed.items():
            if isinstance(data, Path):
                kept[root, size_bytes] = self._files.adopt(root, size_bytes, data)
        return kept

    def _note_data(self, kept: Mapping[DataName, Place]) -> None:
        seqs: list[int] = []
        with self._changing() as connection:
            for (root, size_bytes), place in kept.items():
                (number,) = connection.execute(
                    "INSERT INTO data (root, size_bytes, item_bytes, file, offset) VALUES (?, ?, ?, ?, ?) RETURNING id",
                    (root, size_bytes, place.size, place.file, place.offset),
                ).fetchone()
                rows = connection.execute(
                    "UPDATE items SET data = ? WHERE root = ? AND size_bytes = ? RETURNING seq", (number, root, size_bytes)
                ).fetchall()
                seqs += [seq for (seq,) in rows]
        for seq in seqs:
            self._turns.add(seq)

    def apply(self, items_max: int = 256) -> int:
        """Settle items that are ready, at most so many, in one durable transaction; how many were. Raises `StoreFailedError`.

        What must wait holds up its own streams alone: those that it is tagged with, and items that read one of them.
        """
        with self._changing() as connection:
            return self._applier.apply(connection, items_max)

    def submission(self, seq: int) -> StreamSubmission | None:
        """A submission to streams, also to ones that are not followed."""
        return self._lookup.submission(seq) if 0 <= seq <= LATEST else None

    def items(self, first_seq: int, limit: int) -> list[ItemRecord]:
        """Submissions to streams from `first_seq` on, in order, with what became of them."""
        return self._lookup.items(min(first_seq, LATEST), limit)

    def item(self, seq: int) -> memoryview | None:
        """The data of an item, checked; it may be mapped from the disk. `None` if it is not here."""
        place = self._lookup.place(seq) if 0 <= seq <= LATEST else None
        if place is None:
            return None
        try:
            return self._files.whole(place)
        except ItemLostError:
            self._forget(seq, place)
            return None

    def _forget(self, seq: int, place: Place) -> None:
        """Hold lost data no longer, so that it is wanted again."""
        with suppress(StoreFailedError), self._changing() as connection:
            row = connection.execute(
                "SELECT data.id FROM items JOIN data ON data.id = items.data WHERE seq = ? AND file = ? AND offset = ?",
                (seq, place.file, place.offset),
            ).fetchone()
            if row is not None:
                forget_data(connection, row[0])

    def result(self, seq: int) -> str | None:
        """What became of an item; `None` while that is open, and for items of streams that are not followed."""
        return self._lookup.result(seq) if 0 <= seq <= LATEST else None

    def progress(self) -> Progress:
        return self._lookup.progress()

    # --- values, as of a version: after the item of that sequence, by default after the latest

    def value(self, stream: bytes, key: Key, version: int | None = None) -> Found | None:
        """The value of a key, of size 0 where it was deleted; `None` if it was never written."""
        return self._lookup.value(stream, key, _latest(version))

    def read(self, found: Found, start: int, length: int) -> bytes | None:
        """A part of a value, no more than there is of it; `None` if the data is lost. Takes time by the part, not by the value."""
        length = max(0, min(length, found.size - start))
        if length == 0:
            return b""
        if found.place is not None:
            with suppress(ItemLostError):  # It may have been lost and come again since.
                return self._files.read(found.place, found.start + start, length)
        place = self._lookup.place(found.version)
        if place is None:
            return None
        try:
            return self._files.read(place, found.start + start, length)
        except ItemLostError:
            self._forget(found.version, place)
            return None

    def first(self, stream: bytes, version: int | None = None) -> Found | None:
        """The first key that has a value."""
        return _only(self._lookup.upward(stream, b"", _latest(version), 1, inclusive=True))

    def last(self, stream: bytes, version: int | None = None) -> Found | None:
        """The last key that has a value."""
        return _only(self._lookup.downward(stream, None, _latest(version), 1, inclusive=True))

    def next(self, stream: bytes, key: Key, inclusive: bool, version: int | None = None) -> Found | None:
        """The next key that has a value, behind `key` or from it on."""
        return _only(self._lookup.upward(stream, key, _latest(version), 1, inclusive=inclusive))

    def prev(self, stream: bytes, key: Key, inclusive: bool, version: int | None = None) -> Found | None:
        """The key that has a value before `key`, or up to it."""
        return _only(self._lookup.downward(stream, key, _latest(version), 1, inclusive=inclusive))

    def list_keys(self, stream: bytes, cursor: Key | None, limit: int) -> tuple[list[Found], Key | None]:
        """Keys that have a value, ascending behind `cursor`; with where to go on, `None` at the end. Long keys make a page shorter."""
        found = self._lookup.upward(stream, cursor or b"", LATEST, limit, inclusive=False)
        return found, found[-1].key if found and self.next(stream, found[-1].key, inclusive=False) is not None else None

    # --- streams

    def holding_streams(self) -> list[Hash32]:
        """The streams that are followed, ascending."""
        return [record.stream for record in self._lookup.streams(b"", LATEST, all_of_them=self._follow_all)]

    def list_streams(self, cursor: Hash32 | None, limit: int) -> tuple[list[StreamRecord], Hash32 | None]:
        """Streams that are followed, ascending behind `cursor`; with where to go on, `None` at the end."""
        found = self._lookup.streams(cursor or b"", limit + 1, all_of_them=self._follow_all)
        return found[:limit], found[limit - 1].stream if len(found) > limit else None

    # --- who may do what, as of a version

    @contextmanager
    def _state(self, version: int | None) -> Iterator[StateBefore]:
        with self._catalogue.reading() as connection:
            yield StateBefore(connection, self._numbers, _latest(version) + 1)

    def can_write(self, account: Address, stream: bytes, version: int | None = None) -> bool:
        """Whether an item of the account for this stream would be looked at."""
        with self._state(version) as state:
            return replay.can_write(state, account, stream)

    def has_write_permission(self, account: Address, stream: bytes, key: Key, version: int | None = None) -> bool:
        """Whether the account may write the key; in a new stream everybody may."""
        with self._state(version) as state:
            return replay.has_write_permission(state, account, stream, key)

    def is_admin(self, account: Address, stream: bytes, version: int | None = None) -> bool:
        with self._state(version) as state:
            return state.is_admin(account, stream)

    def is_writer(self, account: Address, stream: bytes, version: int | None = None) -> bool:
        """Whether the account was made a writer of the whole stream."""
        with self._state(version) as state:
            return state.is_writer(account, stream)

    def is_special_key(self, stream: bytes, key: Key, version: int | None = None) -> bool:
        with self._state(version) as state:
            return state.is_special_key(stream, key)

    def is_key_writer(self, account: Address, stream: bytes, key: Key, version: int | None = None) -> bool:
        """Whether the account was made a special writer of the key."""
        with self._state(version) as state:
            return state.is_key_writer(account, stream, key)

    # --- the whole

    def copy_to(self, folder: Path) -> None:
        """Leave a copy in `folder`, as of one moment, while all goes on. Blocks. Raises `OSError`, `StoreDamagedError`."""
        make_private_folder(folder)
        make_private_folder(folder / DATA_FOLDER)
        with self._filing:  # No file is begun or appended to meanwhile.
            self._catalogue.copy_to(folder / CATALOGUE_FILE)
            save_followed(folder, self._chosen)
            last = max(self._files.numbers(), default=0)
            for number in self._files.numbers():
                source, target = self._files.path(number), folder / DATA_FOLDER / self._files.path(number).name
                if number == last:
                    shutil.copyfile(source, target)
                else:
                    _link(source, target)  # It does not change any more.

    def statistics(self) -> Mapping[str, int]:
        """Counters by name: items that wait and that are settled, the next sequence, whether the disk failed."""
        return self._lookup.sizes() | {"failed": int(self.failure is not None)}


def _latest(version: int | None) -> int:
    return LATEST if version is None else min(version, LATEST)


def _only(found: list[Found]) -> Found | None:
    return found[0] if found else None


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # Another file system.
        shutil.copyfile(source, target)
