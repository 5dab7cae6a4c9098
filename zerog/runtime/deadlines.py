"""How long a call may take as a whole: every wait in it, however deep and on whichever thread, asks how much of that is left.

A limit travels with the context of its caller (`contextvars`), so that no function in between has to hand it on. What is sent on the way is
noted on it, since whoever hears that the time is over wants to know what was done until then.
"""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias, TypeVar

from zerog.primitives.errors import DeadlineError

__all__ = [
    "ONE_LOOK_S",
    "Late",
    "TimeLimit",
    "async_limits_around",
    "async_time_limit",
    "check_time",
    "each_in_time",
    "in_turn",
    "is_limited",
    "left_s",
    "note_sent",
    "note_state",
    "pause_before_end",
    "rest",
    "rest_before_end",
    "time_limit",
]

T = TypeVar("T")

SLACK_S: Final = 0.005
"""A system may end a wait by so much too early."""
PAUSE_S_MIN: Final = 0.02
ONE_LOOK_S: Final = 30.0
"""For one look at what may be there, where the caller does not wait for it."""
FOREVER: Final = -1.0
"""What a lock takes for no limit."""


class TimeLimit:
    """A point in time, and the error that is raised by whoever still waits then."""

    def __init__(self, timeout_s: float, late: "Late", outer: "TimeLimit | None") -> None:
        self.timeout_s: Final = timeout_s
        self._until_s: Final = time.monotonic() + timeout_s
        self._late: Final = late
        self._outer: Final = outer
        self._sent: Final[list[str]] = []
        self.state = ""
        """What is waited for at the moment, in words; empty where the error says it already."""

    def left_s(self) -> float:
        """Seconds until the end of this one, or of one around it that ends before."""
        own_s = self._until_s - time.monotonic()
        return own_s if self._outer is None else min(own_s, self._outer.left_s())

    def error(self) -> DeadlineError:
        """That of the outermost limit that is over: it is what the caller asked for."""
        if self._outer is not None and self._outer.left_s() <= SLACK_S:
            return self._outer.error()
        return self._late(self)

    @property
    def known(self) -> tuple[str, ...]:
        """What was done until now, and what is waited for, in words."""
        return (*(f"transaction {sent} was sent" for sent in self._sent), *([self.state] if self.state else []))

    @property
    def sent(self) -> tuple[str, ...]:
        """Hashes of the transactions that were sent."""
        return tuple(self._sent)

    def note_sent(self, transaction: str) -> None:
        self._sent.append(transaction)
        if self._outer is not None:
            self._outer.note_sent(transaction)

    def note_state(self, state: str) -> None:
        self.state = state
        if self._outer is not None:
            self._outer.note_state(state)


Late: TypeAlias = Callable[[TimeLimit], DeadlineError]
"""Makes the error of a limit that is over."""

_limit: Final[ContextVar[TimeLimit | None]] = ContextVar("zerog_time_limit", default=None)


@contextmanager
def time_limit(timeout_s: float | None, late: Late) -> Iterator[None]:
    """Waits of this block end after so many seconds, with the error that `late` makes. `None` sets no limit beside those around it."""
    if timeout_s is None:
        yield
        return
    token = _limit.set(TimeLimit(timeout_s, late, _limit.get()))
    try:
        yield
    finally:
        _limit.reset(token)


@asynccontextmanager
async def async_time_limit(timeout_s: float | None, late: Late) -> AsyncIterator[None]:
    """As `time_limit`, for an event loop: what is waited for in the block is cancelled."""
    with time_limit(timeout_s, late):
        async with async_limits_around():
            yield


@asynccontextmanager
async def async_limits_around() -> AsyncIterator[None]:
    """What is waited for in the block is cancelled when the time of the call that it is part of is over."""
    import anyio  # Who has no event loop need not load it.

    limit = _limit.get()
    if limit is None:
        yield
        return
    with anyio.move_on_after(limit.left_s()) as scope:
        yield
    if scope.cancelled_caught:
        raise limit.error()


def is_limited() -> bool:
    """Whether whoever called said how long it may take: then steps have no limits of their own."""
    return _limit.get() is not None


def left_s(most_s: float) -> float:
    """How long a wait may take that has `most_s` of its own. Raises `DeadlineError` when the time of the call is over."""
    limit = _limit.get()
    if limit is None:
        return most_s
    left = limit.left_s()
    if left <= 0:
        raise limit.error()
    return min(most_s, left)


def check_time() -> None:
    """Raises `DeadlineError` if the time of the call is over: for whoever has just waited in vain."""
    limit = _limit.get()
    if limit is not None and limit.left_s() <= SLACK_S:
        raise limit.error()


def note_sent(transaction: object) -> None:
    """A transaction was sent, which whoever waits for more should hear of."""
    limit = _limit.get()
    if limit is not None:
        limit.note_sent(str(transaction))


def note_state(state: str) -> None:
    """What is waited for now; empty when that is over."""
    limit = _limit.get()
    if limit is not None:
        limit.note_state(state)


def rest(pause_s: float) -> None:
    """Let time pass, on this thread. Raises `DeadlineError` when the time of the call is over."""
    threading.Event().wait(left_s(pause_s))  # Nobody sets it: a wait that ends by its time-out.


def rest_before_end(pause_s: float) -> None:
    """As `rest`, for whoever looks for something now and then: shorter towards the end, so that the last look is not long before it."""
    rest(pause_before_end(pause_s))


def pause_before_end(pause_s: float) -> float:
    """How long `rest_before_end` rests."""
    return max(left_s(2 * pause_s) / 2, PAUSE_S_MIN)


@contextmanager
def in_turn(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock that others may hold while they wait for something. Raises `DeadlineError` when the time is over before it is free."""
    limit = _limit.get()
    if not lock.acquire(timeout=FOREVER if limit is None else max(limit.left_s(), 0.0)):
        check_time()
        raise TimeoutError("a lock was not free in time")
    try:
        yield
    finally:
        lock.release()


def each_in_time(items: Iterable[T], timeout_s: float | None, late: Late) -> Iterator[T]:
    """The same items, of which each may take so many seconds to come; the time that their reader takes does not count."""
    source = iter(items)
    try:
        while True:
            with time_limit(timeout_s, late):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()
