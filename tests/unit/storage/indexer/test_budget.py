"""Memory for data on its way: bounded, in turn, and never lost."""

import anyio
import pytest

from zerog.storage.indexer.budget import ByteBudget


async def test_who_finds_none_left_waits_in_turn() -> None:
    budget = ByteBudget(100)
    order: list[str] = []
    first_ends = anyio.Event()

    async def hold(name: str, size_bytes: int, until: anyio.Event | None = None) -> None:
        async with budget.holding(size_bytes):
            order.append(name)
            if until is not None:
                await until.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold, "first", 80, first_ends)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(hold, "large", 90)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(hold, "small", 10)
        await anyio.wait_all_tasks_blocked()
        assert order == ["first"], "a small one does not overtake a large one, which would wait for ever"
        assert not budget.try_take(1)
        first_ends.set()
    assert order == ["first", "large", "small"]
    assert budget.used_bytes == 0


async def test_more_than_there_is_means_all_of_it() -> None:
    budget = ByteBudget(100)
    async with budget.holding(1_000):
        assert budget.used_bytes == 100
    assert budget.used_bytes == 0


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    budget = ByteBudget(100)
    reached = False
    async with budget.holding(60), anyio.create_task_group() as tasks:

        async def small() -> None:
            nonlocal reached
            async with budget.holding(40):
                reached = True

        with anyio.move_on_after(0.01):
            async with budget.holding(50):
                pytest.fail("there is no room")
        tasks.start_soon(small)
    assert reached
    assert budget.used_bytes == 0
