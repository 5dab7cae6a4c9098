"""Waiting with an end, and work on several threads with a bound."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Final, TypeVar

from zerog.runtime.deadlines import Late, TimeLimit, is_limited, note_state, rest, time_limit
from zerog.storage.client.errors import WaitTimeoutError

__all__ = ["Deadline", "in_parallel", "late", "of_step", "within"]

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.005
"""A local network is quick."""
PAUSE_S_MAX: Final = 1.0
PAUSE_GROWTH: Final = 1.5


def late(what: str) -> Late:
    """Makes the error for when the time of a call is over and `what`, a sentence without its end, is still so."""

    def error(limit: TimeLimit) -> WaitTimeoutError:
        return WaitTimeoutError(what, limit.timeout_s, limit.known)

    return error


def within(timeout_s: float | None, what: str) -> AbstractContextManager[None]:
    """Everything in the block ends after so many seconds with a `WaitTimeoutError`; see `late`."""
    return time_limit(timeout_s, late(what))


class Deadline:
    """A point in time after which nobody waits any more."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s: Final = timeout_s
        self._until_s: Final = time.monotonic() + timeout_s

    def left_s(self) -> float:
        return self._until_s - time.monotonic()

    def pauses(self, what: str) -> Iterator[None]:
        """A pause at each step, first short, then longer. Raises `WaitTimeoutError`, which says `what`, when the time is over."""
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                left_s = self.left_s()
                if left_s <= 0:
                    raise WaitTimeoutError(what, self.timeout_s)
                note_state(what)
                rest(min(pause_s, left_s))
                pause_s = min(pause_s * PAUSE_GROWTH, PAUSE_S_MAX)
                yield
        finally:
            note_state("")


def of_step(timeout_s: float) -> Deadline:
    """For one step of a call: so many seconds, unless its caller said how long the whole may take."""
    return Deadline(math.inf if is_limited() else timeout_s)


def in_parallel(items: Iterable[T], work: Callable[[T], None], *, threads: int) -> None:
    """Do `work` for each item, on so many threads. Items are drawn when a thread is free for them.

    The first error ends it: no further item is begun, those that are under way are awaited, and the error is raised.
    """
    source = iter(items)
    lock = threading.Lock()
    failed = threading.Event()

    def draw() -> Iterator[T]:
        while not failed.is_set():
            with lock:
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def labour() -> None:
        try:
            for item in draw():
                work(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(threads, thread_name_prefix="zerog-storage") as pool:
        futures = [pool.submit(copy_context().run, labour) for _ in range(threads)]
        try:
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:
            failed.set()  # The main thread was interrupted; the others end after their item.
            raise
    if errors:
        raise errors[0]
