"""Fetches items from storage nodes, every byte held against its root, and looks for what is missing until it is there."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.client import Segment
from zerog.storage.kv.arriving import Arriving
from zerog.storage.kv.counters import Counters
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.kv.sources import Sources
from zerog.storage.kv.store import KvStore, StoreFailedError
from zerog.storage.kv.wishes import Wish, Wishes

__all__ = ["Fetcher"]

WINDOW_SEGMENTS: Final = 16
"""Segments that are asked for together: 4 MiB."""
KEPT_BYTES_MAX: Final = 64 << 20
"""Of items in memory of which a part is still missing."""
DOUBT_S: Final = 0.5
"""Before an item is looked for again after such a pause, the store is asked whether it still needs it."""
SCAN_SUBMISSIONS: Final = 512
"""Of the store's missing items that are looked at in one step of the way round."""
SCAN_S: Final = 5.0
"""Seconds between two ways round; what the log brings is looked for at once."""

log = structlog.get_logger(__name__)


class Fetcher:
    """Belongs to one event loop."""

    def __init__(
        self,
        store: KvStore,
        sources: Sources,
        settings: KeyValueNodeSettings,
        gate: Gate,
        clock: Clock,
        counters: Counters,
        arrived: Callable[[], None],
    ) -> None:
        """`arrived` is told when an item has been put into the store."""
        self._store: Final = store
        self._sources: Final = sources
        self._settings: Final = settings
        self._keys: Final = settings.keys
        self._gate: Final = gate
        self._clock: Final = clock
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(settings.fetches)
        self._slots: Final = anyio.Semaphore(settings.fetches)
        self._arrived: Final = arrived
        self._changed = anyio.Event()
        self._drained = anyio.Event()
        self._arrivals = 0
        self._kept_bytes = 0
        self.wishes: Final = Wishes()

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._scan, name="kv.fetch.scan")
            while True:
                wish = self.wishes.next_due(self._now_s())
                if wish is None:
                    await self._wait()
                    continue
                await self._slots.acquire()
                tasks.start_soon(self._turn, wish, name=f"kv.fetch.{wish.submission.seq}")

    async def look(self, first_seq: int) -> None:
        """Look for missing items from a submission on, before those that were looked for in vain."""
        found: Sequence[StreamSubmission] = await to_thread.run_sync(self._store.wanted, SCAN_SUBMISSIONS, first_seq)
        await self._discard(self.wishes.make_room(len(found) - self.wishes.room))
        self._add(found)

    def _add(self, found: Sequence[StreamSubmission]) -> None:
        if found:
            self.wishes.add(found, self._now_s())
            self._wake()

    async def begin_anew(self) -> None:
        """The chain took back submissions: what is wanted now is another thing."""
        await self._discard(self.wishes.clear())
        await self.look(0)

    async def _scan(self) -> None:
        """Go round and round through all that is missing. Where that is more than can be remembered, each item has its turn."""
        seq = 0
        while True:
            if not self.wishes.room:
                self._drained = anyio.Event()
                with anyio.move_on_after(SCAN_S):
                    await self._drained.wait()
                await self._discard(self.wishes.make_room(max(1, self.wishes.wishes_max // 4) - self.wishes.room))
            limit = min(SCAN_SUBMISSIONS, self.wishes.room)
            if not limit:
                continue  # None of them has been looked for yet.
            try:
                found: Sequence[StreamSubmission] = await to_thread.run_sync(self._store.wanted, limit, seq)
            except StoreFailedError as error:
                log.warning("missing_items_not_read", cause=str(error))
                found = ()
            self._add(found)
            seq = found[-1].seq + 1 if found else 0
            if len(found) < limit:
                seq = 0
                await anyio.sleep(SCAN_S)

    async def _wait(self) -> None:
        """Until an item is due, or another one is wanted."""
        due_s = self.wishes.next_due_s()
        with anyio.move_on_after(None if due_s is None else max(0.0, due_s - self._now_s())):
            await self._changed.wait()

    async def _turn(self, wish: Wish) -> None:
        """One look for an item."""
        self._kept_bytes -= wish.kept_bytes
        wish.kept_bytes = 0
        try:
            if wish.pause_s >= DOUBT_S and not await self._is_wanted(wish.submission):
                wish.is_gone = True
            is_here, moved = await self._bring(wish)
        finally:
            self._slots.release()
        if is_here or wish.is_gone:
            wish.is_running = False
            self.wishes.remove(wish)
            await self._discard([wish])
            if is_here:
                self._arrived()
                if self.wishes.room > self.wishes.wishes_max // 2:
                    self._drained.set()
            return
        self._keep(wish)
        self.wishes.put_off(wish, self._now_s(), moved=moved)
        self._wake()

    async def _is_wanted(self, submission: StreamSubmission) -> bool:
        """Whether an item still waits for its data: it may have been refused without it."""
        found = await to_thread.run_sync(self._store.wanted, 1, submission.seq)
        return [(each.seq, each.root) for each in found] == [(submission.seq, submission.root)]

    def _keep(self, wish: Wish) -> None:
        """What came of an item stays, as long as there is room for it in memory; else it is fetched again."""
        size_bytes = 0 if wish.arriving is None else wish.arriving.memory_bytes
        if self._kept_bytes + size_bytes > KEPT_BYTES_MAX and wish.arriving is not None:
            wish.arriving.discard()
            wish.arriving = None
        else:
            wish.kept_bytes = size_bytes
            self._kept_bytes += size_bytes

    async def _bring(self, wish: Wish) -> tuple[bool, bool]:
        """Whether all of an item is in the store now, and whether some of it came."""
        submission = wish.submission
        self._counters.looks += 1
        if wish.arriving is None:
            self._arrivals += 1
            path = self._store.incoming / f"{submission.seq}-{self._arrivals}"
            wish.arriving = Arriving(submission.size_bytes, path, self._keys, bytes_in_memory=self._settings.item_bytes_in_memory)
        arriving, moved = wish.arriving, False
        try:
            while not arriving.is_complete and not wish.is_gone:
                segments = await self._window(submission, arriving)
                if not segments:
                    return False, moved
                moved = True
                await to_thread.run_sync(arriving.take, [segment.data for segment in segments], limiter=self._limiter)
            if wish.is_gone:
                return False, moved
            await self._supply(submission, arriving)
        except (StoreFailedError, OSError) as error:  # It may be that somebody makes room.
            log.warning("item_not_stored", seq=submission.seq, cause=str(error))
            wish.arriving = None
            await to_thread.run_sync(arriving.discard)
            return False, False
        return True, True

    async def _supply(self, submission: StreamSubmission, arriving: Arriving) -> None:
        async with self._gate.passing():
            supply = partial(self._store.supply, submission.seq, submission.root, arriving.finish())
            await to_thread.run_sync(supply, limiter=self._limiter)
        self._counters.items_fetched += 1
        self._counters.bytes_fetched += submission.size_bytes
        if arriving.is_undecodable:
            self._counters.items_undecodable += 1
            log.warning("item_undecodable", seq=submission.seq, root=str(submission.root))

    async def _window(self, submission: StreamSubmission, arriving: Arriving) -> list[Segment]:
        """The next segments of an item, as far as nodes give them."""
        first = arriving.next_segment
        indexes = range(first, min(first + WINDOW_SEGMENTS, arriving.segments))
        found = await self._sources.segments(submission, indexes, tx_seq=submission.seq)
        return [found[index] for index in itertools.takewhile(found.__contains__, indexes)]

    async def _discard(self, wishes: Sequence[Wish]) -> None:
        """Throw away what has arrived of items; those that are just being fetched do it themselves."""
        for wish in wishes:
            if wish.arriving is not None and not wish.is_running:
                arriving, wish.arriving = wish.arriving, None
                self._kept_bytes -= wish.kept_bytes
                wish.kept_bytes = 0
                await to_thread.run_sync(arriving.discard)

    def _now_s(self) -> float:
        return self._clock.monotonic_s()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
