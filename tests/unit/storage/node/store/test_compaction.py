"""Data files with gaps are rewritten: the space comes back, what is held stays held and readable, whatever else goes on."""

import errno
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, block_hash, some_file, submissions_of
from tests.unit.storage.node.store.test_damage import flip
from zerog.storage.node.store import BlockMark, SegmentWrite, ShedCursor, Store, StoredSegment, StoreFullError, StoreOptions
from zerog.storage.node.store.catalogue import APPLICATION_ID, SCHEMA
from zerog.storage.node.store.data_files import Appended
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=1 << 20)
"""Three whole segments fill a data file."""
FILES = [some_file(f"compacted {number}", SEGMENT_BYTES) for number in range(9)]


async def fill(store: Store, *, pruned: range) -> None:
    """Nine files of a segment each in three data files, and those of `pruned` gone again."""
    store.record(BlockMark(1, block_hash(1)), submissions_of(FILES, first_seq=0, block=1), b"")
    for file in FILES:
        await store.put(file.segments)
    for seq in pruned:
        store.prune(seq)


def close_gaps(store: Store, *, dead_share: float = 0.3, bytes_max: int = 1 << 20) -> int:
    """Steps until there is nothing to do; how many bytes were moved."""
    moved = 0
    while not (step := store.compact(dead_share=dead_share, bytes_max=bytes_max)).is_idle:
        moved += step.moved_bytes
    return moved


async def close_gaps_in_thread(store: Store) -> None:
    await to_thread.run_sync(close_gaps, store)


def require_held(store: Store, files: list[SampleFile]) -> None:
    for file in files:
        found = store.read_with_proof(file.root, 0)
        assert found is not None
        assert (found.data, found.proof) == (file.uploaded(0), file.tree.segment_proof(0))


async def test_space_comes_back_and_what_is_held_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        before = store.statistics()
        moved = close_gaps(store)
        after = store.statistics()
        require_held(store, FILES[1::2])
        assert (before["data_files"], before["dead_bytes"] > 4 * SEGMENT_BYTES) == (3, True)
        assert (after["data_files"], after["segments"], after["moved_bytes"]) == (2, 4, moved)
        assert after["data_file_bytes"] - after["dead_bytes"] == before["data_file_bytes"] - before["dead_bytes"]
        assert after["given_back_bytes"] > 2 * SEGMENT_BYTES
    audit(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        require_held(store, FILES[1::2])


async def test_a_file_of_which_less_is_dead_is_left_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(1))
        assert close_gaps(store, dead_share=0.5) == 0
        assert store.statistics()["moved_segments"] == 0
        assert close_gaps(store, dead_share=0.3) > SEGMENT_BYTES


async def test_the_last_data_file_is_given_up_when_much_of_it_is_dead(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(9))
        close_gaps(store)
        assert (store.statistics()["data_files"], list((tmp_path / "data").iterdir())) == (0, [])
        await store.put(FILES[0].segments)
        require_held(store, FILES[:1])
    audit(tmp_path)


async def test_a_full_store_makes_room_by_itself(tmp_path: Path) -> None:
    """Dead bytes count against the limit until they are given back; moving what is live may pass it for a moment."""
    options = StoreOptions(data_file_bytes_max=1 << 20, disk_bytes_max=10 * SEGMENT_BYTES)
    extra = [some_file(f"extra {number}", SEGMENT_BYTES) for number in range(4)]
    with Store.open(tmp_path, options=options) as store:
        await fill(store, pruned=range(0, 9, 2))
        with pytest.raises(StoreFullError):
            await store.put([segment for file in extra for segment in file.segments])
        close_gaps(store)
        await store.put([segment for file in extra for segment in file.segments])
        require_held(store, FILES[1::2] + extra)
        assert store.statistics()["data_file_bytes"] <= 10 * SEGMENT_BYTES


