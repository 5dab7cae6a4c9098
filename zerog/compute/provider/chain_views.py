"""What a provider remembers of the chain: read once for all who ask at the same time, forgotten when an event says so, or with age."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import anyio

from zerog.runtime.clock import Clock

__all__ = ["Views"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class _Read(Generic[Value]):
    """One value under way."""

    began_s: float
    done: anyio.Event = field(default_factory=anyio.Event)
    is_stale: bool = False
    """Something happened on chain since it began."""
    values: list[Value] = field(default_factory=list)
    """The value, once it is there."""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _View(Generic[Value]):
    value: Value
    read_s: float
    """When its reading began, by the monotonic clock."""
    is_old: bool = False
    """An event has told that it is not so any more; it is kept for the time in which the chain does not answer."""


class Views(Generic[Key, Value]):
    """Values by key, at most `size` of them; the one that was asked for longest ago goes first."""

    def __init__(self, read: Callable[[Key], Awaitable[Value]], clock: Clock, *, size: int, retry_on: tuple[type[Exception], ...]) -> None:
        """`read` gets a value from the chain; of what it raises, `retry_on` says that the chain does not answer."""
        self._read: Final = read
        self._clock: Final = clock
        self._size: Final = size
        self._retry_on: Final = retry_on
        self._views: Final[OrderedDict[Key, _View[Value]]] = OrderedDict()
        self._reads: Final[dict[Key, _Read[Value]]] = {}

    async def get(self, key: Key, *, max_age_s: float, stale_s: float) -> Value:
        """A value that is at most `max_age_s` old, and about which no event has come since it was read.

        While the chain does not answer, one of at most `stale_s` does. Raises what the reading raises.
        """
        view = self._views.get(key)
        if view is not None and not view.is_old and self._clock.monotonic_s() - view.read_s <= max_age_s:
            self._views.move_to_end(key)
            return view.value
        try:
            return await self._share(key, self._clock.monotonic_s() - max_age_s)
        except self._retry_on:
            view = self._views.get(key)
            if view is None or self._clock.monotonic_s() - view.read_s > stale_s:
                raise
            return view.value

    def forget(self, key: Key) -> None:
        """What is known of `key` is not so any more."""
        if (reading := self._reads.get(key)) is not None:
            reading.is_stale = True
        if (view := self._views.get(key)) is not None:
            self._views[key] = _View(view.value, view.read_s, is_old=True)

    def drop(self, key: Key) -> None:
        """What is known of `key` must not be used any more, not even while the chain does not answer."""
        self.forget(key)
        self._views.pop(key, None)

    def forget_all(self) -> None:
        """Nothing that is known need be so any more."""
        for key in [*self._reads, *self._views]:
            self.forget(key)

    def clear(self) -> None:
        """Nothing that is known was ever so: the chain is another one."""
        for reading in self._reads.values():
            reading.is_stale = True
        self._views.clear()

    async def _share(self, key: Key, since_s: float) -> Value:
        """Read, or wait for whoever is reading already; after the end of that one, or if it began before `since_s`, read again."""
        while (reading := self._reads.get(key)) is not None:
            await reading.done.wait()
            if reading.error is not None:
                raise reading.error
            if reading.values and not reading.is_stale and reading.began_s >= since_s:
                return reading.values[0]
        return await self._lead(key)

    async def _lead(self, key: Key) -> Value:
        while True:
            reading = self._reads[key] = _Read(self._clock.monotonic_s())
            try:
                value = await self._read(key)
                reading.values.append(value)
            except Exception as error:
                reading.error = error
                raise
            finally:
                del self._reads[key]
                reading.done.set()
            if not reading.is_stale:
                self._keep(key, _View(value, reading.began_s))
                return value

    def _keep(self, key: Key, view: _View[Value]) -> None:
        self._views[key] = view
        self._views.move_to_end(key)
        while len(self._views) > self._size:
            self._views.popitem(last=False)
