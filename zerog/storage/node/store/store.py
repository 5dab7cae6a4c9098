"""A storage node's store: the log of the chain, and segments of files by the file's root, durable when answered, checked when read."""

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import structlog

from zerog._kernel import segment_root
from zerog.primitives import Hash32
from zerog.runtime.files import FileLock, make_private_folder
from zerog.storage.node.store.catalogue import CATALOGUE_FILE, Catalogue, refusal_of
from zerog.storage.node.store.chain_log import ChainLog
from zerog.storage.node.store.compaction import Compaction, CompactionStep
from zerog.storage.node.store.copying import copy_data_files
from zerog.storage.node.store.data_files import DataFiles, sync_folder
from zerog.storage.node.store.errors import StoreDamagedError, StoreFailedError
from zerog.storage.node.store.held import Held
from zerog.storage.node.store.lives import Lives
from zerog.storage.node.store.mending import Mender
from zerog.storage.node.store.rebuild import open_catalogue
from zerog.storage.node.store.records import (
    BlockMark,
    SegmentWrite,
    StoredSegment,
    StoredSubmission,
    StoreOptions,
    sectors_of_segment,
    split_hashes,
)
from zerog.storage.node.store.scrub import PROOF_DAMAGED, Scrubber
from zerog.storage.node.store.segment_index import Located, Record, SegmentIndex
from zerog.storage.node.store.shedding import ShedCursor, Shedding
from zerog.storage.node.store.writer import Writer
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import HASH_BYTES

__all__ = ["Store"]

log = structlog.get_logger(__name__)

LOCK_FILE: Final = "lock"
DATA_FOLDER: Final = "data"
LOGGED_MAX: Final = 10
"""Damaged segments that are told of one by one, of those that were found together."""

OnDamage = Callable[[Sequence[tuple[Hash32, int]]], None]
"""Takes roots of files and indexes of segments."""


def nobody(_segments: Sequence[tuple[Hash32, int]]) -> None:
    """Hears of nothing."""


SWEEPS_AT_START: Final = 16
"""Transactions, so that a start takes no time even where millions of segments were dropped right before."""


