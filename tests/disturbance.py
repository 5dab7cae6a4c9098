"""Holds up tasks and threads for a moment at random: with `pytest -p tests.disturbance` whoever relies on their order fails.

What it holds up may come late on any busy machine: a task goes on after others that became ready later, an answer of a thread arrives after
the next one. A cancellation that comes meanwhile is delivered instead, as asyncio does with a task that was woken and has not gone on yet.
"""

import asyncio
import inspect
import random
from asyncio import BaseEventLoop
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

import anyio
import pytest
import uvloop
from anyio import to_thread

TASK_SHARE: Final = 0.05
"""How many steps of tasks are held up."""
TASK_S_MAX: Final = 0.03
THREAD_SHARE: Final = 0.3
"""How many calls of threads are held up, before and again after."""
THREAD_S_MAX: Final = 0.1

dice = random.Random()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Another seed holds up others."""
    parser.addoption("--disturbance-seed", type=int, default=1)


def pytest_configure(config: pytest.Config) -> None:
    """From now on, in this process."""
    dice.seed(config.getoption("--disturbance-seed"))
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(to_thread, "run_sync", held_up_call(to_thread.run_sync))
    for loop in (BaseEventLoop, uvloop.Loop):
        patch.setattr(loop, "create_task", held_up_tasks(loop.create_task))


def held_up_call(run_sync: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The same call into a thread, with a pause before or behind it. Like the call, the pause is not cancelled."""

    async def pause() -> None:
        if dice.random() < THREAD_SHARE:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(dice.random() * THREAD_S_MAX)

    async def run(*arguments: Any, **options: Any) -> Any:
        await pause()
        answer = await run_sync(*arguments, **options)
        await pause()
        return answer

    return run


def held_up_tasks(create_task: Callable[..., Any]) -> Callable[..., Any]:
    """The same method of a loop, for tasks that are held up."""

    def create(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        return create_task(loop, HeldUp(coroutine) if inspect.iscoroutine(coroutine) else coroutine, **options)

    return create


class HeldUp(Coroutine[Any, Any, Any]):
    """A coroutine whose task now and then goes on later than it could."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine: Final = coroutine
        self._is_held = False

    def __getattr__(self, name: str) -> Any:
        """How far it is, for whoever looks: anyio does."""
        return getattr(self._coroutine, name)

    def send(self, value: Any) -> Any:
        """Go on, or wait for a moment first. What asyncio sends is nothing: a result lies in its future."""
        has_begun = inspect.getcoroutinestate(self._coroutine) != inspect.CORO_CREATED
        self._is_held = not self._is_held and has_begun and dice.random() < TASK_SHARE
        if not self._is_held:
            return self._coroutine.send(value)
        return None if dice.random() < 0.5 else _wake_later(dice.random() * TASK_S_MAX)

    def throw(self, *error: Any) -> Any:
        """What ends or cancels it comes at once."""
        self._is_held = False
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()


def _wake_later(pause_s: float) -> "asyncio.Future[None]":
    """What a coroutine gives to its task to be woken after a while. Source: CPython, Future.__await__ in Lib/asyncio/futures.py."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(pause_s, _wake, future)
    future._asyncio_future_blocking = True
    return future


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():  # Whoever waited may have been cancelled.
        future.set_result(None)
