"""Threads for long computations: few at once, a short line, lower priority, and nobody is kept who has gone."""

import os
import sys
import threading

import anyio
import pytest

from zerog.runtime.background import BackgroundBusyError, BackgroundThreads


async def test_computations_run_in_turn_at_lower_priority() -> None:
    threads = BackgroundThreads("test", 1, waiting_max=8)
    running, most = 0, 0
    lock = threading.Lock()

    def compute() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        with lock:
            running -= 1
        return priority

    priorities: list[int] = []

    async def ask() -> None:
        priorities.append(await threads.run(compute))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    threads.close()
    assert most == 1
    if sys.platform == "linux":
        assert set(priorities) == {10}
        assert os.getpriority(os.PRIO_PROCESS, 0) == 0


async def test_a_full_line_refuses_and_whoever_is_cancelled_leaves_at_once() -> None:
    threads = BackgroundThreads("test", 1, waiting_max=1)
    begun, go = threading.Event(), threading.Event()

    def hold() -> str:
        begun.set()
        go.wait(10)
        return "held"

    answers: list[str] = []

    async def ask() -> None:
        answers.append(await threads.run(hold))

    async with anyio.create_task_group() as tasks:
        impatient = anyio.CancelScope()

        async def leave() -> None:
            with impatient:
                await ask()

        tasks.start_soon(leave)
        await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert (threads.running, threads.waiting) == (1, 1)
        with pytest.raises(BackgroundBusyError, match="request pool is full"):
            await threads.run(hold)
        impatient.cancel()
        await anyio.wait_all_tasks_blocked()
        assert threads.running == 1  # What runs for him runs on.
        go.set()
    assert answers == ["held"]
    threads.close()


async def test_what_a_computation_raises_comes_through() -> None:
    threads = BackgroundThreads("test", 2, waiting_max=1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 7) == 7
    threads.close()