async def test_a_damaged_segment_is_not_moved_but_held_no_longer(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        located = store._index.locate(FILES[1].root, 0)
        assert located is not None
        flip(store._files.path(located.place.data_file), located.place.data_offset + 7)
        close_gaps(store)
        assert not store.has(FILES[1].root, 0)
        assert store.statistics()["corrupt_segments"] == 1
        require_held(store, FILES[3::2])
        await store.put(FILES[1].segments)
        require_held(store, FILES[1::2])
    audit(tmp_path)


async def interrupted(store: Store, during: Callable[[], None]) -> None:
    """Close gaps, and do something between the reading of a segment and the note of its new place."""
    read = store._compaction._read

    def read_and_interrupt(root: bytes, index: int) -> StoredSegment | None:
        found = read(root, index)  # type: ignore[arg-type]
        during()
        return found

    store._compaction._read = read_and_interrupt  # type: ignore[misc]
    await to_thread.run_sync(close_gaps, store)


async def test_a_file_that_is_pruned_while_it_is_moved_stays_pruned(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        with anyio.fail_after(20):
            await interrupted(store, lambda: store.prune(1))
        assert not store.has(FILES[1].root, 0)
        require_held(store, FILES[3::2])
    audit(tmp_path)


async def test_a_read_that_finds_its_file_gone_looks_again(tmp_path: Path) -> None:
    """The segment moves, and its data file is deleted, between look-up and read."""
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        locate = store._index.locate
        moved: list[object] = []

        def locate_and_move(root: object, index: int) -> object:
            located = locate(root, index)  # type: ignore[arg-type]
            if not moved:
                moved.append(located)
                close_gaps(store)
            return located

        store._index.locate = locate_and_move  # type: ignore[method-assign, assignment]
        require_held(store, FILES[1:2])
        assert moved[0] != locate(FILES[1].root, 0)
        assert store.statistics()["corrupt_segments"] == 0


async def test_reads_and_writes_go_on_meanwhile(tmp_path: Path) -> None:
    extra = [some_file(f"beside {number}", 3000 * (number + 1)) for number in range(40)]
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close_gaps_in_thread, store)
            for file in extra:
                tasks.start_soon(store.put, file.segments)
                await to_thread.run_sync(require_held, store, FILES[1::2])
        require_held(store, FILES[1::2] + extra)
    audit(tmp_path)


async def test_a_copy_that_is_made_meanwhile_is_whole(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close_gaps_in_thread, store)
            await to_thread.run_sync(store.copy_to, tmp_path / "copy")
    audit(tmp_path / "copy")
    with Store.open(tmp_path / "copy", options=OPTIONS) as copy:
        require_held(copy, FILES[1::2])


async def test_a_catalogue_of_version_1_is_taken_up_and_the_log_read_again(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(2))
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        old = sqlite3.connect(tmp_path / "old.sqlite", isolation_level=None)
        old.executescript(f"{SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
        for table in ("submissions", "marks", "files", "segments", "data_files"):
            for row in catalogue.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names.
                old.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608 - as above.
        old.execute("UPDATE counters SET value = 7 WHERE name IN ('files', 'segments')")
        old.close()
    (tmp_path / "old.sqlite").rename(tmp_path / "catalogue.sqlite")
    with Store.open(tmp_path, options=OPTIONS) as store:
        require_held(store, FILES[2:])
        assert (store.mark(), store.next_seq) == (None, 0)
        assert close_gaps(store) > 0
    audit(tmp_path)


async def test_a_large_file_goes_in_short_transactions(tmp_path: Path) -> None:
    """It is not held from the first moment; its rows follow, some thousands at a time."""
    count = 10_000
    large = submissions_of([some_file("large", 256)], first_seq=0, block=1)[0]
    segment = replace(some_file("large", 256).segments[0], size_bytes=count * SEGMENT_BYTES)
    with Store.open(tmp_path, options=OPTIONS) as store:
        store.record(BlockMark(1, block_hash(1)), [large], b"")
        await store.put([segment])
        located = store._index.locate(segment.root, 0)
        assert located is not None
        rest = [replace(segment, index=index) for index in range(1, count)]
        store._index.add(rest, Appended([located.place] * len(rest), {1: located.place.end}))
        store.lives.expire([0], 5)
        assert (store.lives.drop_due(4, 10), store.held_count(segment.root)) == (0, count)
        assert (store.lives.drop_due(5, 10), store.held_count(segment.root)) == (1, 0)
        sweeps = 0
        while store.sweep_some():
            sweeps += 1
            assert store.statistics()["dropped_segments"] <= sweeps * 4096
        assert (sweeps, store.statistics()["dropped_segments"]) == (3, count)


async def test_what_is_dropped_of_a_shard_goes_in_short_transactions_too(tmp_path: Path) -> None:
    """A walk that is broken off anywhere, as by a kill, is done again from the beginning and finds what is left."""
    count = 9_000
    large = submissions_of([some_file("large", 256)], first_seq=0, block=1)[0]
    segment = replace(some_file("large", 256).segments[0], size_bytes=count * SEGMENT_BYTES)
    with Store.open(tmp_path, options=OPTIONS) as store:
        store.record(BlockMark(1, block_hash(1)), [large], b"")
        await store.put([segment])
        located = store._index.locate(segment.root, 0)
        assert located is not None
        rest = [replace(segment, index=index) for index in range(1, count)]
        store._index.add(rest, Appended([located.place] * len(rest), {1: located.place.end}))
        cursor: ShedCursor | None = store.shed(ShedCursor(), Shard(2, 1))
        assert cursor is not None
        assert (cursor.dropped, store.held_count(segment.root)) == (2_048, count - 2_048)
    with Store.open(tmp_path, options=OPTIONS) as store:
        cursor = ShedCursor()
        while cursor is not None:
            cursor = store.shed(cursor, Shard(2, 1))
        assert list(store.held(segment.root)) == list(range(1, count, 2))


async def test_a_disk_that_is_full_puts_it_off(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        append = store._files.append

        def append_nothing(segments: Sequence[SegmentWrite]) -> Appended:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        store._files.append = append_nothing  # type: ignore[method-assign]
        with pytest.raises(StoreFullError):
            close_gaps(store)
        assert store.failure is None
        require_held(store, FILES[1::2])
        store._files.append = append  # type: ignore[method-assign]
        assert close_gaps(store) > 0
        require_held(store, FILES[1::2])
    audit(tmp_path)
