"""How fast a store gives back the room of what was dropped, alone and while uploads go on, and what that costs them."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from benchmarks.bench import Bench
from benchmarks.report import Row
from zerog.primitives import Address, Hash32
from zerog.storage.node.store import BlockMark, SegmentWrite, Store, StoredSubmission
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.units import SEGMENT_BYTES

__all__ = ["compaction"]

MIB: Final = 1 << 20
FILES: Final = 4_096
"""Of one segment: 1 GiB, of which every other file is dropped."""
DEAD_SHARE: Final = 0.4
STEP_BYTES: Final = 4 * MIB
UPLOADS: Final = 2_048
UPLOADS_AT_ONCE: Final = 8


def compaction(bench: Bench) -> None:
    """The peer copies the same bytes with `cp` and a sync, which says how fast the disk takes them."""
    with tempfile.TemporaryDirectory(prefix="benchmark-compaction-") as name:
        folder = Path(name)
        with Store.open(folder / "store") as store:
            alone = anyio.run(measure_alone, store)
            undisturbed, beside = anyio.run(measure_beside, store)
        copied = copy_pace(folder)
    bench.details["compaction"] = {"alone": alone, "uploads": undisturbed, "uploads_beside": beside, "cp": copied}
    note = f"uploads beside it: {beside:,.0f} MiB/s, alone {undisturbed:,.0f} MiB/s"
    bench.rows.append(Row("compaction of 1 GiB of which half is dead", "MiB/s", alone, copied, "reported", None, note))


async def measure_alone(store: Store) -> float:
    """Live MiB moved a second."""
    await fill(store, first=0)
    started = time.perf_counter()
    moved = await to_thread.run_sync(close_gaps, store)
    return moved / MIB / (time.perf_counter() - started)


async def measure_beside(store: Store) -> tuple[float, float]:
    """MiB a second of uploads, alone and beside a compaction that goes as fast as it can."""
    alone = await upload(store, first=10 * FILES)
    await fill(store, first=FILES)
    paces: list[float] = []

    async def uploads() -> None:
        paces.append(await upload(store, first=20 * FILES))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploads)
        await to_thread.run_sync(close_gaps, store)
    return alone, paces[0]


def close_gaps(store: Store) -> int:
    moved = 0
    while not (step := store.compact(dead_share=DEAD_SHARE, bytes_max=STEP_BYTES)).is_idle:
        moved += step.moved_bytes
    return moved


async def fill(store: Store, *, first: int) -> None:
    """Files of a segment, of which every other one is pruned again."""
    seq = store.next_seq
    entries = []
    for number in range(first, first + FILES):
        tree = tree_of(number)
        submission = tree.submission(tags=b"")
        entries.append(
            StoredSubmission(
                seq=seq + number - first,
                submission=submission,
                root=tree.root,
                start_sector=1024 * (number + 1),
                sender=Address(bytes(20)),
                transaction_hash=tree.root,
                block_number=first + 1,
                block_hash=tree.root,
            )
        )
    store.record(BlockMark(first + 1, Hash32(bytes(32))), entries, b"")
    await upload(store, first=first, count=FILES)
    store.lives.expire([entry.seq for entry in entries[::2]], 2)
    while store.lives.drop_due(2, 256):
        pass
    while store.sweep_some():
        pass


def tree_of(number: int) -> FileTree:
    return FileTree(data_of(number))


def data_of(number: int) -> bytes:
    return number.to_bytes(256) + bytes(SEGMENT_BYTES - 256)


def segments(first: int, count: int) -> Iterator[SegmentWrite]:
    for number in range(first, first + count):
        tree = tree_of(number)
        yield SegmentWrite(
            root=tree.root, size_bytes=SEGMENT_BYTES, index=0, data=data_of(number), segment_root=tree.segment_roots[0], siblings=()
        )


async def upload(store: Store, *, first: int, count: int = UPLOADS) -> float:
    """MiB a second, with some calls at once; their trees are grown before the clock runs."""
    left = iter(list(segments(first, count)))

    async def put() -> None:
        for segment in left:
            await store.put([segment])

    started = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(UPLOADS_AT_ONCE):
            tasks.start_soon(put)
    return count * SEGMENT_BYTES / MIB / (time.perf_counter() - started)


def copy_pace(folder: Path) -> float:
    """MiB a second of a copy of half a gibibyte, until it is durable."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(bytes(FILES // 2 * SEGMENT_BYTES))
    started = time.perf_counter()
    subprocess.run(["cp", "--reflink=never", str(source), str(target)], check=True)
    subprocess.run(["sync", str(target)], check=True)
    return FILES // 2 * SEGMENT_BYTES / MIB / (time.perf_counter() - started)
