"""Gives back the room of what was dropped, at a bounded rate, as long as the node runs."""

from collections.abc import Mapping
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.runtime.clock import Clock
from zerog.storage.node.store import Store, StoreFailedError

__all__ = ["Compacting"]

STEPS_A_SECOND: Final = 8
"""Into which the rate is cut: a step is over before an upload notices it."""
PAUSE_S: Final = 0.01
"""After a step that moved nothing, so that others have their turn."""

log = structlog.get_logger(__name__)


class Compacting:
    """Takes one step of the store after the other while there is something to do, and looks now and then when there is not."""

    def __init__(self, store: Store, clock: Clock, *, dead_share: float, bytes_s: int, interval_s: float) -> None:
        """Data files of which `dead_share` is dead are rewritten, `bytes_s` a second at most."""
        self._store: Final = store
        self._clock: Final = clock
        self._dead_share: Final = dead_share
        self._bytes_s: Final = bytes_s
        self._interval_s: Final = interval_s
        self.is_working = False
        """Whether a sparse data file was found at the last look."""

    def status(self) -> Mapping[str, object]:
        """For the control socket."""
        return {"is_working": self.is_working, "dead_share": self._dead_share, "bytes_s": self._bytes_s}

    async def run(self) -> None:
        """Until cancelled. A store that cannot write is asked again after a while: it may be that somebody makes room."""
        while True:
            try:
                await self._work()
            except StoreFailedError as error:
                log.warning("compaction_waits", cause=str(error))
            self.is_working = False
            await anyio.sleep(self._interval_s)

    async def _work(self) -> None:
        """Until no data file is sparse. Raises `StoreFailedError`."""
        while True:
            began_s = self._clock.monotonic_s()
            step = await to_thread.run_sync(self._step)
            if step is None:
                return
            self.is_working = True
            took_s = self._clock.monotonic_s() - began_s
            await anyio.sleep(max(step / self._bytes_s - took_s, PAUSE_S))

    def _step(self) -> int | None:
        """Bytes that were moved; `None` when there is nothing to do."""
        step = self._store.compact(dead_share=self._dead_share, bytes_max=max(1, self._bytes_s // STEPS_A_SECOND))
        return None if step.is_idle else step.moved_bytes
