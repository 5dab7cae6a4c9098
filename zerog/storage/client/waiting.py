"""Waiting with an end, and work on several threads with a bound."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from zerog.storage.client.errors import WaitTimeoutError

__all__ = ["Deadline", "in_parallel"]

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.005
"""A local network is quick."""
PAUSE_S_MAX: Final = 1.0
PAUSE_GROWTH: Final = 1.5


class Deadline:
    """A point in time after which nobody waits any more."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s: Final = timeout_s
        self._until_s: Final = time.monotonic() + timeout_s

    def left_s(self) -> float:
        return self._until_s - time.monotonic()

    def pauses(self, what: str) -> Iterator[None]:
        """A pause at each step, first short, then longer. Raises `WaitTimeoutError`, which says `what`, when the time is over."""
        pause = threading.Event()  # Nobody sets it: a wait that ends by its time-out.
        pause_s = FIRST_PAUSE_S
        while True:
            left_s = self.left_s()
            if left_s <= 0:
                raise WaitTimeoutError(what, self.timeout_s)
            pause.wait(min(pause_s, left_s))
            pause_s = min(pause_s * PAUSE_GROWTH, PAUSE_S_MAX)
            yield


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
        futures = [pool.submit(labour) for _ in range(threads)]
        try:
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:
            failed.set()  # The main thread was interrupted; the others end after their item.
            raise
    if errors:
        raise errors[0]
