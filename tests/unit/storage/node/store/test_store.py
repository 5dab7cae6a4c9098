"""The store of a storage node: what was put is held and read back, also after it was opened again, and nothing wrong is ever read."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.unit.storage.node.store.samples import SampleFile, some_file, submissions_of
from zerog.primitives import Hash32
from zerog.runtime.files import LockHeldError
from zerog.storage.node.store import BlockMark, SegmentWrite, Store, StoreOptions
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_BYTES

SMALL_FILES = StoreOptions(data_file_bytes_max=1 << 20)
"""Three whole segments fill a data file."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", options=SMALL_FILES) as store:
        yield store


def data_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "data").iterdir())


async def test_what_was_put_is_held_and_read_with_its_proof(store: Store) -> None:
    file = some_file("put", 5 * SEGMENT_BYTES + 1000)
    await store.put(file.segments)
    assert list(store.held(file.root)) == [0, 1, 2, 3, 4, 5]
    assert store.held_count(file.root) == 6
    for segment in file.segments:
        assert store.has(file.root, segment.index)
        assert store.read(file.root, segment.index) == segment.data
        found = store.read_with_proof(file.root, segment.index)
        assert found is not None
        assert found.data == segment.data
        assert found.proof == file.tree.segment_proof(segment.index)


async def test_it_is_all_there_after_opening_again(tmp_path: Path) -> None:
    file = some_file("again", 4 * SEGMENT_BYTES)
    with Store.open(tmp_path, options=SMALL_FILES) as store:
        await store.put(file.segments[:3])
    with Store.open(tmp_path, options=SMALL_FILES) as store:
        assert list(store.held(file.root)) == [0, 1, 2]
        await store.put(file.segments)
        assert [store.read(file.root, index) for index in range(4)] == [segment.data for segment in file.segments]


@pytest.mark.parametrize("index", [-1, 1, 1 << 62, 1 << 63, 1 << 70])
async def test_what_was_not_put_is_not_held(store: Store, index: int) -> None:
    file = some_file("one", 100)
    await store.put(file.segments)
    assert not store.has(file.root, index)
    assert store.read(file.root, index) is None
    assert store.read_with_proof(file.root, index) is None
    assert store.read(Hash32(bytes(32)), 0) is None


async def test_the_same_segment_twice_takes_room_once(store: Store) -> None:
    file = some_file("twice", 2 * SEGMENT_BYTES)
    await store.put([*file.segments, *file.segments])
    before = store.statistics()
    await store.put(file.segments)
    assert {**store.statistics(), "groups": 0} == {**before, "groups": 0}
    assert before["segments"] == 2


async def test_files_that_differ_in_their_last_zeros_share_segments(store: Store) -> None:
    shorter = some_file("zeros", 17 * SECTOR_BYTES)
    longer = SampleFile(shorter.data + bytes(SECTOR_BYTES))
    assert longer.root == shorter.root
    await store.put(shorter.segments)
    await store.put(longer.segments)
    assert store.statistics()["segments"] == 1
    for file in (shorter, longer):
        assert store.read(file.root, 0, size_bytes=len(file.data)) == file.data
        found = store.read_with_proof(file.root, 0, size_bytes=len(file.data))
        assert found is not None
        assert found.data == file.data


async def test_many_at_once_share_a_wait_for_the_disk(store: Store) -> None:
    files = [some_file(number, 4096) for number in range(400)]
    async with anyio.create_task_group() as tasks:
        for file in files:
            tasks.start_soon(store.put, file.segments)
    assert all(store.read(file.root, 0) == file.data for file in files)
    statistics = store.statistics()
    assert (statistics["files"], statistics["segments"]) == (400, 400)
    assert statistics["groups"] < 100


async def test_a_data_file_is_sealed_when_it_is_full_and_deleted_when_it_is_dead(store: Store) -> None:
    first, second = some_file("first", 3 * SEGMENT_BYTES), some_file("second", 3 * SEGMENT_BYTES)
    store.record(BlockMark(1, Hash32(bytes(32))), submissions_of([first, second], first_seq=0, block=1), b"")
    await store.put(first.segments)
    await store.put(second.segments)
    assert data_files(store.folder) == ["00000001.segments", "00000002.segments"]
    store.prune(0)
    assert data_files(store.folder) == ["00000002.segments"]
    assert store.held_count(first.root) == 0
    assert len(store.held(first.root)) == 0
    assert store.read(first.root, 0) is None
    assert [store.read(second.root, index) for index in range(3)] == [segment.data for segment in second.segments]


async def test_a_root_is_kept_while_one_of_its_submissions_is_not_pruned(store: Store) -> None:
    file = some_file("both", 2 * SEGMENT_BYTES)
    store.record(BlockMark(1, Hash32(bytes(32))), submissions_of([file, file], first_seq=0, block=1), b"")
    await store.put(file.segments)
    store.prune(0)
    assert store.held_count(file.root) == 2
    assert not store.drop(file.root)
    store.prune(1)
    assert store.held_count(file.root) == 0
    assert [entry.pruned for entry in store.submissions(0, 10)] == [True, True]
    await store.put(file.segments)
    assert store.read(file.root, 1) == file.segments[1].data


async def test_a_file_that_no_submission_needs_can_be_dropped(store: Store) -> None:
    file = some_file("orphan", 300)
    await store.put(file.segments)
    assert store.drop(file.root)
    assert not store.has(file.root, 0)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Store.open(tmp_path), pytest.raises(LockHeldError):
        Store.open(tmp_path)
    Store.open(tmp_path).close()


async def test_a_temporary_store_leaves_nothing(tmp_path: Path) -> None:
    with Store.open(None) as store:
        file = some_file("temporary", 1000)
        await store.put(file.segments)
        assert store.has(file.root, 0)
        assert store.folder.exists()
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("size_bytes", "index", "data_bytes"),
    [(256, 0, 0), (256, 0, 255), (256, 0, 512), (256, 1, 256), (256, -1, 256), (1 << 30, 0, SEGMENT_BYTES + SECTOR_BYTES)],
)
def test_a_segment_that_no_file_has_is_refused(size_bytes: int, index: int, data_bytes: int) -> None:
    root = Hash32(bytes(32))
    with pytest.raises(ValueError, match="segment"):
        SegmentWrite(root=root, size_bytes=size_bytes, index=index, data=bytes(data_bytes), segment_root=root, siblings=())