class Store:
    """One store in one folder, for one process. All methods may be called from any thread; `put` belongs to one event loop."""

    def __init__(self, folder: Path, catalogue: Catalogue, files: DataFiles, options: StoreOptions) -> None:
        """For `open`."""
        self.folder = folder
        self._catalogue = catalogue
        self._files = files
        self._log = ChainLog(catalogue, options.marks_max)
        self._index = SegmentIndex(catalogue)
        self._sweeping = threading.Lock()
        self.damage = self._index.damage
        """Which segments were held, turned out damaged and are not here again."""
        self.on_damage: OnDamage = nobody
        """Hears at once, in whichever thread it was noticed, of segments that are held no longer because they are damaged."""
        self._mender = Mender(self._index, files)
        self.scrubber = Scrubber(catalogue, files, self._index, self._mender, self._lose)
        """Looks for damage that no read has met."""
        self._resources = ExitStack()
        self._writer = Writer(catalogue, files, self._index, options, disk_bytes=self._take_up_data_files())
        self.lives = Lives(catalogue, self._log, self._index)
        """What has expired, and what was extended."""
        self._shedding = Shedding(catalogue, self._log, self._index)
        self._compacting = threading.Lock()
        self._compaction = Compaction(self._index, self._writer, self.read_with_proof, data_file_bytes_max=options.data_file_bytes_max)

    @classmethod
    def open(cls, folder: Path | None, *, options: StoreOptions | None = None) -> Self:
        """Open or create the store in `folder`; `None` is a temporary folder that goes with the store, and does not wait for the disk.

        Takes moments whatever the size; only a catalogue that is damaged, or missing beside segments, is made anew from all of them.
        Raises `LockHeldError`, `StoreFormatError`, `StoreFailedError`.
        """
        options = options or StoreOptions(durable=folder is not None)
        try:
            try:
                return cls._open(folder, options)
            except StoreDamagedError as error:  # Met beyond the catalogue's head, and noted there: the second opening makes it anew.
                log.warning("store_catalogue_damaged", folder=str(folder), cause=error.cause)
                return cls._open(folder, options)
        except OSError as error:
            raise refusal_of(error) from error

    @classmethod
    def _open(cls, folder: Path | None, options: StoreOptions) -> Self:
        with ExitStack() as resources:
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix="zerog-store-"))
                resources.callback(shutil.rmtree, folder, ignore_errors=True)
            make_private_folder(folder)
            resources.enter_context(FileLock.acquire(folder / LOCK_FILE, command="storage node"))
            make_private_folder(folder / DATA_FOLDER)
            files = DataFiles(folder / DATA_FOLDER, size_bytes_max=options.data_file_bytes_max, durable=options.durable)
            resources.callback(files.close)
            catalogue = open_catalogue(folder, files, durable=options.durable)
            resources.callback(catalogue.close)
            if options.durable:
                sync_folder(folder)
                sync_folder(folder.parent)
            store = cls(folder, catalogue, files, options)
            resources.callback(store._writer.close)
            store._sweep(SWEEPS_AT_START)
            store._resources = resources.pop_all()
        return store

    def _take_up_data_files(self) -> int:
        """Go on where the catalogue says that the last group ended. Returns the bytes that the data files take up."""
        known = self._index.data_files()
        self._files.delete(set(self._files.numbers()) - set(known))
        for number, end in known.items():
            found = self._files.size_bytes(number)
            if found < end:
                log.error("store_data_file_cut", path=str(self._files.path(number)), size_bytes=found, expected_bytes=end)
        tail = self._index.tail()
        if tail is not None and self._files.size_bytes(tail.number) < tail.end:
            self._index.seal(tail.number)  # What is missing in it is found when it is read; nothing is added behind a gap.
            tail = None
        self._files.go_on(tail, max(known, default=0))
        return sum(known.values())

    def close(self) -> None:
        """Write what waits and let go of the folder. Blocks."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def flow_checkpoint(self) -> bytes | None:
        """State of the flow's tree at `mark()`."""
        return self._log.flow_checkpoint()

    def record(self, mark: BlockMark, submissions: Sequence[StoredSubmission], flow_checkpoint: bytes) -> None:
        """Add what the log has up to `mark`, durably. Raises `ValueError` where it does not follow on what is there, `StoreFailedError`."""
        self._log.record(mark, submissions, flow_checkpoint)

    def unwind(self, number: int) -> bytes | None:
        """Forget all that was read after the newest mark that is not above block `number`; segments stay.

        Returns the flow's checkpoint there; `None` when nothing of the log is left. Raises `StoreFailedError`.
        """
        return self._log.unwind(number)

    @property
    def next_seq(self) -> int:
        """Sequence of the submission that comes next."""
        return self._log.next_seq

    def submission(self, seq: int) -> StoredSubmission | None:
        return self._log.submission(seq)

    def submissions(self, first_seq: int, count: int) -> list[StoredSubmission]:
        """At most `count` submissions from `first_seq` on, in their order."""
        return self._log.submissions(first_seq, count)

    def submission_at_sector(self, sector: int) -> StoredSubmission | None:
        """The submission that a sector of the flow belongs to; gaps belong to none."""
        return self._log.submission_at_sector(sector)

    def seqs_of(self, root: Hash32) -> list[int]:
        """Sequence numbers of all submissions of a file, pruned or not, ascending."""
        return self._log.seqs_of(root)

    def prune(self, seq: int) -> None:
        """Mark a submission as pruned, and drop the file's segments when no other submission needs them.

        The file is gone at once; space on the disk comes back in whole data files. Raises `StoreFailedError`.
        """
        with self._catalogue.transaction() as connection:
            root = self._log.prune(connection, seq)
            if root is not None:
                self._index.drop(connection, root)
        if root is not None:
            self._index.forget(root)
            self._sweep()

    def drop(self, root: Hash32) -> bool:
        """Drop the segments of a file that no submission needs, as after a reorganisation; whether it is so. Raises `StoreFailedError`."""
        with self._catalogue.transaction() as connection:
            if self._log.is_needed(connection, root):
                return False
            self._index.drop(connection, root)
        self._index.forget(root)
        self._sweep()
        return True

    def orphans(self, count: int) -> list[Hash32]:
        """At most `count` roots of files that are held and of which there is no submission. Blocks."""
        return self._index.orphans(count)

    def _sweep(self, sweeps_max: int = sys.maxsize) -> bool:
        """Delete the rows of dropped files and the data files in which nothing is left; also what was interrupted before.

        Whether there may be more to delete. Raises `StoreFailedError`.
        """
        with self._sweeping:
            count = 0
            while count < sweeps_max and self._index.sweep():
                count += 1
            empty = self._index.forget_empty_data_files()
            self._files.delete(empty)
            self._writer.freed(sum(empty.values()))
        return count == sweeps_max

    def sweep_some(self) -> bool:
        """Delete some of what was dropped, in one short transaction; whether there may be more. Blocks. Raises `StoreFailedError`."""
        return self._sweep(1)

    def shed(self, cursor: ShedCursor, shard: Shard) -> ShedCursor | None:
        """Drop some of what no submission needs in `shard`, in one short transaction; where to go on, `None` when all files were seen.

        Begin with `ShedCursor()`, and only while the log of the chain is known to its tip. Blocks. Raises `StoreFailedError`.
        """
        return self._shedding.step(cursor, shard)

    @property
    def live_bytes(self) -> int:
        """Bytes of data files that are held, with headers and proofs."""
        statistics = self._index.statistics()
        return statistics["data_file_bytes"] - statistics["dead_bytes"]

    def compact(self, *, dead_share: float, bytes_max: int) -> CompactionStep:
        """Take a step towards giving back the space of what was dropped: delete what is dead, or move what is live in a sparse data file.

        Data files of which at least `dead_share` (0 to 1) is dead are sparse; about `bytes_max` are moved. All else goes on meanwhile.
        Blocks. Raises `StoreFailedError`.
        """
        with self._compacting:
            if self._sweep(1):
                return CompactionStep()
            step = self._compaction.step(dead_share=dead_share, bytes_max=bytes_max)
            self._sweep(1)
        return step

    # --- segments

    async def put(self, segments: Iterable[SegmentWrite]) -> None:
        """Keep segments; returns when they are durable. Waits while the disk is busy; what is held already is passed over.

        Raises `StoreFullError`: none of them was written, and it can be tried again; `StoreFailedError`: nothing is written any more.
        """
        await self._writer.put(tuple(segments))

    def has(self, root: Hash32, index: int) -> bool:
        """Whether a segment is held."""
        return index in self._index.held(root)

    def held(self, root: Hash32) -> Held:
        """Which segments of a file are held."""
        return self._index.held(root)

    def held_count(self, root: Hash32) -> int:
        """How many segments of a file are held."""
        return self._index.held_count(root)

    def read(self, root: Hash32, index: int, *, size_bytes: int | None = None) -> bytes | None:
        """A segment as it was put, or `None` if it is not held. Blocks: for a thread.

        Files that differ in their last zeros share a root: with `size_bytes` the segment is as long as it is in a file of that size.
        Bytes that do not have the stored root are never returned: the segment then counts as not held, so that it can be brought again.
        """
        found = self._read_data(root, index)
        if found is None:
            return None
        return found[1] if size_bytes is None else _fitted(found[1], size_bytes, index)

    def read_with_proof(self, root: Hash32, index: int, *, size_bytes: int | None = None) -> StoredSegment | None:
        """As `read`, with the proof, which is checked as well."""
        while (found := self._read_data(root, index)) is not None:
            located, data = found
            segment = StoredSegment(
                root=root,
                index=index,
                padded_sectors=located.padded_sectors,
                data=data,
                segment_root=located.segment_root,
                siblings=self._read_siblings(located),
            )
            if segment.leads_to_root():
                return segment if size_bytes is None else replace(segment, data=_fitted(data, size_bytes, index))
            if not self._is_elsewhere(root, index, located) and not self._mend_proof(Record(root, index, located)):
                return None
        return None

    def _read_data(self, root: Hash32, index: int) -> tuple[Located, bytes] | None:
        """A segment and where it lies. What is moved to another place while it is read is looked for there."""
        while (located := self._index.locate(root, index)) is not None:
            place, cause = located.place, "its bytes do not have its root"
            try:
                data = self._files.read(place.data_file, place.data_offset, place.data_bytes)
            except OSError as error:
                data, cause = b"", error.strerror or str(error)
            sectors = sectors_of_segment(located.padded_sectors, index)
            if len(data) == place.data_bytes and segment_root(data, sectors) == located.segment_root:
                return located, data
            if not self._is_elsewhere(root, index, located):
                self._lose([Record(root, index, located)], cause)
                return None
        return None

    def _mend_proof(self, record: Record) -> bool:
        """Write a damaged proof again if all is known that leads to it, or hold the segment no longer."""
        if self._mender.proof(record) and self._leads_to_root(record):
            return True
        self._lose([record], PROOF_DAMAGED)
        return False

    def _leads_to_root(self, record: Record) -> bool:
        """Whether the siblings of a record are what they should be now."""
        located = record.located
        segment = StoredSegment(
            root=record.root,
            index=record.index,
            padded_sectors=located.padded_sectors,
            data=b"",
            segment_root=located.segment_root,
            siblings=self._read_siblings(located),
        )
        return segment.leads_to_root()

    def _is_elsewhere(self, root: Hash32, index: int, located: Located) -> bool:
        """Whether a segment does not lie any more where it was looked for."""
        return self._index.locate(root, index) != located

    def _read_siblings(self, located: Located) -> tuple[Hash32, ...]:
        place = located.place
        with suppress(OSError):
            raw = self._files.read(place.data_file, place.siblings_offset, HASH_BYTES * place.siblings)
            return split_hashes(raw)
        return ()

    def _lose(self, records: Sequence[Record], cause: str) -> int:
        """Hold segments no longer that cannot be read as they were written; how many still lay where they were found.

        Where the catalogue cannot be changed they are found again: what is read is checked each time.
        """
        try:
            gone = self._index.discard(records)
        except StoreFailedError as error:
            log.warning("store_damage_not_noted", segments=len(records), cause=cause, refusal=str(error))
            return 0
        for record in gone[:LOGGED_MAX]:
            place = record.located.place
            path = str(self._files.path(place.data_file))
            log.error("store_segment_corrupt", root=str(record.root), index=record.index, path=path, offset=place.offset, cause=cause)
        if len(gone) > LOGGED_MAX:
            log.error("store_segments_corrupt", segments=len(gone), cause=cause)
        if gone:
            self.on_damage([(record.root, record.index) for record in gone])
        return len(gone)

    def copy_to(self, folder: Path) -> None:
        """Leave a copy in `folder`, as of one moment, while all goes on. Blocks. Raises `OSError`, `StoreDamagedError`."""
        make_private_folder(folder)
        make_private_folder(folder / DATA_FOLDER)
        with self._sweeping:  # No data file is deleted meanwhile.
            self._catalogue.copy_to(folder / CATALOGUE_FILE)
            copy_data_files(self._files, folder / CATALOGUE_FILE, folder / DATA_FOLDER)

    def statistics(self) -> Mapping[str, int]:
        """Counters by name: files, segments and bytes held, data files, bytes dead in them, groups written, segments found corrupt."""
        return self._index.statistics() | {"groups": self._writer.groups, "failed": int(self.failure is not None)}


def _fitted(data: bytes, size_bytes: int, index: int) -> bytes:
    """A segment as it is in a file of `size_bytes`: sectors of zeros are added or taken off at its end."""
    wanted = uploaded_bytes_of_segment(size_bytes, index)
    return data if len(data) == wanted else data.ljust(wanted, b"\0")[:wanted]
