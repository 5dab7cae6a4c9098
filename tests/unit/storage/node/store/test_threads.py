"""Many threads read while segments come and files are pruned: each read gives the right bytes or none, and nothing is taken for corrupt."""

from pathlib import Path
from random import Random

import anyio
from anyio import to_thread

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, block_hash, some_file, submissions_of
from zerog.storage.node.store import BlockMark, Store, StoreOptions
from zerog.storage.protocol.units import SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=1 << 20, queue_puts_max=4)
FILES = [some_file(f"threads {number}", size) for number in range(6) for size in (4096, 2 * SEGMENT_BYTES + 300)]
ROUNDS = 3
READERS = 2


class Traffic:
    """Readers, and a writer that submits, uploads and prunes all files again and again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_over = False
        self.reads_right = 0

    def read(self, seed: int) -> None:
        dice = Random(f"reader {seed}")
        while not self.is_over:
            file = dice.choice(FILES)
            index = dice.randrange(len(file.segments))
            found = self.store.read_with_proof(file.root, index)
            assert found is None or found.data == file.uploaded(index)
            assert self.store.read(file.root, index) in (None, file.uploaded(index))
            assert self.store.held_count(file.root) <= len(file.segments)
            self.reads_right += found is not None

    async def write(self) -> None:
        try:
            for number in range(ROUNDS):
                first_seq = self.store.next_seq
                await to_thread.run_sync(self.record, number, first_seq)
                async with anyio.create_task_group() as tasks:
                    for file in FILES:
                        tasks.start_soon(self.store.put, file.segments)
                assert all(self.store.held(file.root).has_all(range(len(file.segments))) for file in FILES)
                for seq in range(first_seq, first_seq + len(FILES)):
                    await to_thread.run_sync(self.store.prune, seq)
                assert not any(self.store.held_count(file.root) for file in FILES)
        finally:
            self.is_over = True

    def record(self, number: int, first_seq: int) -> None:
        self.store.record(BlockMark(number, block_hash(number)), submissions_of(FILES, first_seq=first_seq, block=number), b"")


async def test_readers_writers_and_pruning_together(tmp_path: Path) -> None:
    with Store.open(tmp_path, options=OPTIONS) as store:
        traffic = Traffic(store)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(traffic.write)
            for seed in range(READERS):
                tasks.start_soon(to_thread.run_sync, traffic.read, seed)
        assert traffic.reads_right > 0
        statistics = store.statistics()
        assert (statistics["corrupt_segments"], statistics["segments"], statistics["data_files"]) == (0, 0, 1)
    audit(tmp_path)


async def test_two_who_find_the_same_damage_count_it_once(tmp_path: Path) -> None:
    file = SampleFile(bytes(range(256)) * 8)
    with Store.open(tmp_path, options=OPTIONS) as store:
        await store.put(file.segments)
        (path,) = (tmp_path / "data").iterdir()
        path.write_bytes(bytes(path.stat().st_size))
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(read_in_thread, store, file)
        assert store.statistics()["corrupt_segments"] == 1
    audit(tmp_path)


async def read_in_thread(store: Store, file: SampleFile) -> None:
    assert await to_thread.run_sync(store.read, file.root, 0) is None
