"""The queue of the writer: who waits, who gets in, and what a call that is given up leaves behind."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import some_file
from zerog.storage.node.store import SegmentWrite, Store, StoreFailedError, StoreOptions
from zerog.storage.node.store.writer import Room
from zerog.storage.protocol.units import SEGMENT_BYTES

WAIT_S_MAX = 20.0


class Visitors:
    """Tasks that enter a room, and who is in."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.entered: list[str] = []

    async def enter(self, name: str, size_bytes: int, scope: anyio.CancelScope) -> None:
        with scope:
            await self.room.enter(size_bytes)
            self.entered.append(name)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(WAIT_S_MAX):
        while not condition():
            await checkpoint()


async def test_room_is_given_in_the_order_of_arrival() -> None:
    visitors = Visitors(Room(100, 10))
    async with anyio.create_task_group() as tasks:
        for name, size_bytes in (("first", 60), ("large", 90), ("small", 10), ("last", 5)):
            tasks.start_soon(visitors.enter, name, size_bytes, anyio.CancelScope())
            await anyio.wait_all_tasks_blocked()
        assert visitors.entered == ["first"]
        visitors.room.leave(60)
        await anyio.wait_all_tasks_blocked()
        assert visitors.entered == ["first", "large", "small"]
        visitors.room.leave(90)
    assert visitors.entered == ["first", "large", "small", "last"]


async def test_who_stops_waiting_lets_the_others_pass() -> None:
    visitors = Visitors(Room(100, 10))
    impatient = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        for name, size_bytes, scope in (("first", 60, anyio.CancelScope()), ("large", 90, impatient), ("small", 10, anyio.CancelScope())):
            tasks.start_soon(visitors.enter, name, size_bytes, scope)
            await anyio.wait_all_tasks_blocked()
        assert visitors.entered == ["first"]
        impatient.cancel()
    assert visitors.entered == ["first", "small"]


@pytest.mark.parametrize(("inside", "size_bytes", "count_max"), [((1000,), 1, 10), ((1, 1), 1, 2), ((60,), 41, 10)])
async def test_who_does_not_fit_waits(inside: Sequence[int], size_bytes: int, count_max: int) -> None:
    room = Room(100, count_max)
    for entering in inside:
        await room.enter(entering)
    with anyio.move_on_after(0) as scope:
        await room.enter(size_bytes)
    assert scope.cancelled_caught
    room.leave(inside[0])
    await room.enter(size_bytes)


async def put_within(store: Store, segments: Sequence[SegmentWrite], scope: anyio.CancelScope) -> None:
    with scope:
        await store.put(segments)


async def test_a_call_that_is_cancelled_in_the_queue_writes_nothing(tmp_path: Path) -> None:
    first, second = some_file("first", 1000), some_file("second", 1000)
    with Store.open(tmp_path) as store:
        async with anyio.create_task_group() as tasks:
            with store._catalogue._writing:  # The writer cannot finish a group meanwhile.
                tasks.start_soon(store.put, first.segments)
                await until(lambda: store._files.tail is not None and store._files.tail.end > 1000)
                scope = anyio.CancelScope()
                tasks.start_soon(put_within, store, second.segments, scope)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
        assert store.has(first.root, 0)
        assert not store.has(second.root, 0)
        await store.put(second.segments)
        assert store.has(second.root, 0)
    audit(tmp_path)


async def test_calls_beyond_the_queue_wait_and_are_all_carried_out(tmp_path: Path) -> None:
    options = StoreOptions(queue_bytes_max=SEGMENT_BYTES, queue_puts_max=2)
    files = [some_file(number, 100_000) for number in range(30)]
    with Store.open(tmp_path, options=options) as store:
        async with anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(store.put, file.segments)
        assert all(store.has(file.root, 0) for file in files)
        assert store.statistics()["groups"] >= 15
    audit(tmp_path)


async def test_closing_writes_what_waits_and_takes_nothing_more(tmp_path: Path) -> None:
    first, second = some_file("first", 1000), some_file("second", 1000)
    store = Store.open(tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.put, first.segments)
        await anyio.wait_all_tasks_blocked()
        store.close()
    with pytest.raises(StoreFailedError, match="closed"):
        await store.put(second.segments)
    with Store.open(tmp_path) as again:
        assert again.has(first.root, 0)
        assert not again.has(second.root, 0)


async def test_each_caller_gets_an_error_of_its_own(tmp_path: Path) -> None:
    """An error that is raised twice keeps the frames of both, and with them what they hold."""
    with Store.open(tmp_path, options=StoreOptions(disk_bytes_max=1000)) as store:
        errors: list[StoreFailedError] = []
        for _ in range(3):
            with pytest.raises(StoreFailedError) as caught:
                await store.put(some_file("any", 5000).segments)
            errors.append(caught.value)
        assert len({id(error) for error in errors}) == 3


async def test_what_was_written_is_not_kept_in_memory(tmp_path: Path) -> None:
    (segment,) = some_file("written", SEGMENT_BYTES).segments
    with Store.open(tmp_path) as store:
        before = sys.getrefcount(segment)
        await store.put([segment])
        await until(lambda: sys.getrefcount(segment) == before)


async def test_what_could_not_be_written_is_not_kept_in_memory(tmp_path: Path) -> None:
    (segment,) = some_file("not written", SEGMENT_BYTES).segments
    with Store.open(tmp_path) as store:
        await store.put(some_file("before", 300).segments)
        os.close(store._files._descriptor)
        store._files._descriptor = os.open(store._files.path(1), os.O_RDONLY)  # Into this nothing can be written.
        before = sys.getrefcount(segment)
        assert await failure_of(store, segment) == "[Errno 9] Bad file descriptor"
        await until(lambda: sys.getrefcount(segment) == before)
        assert await failure_of(store, segment) == "[Errno 9] Bad file descriptor"
        await until(lambda: sys.getrefcount(segment) == before)
        assert store.failure is not None


async def failure_of(store: Store, segment: SegmentWrite) -> str:
    try:
        await store.put([segment])
    except StoreFailedError as error:
        return error.cause
    return "none"
