"""Hands items over to the store in groups: those that have arrived while the disk was busy become durable together."""

from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio
from anyio import CapacityLimiter, to_thread

from zerog.runtime.gate import Gate
from zerog.storage.kv.records import Supply
from zerog.storage.kv.store import KvStore, StoreFailedError

__all__ = ["Handed", "Supplies"]

GROUP_ITEMS_MAX: Final = 256
GROUP_BYTES_MAX: Final = 4 << 20
"""In memory, of one transaction; one item may be larger."""
WAITING_ITEMS_MAX: Final = 512
WAITING_BYTES_MAX: Final = 16 << 20
"""Of what waits or is being written; whoever has more to hand over waits too."""


@dataclass(slots=True, eq=False)
class Handed:
    """An item on its way into the store."""

    supply: Supply
    _done: anyio.Event = field(default_factory=anyio.Event)
    _refusal: StoreFailedError | None = None

    @property
    def memory_bytes(self) -> int:
        return 0 if isinstance(self.supply.data, Path) else len(self.supply.data)

    def end(self, refusal: StoreFailedError | None) -> None:
        """Tell who waits what became of it."""
        self._refusal = refusal
        self._done.set()

    async def kept(self) -> None:
        """Return once it is durable, or no longer needed. Raises `StoreFailedError`."""
        await self._done.wait()
        if self._refusal is not None:
            raise replace(self._refusal)  # Others may have been given the same one.


class Supplies:
    """Belongs to one event loop. A single item is written at once: nobody waits for company."""

    def __init__(self, store: KvStore, gate: Gate) -> None:
        self._store: Final = store
        self._gate: Final = gate
        self._limiter: Final = CapacityLimiter(1)
        self._queue: Final[deque[Handed]] = deque()
        self._items = 0
        self._bytes = 0
        self._arrived = anyio.Event()
        self._written = anyio.Event()

    async def hand_over(self, supply: Supply) -> Handed:
        """Put an item into the next group, once there is room."""
        handed = Handed(supply)
        while self._items and (self._items >= WAITING_ITEMS_MAX or self._bytes + handed.memory_bytes > WAITING_BYTES_MAX):
            await self._written.wait()
        self._items += 1
        self._bytes += handed.memory_bytes
        self._queue.append(handed)
        self._arrived.set()
        return handed

    async def run(self) -> None:
        """Write group after group until cancelled."""
        while True:
            await self._arrived.wait()
            async with self._gate.passing():
                group = self._group()
                refusal = await self._write(group)
            if not self._queue:
                self._arrived = anyio.Event()
            for handed in group:
                handed.end(refusal)
            self._items -= len(group)
            self._bytes -= sum(handed.memory_bytes for handed in group)
            self._written.set()
            self._written = anyio.Event()

    def _group(self) -> list[Handed]:
        """What is written next, in order. A file is alone: it takes long, and if it fails, it fails for itself."""
        group = [self._queue.popleft()]
        size_bytes = group[0].memory_bytes
        while self._queue and len(group) < GROUP_ITEMS_MAX and not _has_file(group[0]):
            size_bytes += self._queue[0].memory_bytes
            if _has_file(self._queue[0]) or size_bytes > GROUP_BYTES_MAX:
                break
            group.append(self._queue.popleft())
        return group

    async def _write(self, group: list[Handed]) -> StoreFailedError | None:
        try:
            await to_thread.run_sync(self._store.supply_many, [handed.supply for handed in group], limiter=self._limiter)
        except StoreFailedError as error:
            return error
        return None


def _has_file(handed: Handed) -> bool:
    return isinstance(handed.supply.data, Path)
