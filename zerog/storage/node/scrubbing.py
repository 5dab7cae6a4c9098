"""Keeps a pass through the store going at a set rate, or as fast as it can on request, and lets uploads and reads go first."""

from collections.abc import Mapping
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.runtime.clock import Clock
from zerog.storage.node.counters import Counters
from zerog.storage.node.store import Store, StoreFailedError
from zerog.storage.node.store.scrub import WINDOW_BYTES, Checked

__all__ = ["Scrubbing"]

LANES: Final = 2
"""Threads of a pass at full speed: while one waits for the disk, the other hashes. At a set rate there is one."""
NOTE_S: Final = 5.0
"""Between two notes of how far a pass is."""
RETRY_S: Final = 60.0
"""After the store could not take a note."""
YIELD: Final = 2.0
"""While segments are uploaded, fetched or read, the scrubber rests at least so many times as long as it works."""
MIB: Final = 1 << 20

log = structlog.get_logger(__name__)


class Scrubbing:
    """Belongs to one event loop; what it does with the disk happens in threads of its own."""

    def __init__(self, store: Store, clock: Clock, counters: Counters, *, mib_s: float, interval_s: float) -> None:
        """`mib_s`: rate of a pass, 0 for none; `interval_s`: from the beginning of one pass to that of the next."""
        self._store: Final = store
        self._scrubber: Final = store.scrubber
        self._clock: Final = clock
        self._counters: Final = counters
        self._mib_s: Final = mib_s
        self._interval_s: Final = interval_s
        self._limiter: Final = CapacityLimiter(LANES)
        self._changed = anyio.Event()
        self._turns: Final = anyio.Lock()
        """One at a time begins or ends a pass, and says whether there is a hurry."""
        self._noted_s = 0.0
        self._activity = 0
        self.is_hurried = False
        """Whether the pass that is under way takes all the speed it gets."""

    async def start(self) -> int:
        """Begin a pass from the first file on, at full speed; returns how many came to their end before it. Raises `StoreFailedError`."""
        async with self._turns:
            await to_thread.run_sync(self._scrubber.begin, self._clock.unix_s())
            self.is_hurried = True
            before = self._scrubber.progress.passes
        self._wake()
        return before

    def status(self) -> Mapping[str, object]:
        """For the control socket and operators."""
        progress = self._scrubber.progress
        total = self._scrubber.size_bytes() if self._scrubber.is_under_way else 0
        return {
            "mib_s": self._mib_s,
            "is_under_way": self._scrubber.is_under_way,
            "is_hurried": self.is_hurried,
            "bytes_checked": progress.bytes_checked,
            "bytes_total": total,
            "segments_checked": progress.segments_checked,
            "segments_damaged": progress.segments_damaged,
            "records_mended": progress.records_mended,
            "passes": progress.passes,
            "last_pass": None
            if progress.ended_s is None
            else {
                "began_s": progress.ended_began_s,
                "ended_s": progress.ended_s,
                "bytes_checked": progress.ended_bytes,
                "segments_damaged": progress.ended_damaged,
            },
        }

    async def run(self) -> None:
        """Until cancelled. A store that cannot take notes is asked again after a while."""
        while True:
            try:
                await self._wait_until_due()
                await self._begin_if_none()
                await self._pass()
                await self._end_if_done()
            except StoreFailedError as error:
                log.warning("scrubbing_waits", cause=str(error))
                await anyio.sleep(RETRY_S)

    async def _begin_if_none(self) -> None:
        async with self._turns:
            if not self._scrubber.is_under_way:
                await to_thread.run_sync(self._scrubber.begin, self._clock.unix_s())

    async def _end_if_done(self) -> None:
        """One that was asked for since the last window is no less whole for that."""
        async with self._turns:
            if await to_thread.run_sync(self._scrubber.end, self._clock.unix_s()):
                self._tell()

    def _tell(self) -> None:
        progress, self.is_hurried = self._scrubber.progress, False
        level = log.warning if progress.ended_damaged else log.info
        level("scrub_pass_ended", size_bytes=progress.ended_bytes, damaged=progress.ended_damaged, passes=progress.passes)

    async def _wait_until_due(self) -> None:
        """Until a pass is under way that may go on, or the next is to begin."""
        while not self.is_hurried:
            began_s = self._scrubber.progress.ended_began_s
            wait_s = 0.0 if began_s is None or self._scrubber.is_under_way else began_s + self._interval_s - self._clock.unix_s()
            if self._mib_s and wait_s <= 0:
                return
            with anyio.move_on_after(min(wait_s, self._interval_s) if self._mib_s else self._interval_s):
                await self._changed.wait()

    async def _pass(self) -> None:
        """Check what is left of a pass. Raises `StoreFailedError`."""
        failures: list[StoreFailedError] = []
        async with anyio.create_task_group() as tasks:

            async def lane(number: int) -> None:
                try:
                    await self._lane(number)
                except StoreFailedError as error:
                    failures.append(error)
                tasks.cancel_scope.cancel()

            for number in range(1, LANES):
                tasks.start_soon(lane, number, name=f"storage.scrub.{number}")
            await lane(0)
        if failures:
            raise failures[0]

    async def _lane(self, number: int) -> None:
        """Check one window after the other; all lanes but the first rest unless there is a hurry. Raises `StoreFailedError`."""
        buffer = memoryview(bytearray(WINDOW_BYTES))
        while True:
            while not self.is_hurried and (number or not self._mib_s):
                await self._changed.wait()
            began_s = self._clock.monotonic_s()
            checked = await to_thread.run_sync(self._check_next, buffer, limiter=self._limiter)
            if checked is None:
                return
            self._counters.scrubbed_bytes += checked.size_bytes
            now_s = self._clock.monotonic_s()
            if not number and now_s - self._noted_s >= NOTE_S:
                await to_thread.run_sync(self._scrubber.note)
                self._noted_s = now_s
            await anyio.sleep(self._rest_s(checked.size_bytes, now_s - began_s))

    def _check_next(self, buffer: memoryview) -> Checked | None:
        window = self._scrubber.next_window()
        return None if window is None else self._scrubber.check(window, buffer)

    def _rest_s(self, size_bytes: int, took_s: float) -> float:
        """How long to leave disk and processor to others after a window."""
        counters = self._counters
        activity = counters.segments_stored + counters.segments_read + counters.segments_fetched
        is_busy, self._activity = activity != self._activity, activity
        rest_s = 0.0 if self.is_hurried else size_bytes / (self._mib_s * MIB) - took_s
        return max(rest_s, took_s * YIELD if is_busy else 0.0)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
