"""A disk without room: the calls of that moment fail, nothing of them is held, reading goes on, and writing as soon as there is room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import block_hash, some_file, submissions_of
from zerog.storage.node.store import BlockMark, Store, StoreFullError, StoreOptions
from zerog.storage.protocol.units import SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=2 << 20)
BEFORE = some_file("before", 2 * SEGMENT_BYTES)
LARGE = some_file("large", 12 * SEGMENT_BYTES)


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """No process of this one's may write a file beyond that: the system answers as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [SEGMENT_BYTES * 2 + 4000, 1_500_000])
async def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await store.put(BEFORE.segments)
        sizes = {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()}
        with files_no_larger_than(limit):
            with pytest.raises(StoreFullError) as caught:
                await store.put(LARGE.segments)
            assert (caught.value.code, caught.value.http_status) == ("store_full", 507)
            assert store.held_count(LARGE.root) == 0
            assert len(store.held(LARGE.root)) == 0
            assert store.read(BEFORE.root, 1) == BEFORE.uploaded(1)
            store.record(BlockMark(1, block_hash(1)), submissions_of([BEFORE], first_seq=0, block=1), b"")
        assert {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()} == sizes
        assert store.failure is None
        await store.put(LARGE.segments)
        assert all(store.read(LARGE.root, index) == LARGE.uploaded(index) for index in range(12))
    audit(tmp_path)


async def test_no_room_for_the_first_group(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        with files_no_larger_than(100_000), pytest.raises(StoreFullError):
            await store.put(LARGE.segments)
        await store.put(BEFORE.segments)
        assert store.read(BEFORE.root, 0) == BEFORE.uploaded(0)
    audit(tmp_path)


async def test_no_room_for_the_catalogue(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        await store.put(BEFORE.segments)
        sizes = {path.stat().st_size for path in (tmp_path / "data").iterdir()}
        (pages,) = store._catalogue._writer.execute("PRAGMA page_count").fetchone()
        store._catalogue._writer.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        many = [segment for number in range(200) for segment in some_file(number, 300).segments]
        with pytest.raises(StoreFullError):
            await store.put(many)
        with pytest.raises(StoreFullError):
            store.record(BlockMark(1, block_hash(1)), submissions_of([BEFORE] * 100, first_seq=0, block=1), bytes(20_000))
        assert store.next_seq == 0
        assert {path.stat().st_size for path in (tmp_path / "data").iterdir()} == sizes
        assert store.held_count(many[0].root) == 0
        assert store.read(BEFORE.root, 0) == BEFORE.uploaded(0)
        store._catalogue._writer.execute("PRAGMA max_page_count = 1000000").fetchone()
        await store.put(many)
        assert all(store.read(segment.root, 0) == segment.data for segment in many)
    audit(tmp_path)


async def test_a_store_takes_no_more_than_it_may(tmp_path: Path) -> None:
    options = StoreOptions(data_file_bytes_max=1 << 20, disk_bytes_max=8 * SEGMENT_BYTES)
    first, second = some_file("first", 6 * SEGMENT_BYTES), some_file("second", 5 * SEGMENT_BYTES)
    with Store.open(tmp_path, options=options) as store:
        store.record(BlockMark(1, block_hash(1)), submissions_of([first, second], first_seq=0, block=1), b"")
        await store.put(first.segments)
        with pytest.raises(StoreFullError, match="may take up"):
            await store.put(second.segments)
        assert store.held_count(second.root) == 0
    with Store.open(tmp_path, options=options) as store:
        with pytest.raises(StoreFullError):
            await store.put(second.segments)
        store.prune(0)
        await store.put(second.segments[:4])
        assert list(store.held(second.root)) == [0, 1, 2, 3]
    audit(tmp_path)


def test_options_that_leave_no_room_for_a_segment_are_refused() -> None:
    with pytest.raises(ValueError, match="room for a segment"):
        StoreOptions(data_file_bytes_max=SEGMENT_BYTES)
