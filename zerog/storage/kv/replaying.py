"""Applies items as soon as their data, and that of those before them, is here."""

from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.runtime.gate import Gate
from zerog.storage.kv.counters import Counters
from zerog.storage.kv.store import KvStore, StoreFailedError

__all__ = ["Replay"]

ITEMS_AT_ONCE: Final = 64
"""Items of one transaction of the store; all of it is done before a stop or a snapshot."""
RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)


class Replay:
    """Belongs to one event loop; the work is done in a thread."""

    def __init__(self, store: KvStore, gate: Gate, counters: Counters) -> None:
        self._store: Final = store
        self._gate: Final = gate
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(1)
        self._due = anyio.Event()
        self._due.set()
        self.trouble: str | None = None
        """Why nothing is applied at the moment."""

    def order(self) -> None:
        """Look whether something can be applied now."""
        self._due.set()

    async def run(self) -> None:
        """Apply until cancelled; what the disk refuses is tried again."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            try:
                await self._apply_all()
            except StoreFailedError as error:
                self.trouble = str(error)
                log.warning("items_not_applied", cause=self.trouble, again_in_s=RETRY_S)
                await anyio.sleep(RETRY_S)
                self._due.set()
            else:
                self.trouble = None

    async def settle(self) -> None:
        """Apply what can be applied, past the gate, and return when it is done. Raises `StoreFailedError`."""
        while await self._apply():
            pass

    async def _apply_all(self) -> None:
        while True:
            async with self._gate.passing():
                if not await self._apply():
                    return

    async def _apply(self) -> int:
        settled = await to_thread.run_sync(self._store.apply, ITEMS_AT_ONCE, limiter=self._limiter)
        self._counters.items_settled += settled
        return settled
