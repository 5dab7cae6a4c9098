"""A copy of a store that is in use is a store of its own, as of one moment."""

from pathlib import Path

import anyio
from anyio import to_thread

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, block_hash, some_file, submissions_of
from zerog.storage.node.store import BlockMark, Store, StoreOptions
from zerog.storage.protocol.units import SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=1 << 20)
FILES = [some_file(number, 3 * SEGMENT_BYTES) for number in range(8)]


def is_held(store: Store, file: SampleFile) -> bool:
    """Whether all of a file is held, and reads back right."""
    held = [store.read(file.root, index) == file.uploaded(index) for index in store.held(file.root)]
    assert all(held)
    return len(held) == len(file.segments)


async def test_a_copy_goes_its_own_way(tmp_path: Path) -> None:
    first, second, third = FILES[:3]
    small = some_file("small", 1000)
    with Store.open(tmp_path / "store", options=OPTIONS) as store:
        store.record(BlockMark(1, block_hash(1)), submissions_of([first, second], first_seq=0, block=1), b"checkpoint")
        for file in (first, second, small):
            await store.put(file.segments)
        store.copy_to(tmp_path / "copy")
        store.prune(0)
        await store.put(third.segments)
        with Store.open(tmp_path / "copy", options=OPTIONS) as copy:
            assert [is_held(copy, file) for file in (first, second, third, small)] == [True, True, False, True]
            assert (copy.mark(), copy.flow_checkpoint()) == (BlockMark(1, block_hash(1)), b"checkpoint")
            copy.prune(1)
            await copy.put(FILES[3].segments)
            assert is_held(copy, FILES[3])
        assert [is_held(store, file) for file in (first, second, third, small)] == [False, True, True, True]
    audit(tmp_path / "store")
    audit(tmp_path / "copy")


async def test_a_copy_is_whole_while_much_is_written(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", options=OPTIONS) as store:
        await store.put(FILES[0].segments)
        async with anyio.create_task_group() as tasks:
            for file in FILES[1:]:
                tasks.start_soon(store.put, file.segments)
            for number in range(4):
                await to_thread.run_sync(store.copy_to, tmp_path / f"copy-{number}")
    for number in range(4):
        audit(tmp_path / f"copy-{number}")
        with Store.open(tmp_path / f"copy-{number}", options=OPTIONS) as copy:
            assert is_held(copy, FILES[0])
            assert all(is_held(copy, file) for file in FILES if copy.held_count(file.root))


async def test_a_copy_of_a_damaged_store_has_what_is_left(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", options=OPTIONS) as store:
        for file in FILES[:3]:
            await store.put(file.segments)
        (tmp_path / "store" / "data" / "00000002.segments").unlink()
        store.copy_to(tmp_path / "copy")
    with Store.open(tmp_path / "copy", options=OPTIONS) as copy:
        assert [is_held(copy, file) for file in (FILES[0], FILES[2])] == [True, True]
        assert copy.read(FILES[1].root, 0) is None
