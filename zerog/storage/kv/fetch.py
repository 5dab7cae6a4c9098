"""Fetches items from storage nodes, every byte held against its root, and looks for what is missing until it is there."""

import itertools
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.client import Segment
from zerog.storage.kv.arriving import Arriving
from zerog.storage.kv.counters import Counters
from zerog.storage.kv.records import StreamSubmission, Supply
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.kv.sources import Sources
from zerog.storage.kv.store import KvStore, StoreFailedError
from zerog.storage.kv.supplying import Handed, Supplies
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
        self._supplies: Final = Supplies(store, gate)
        self._clock: Final = clock
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(settings.fetches)
        self._slots: Final = anyio.Semaphore(settings.fetches)
        self._arrived: Final = arrived
        self._changed = anyio.Event()
        self._drained = anyio.Event()
        self._more = anyio.Event()
        """That there are missing items which `look` did not come to: the way round does not wait."""
        self._arrivals = 0
        self._kept_bytes = 0
        self.wishes: Final = Wishes()

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._scan, name="kv.fetch.scan")
            tasks.start_soon(self._supplies.run, name="kv.fetch.supply")
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
        is_all = len(found) < SCAN_SUBMISSIONS and len(found) <= self.wishes.room
        self._add(found)
        if not is_all:
            self._more.set()

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
                with anyio.move_on_after(SCAN_S):
                    await self._more.wait()
                self._more = anyio.Event()

    async def _wait(self) -> None:
        """Until an item is due, or another one is wanted."""
        due_s = self.wishes.next_due_s()
        with anyio.move_on_after(None if due_s is None else max(0.0, due_s - self._now_s())):
            await self._changed.wait()

    async def _turn(self, wish: Wish) -> None:
        """One look for an item."""
        self._kept_bytes -= wish.kept_bytes
        wish.kept_bytes = 0
        handed: Handed | None = None
        try:
            if wish.pause_s >= DOUBT_S and not await self._is_wanted(wish.submission):
                wish.is_gone = True
            is_complete, moved = await self._bring(wish)
            if is_complete and wish.arriving is not None:
                handed = await self._supplies.hand_over(Supply(wish.submission.seq, wish.submission.root, wish.arriving.finish()))
        finally:
            self._slots.release()  # While this one waits for the disk, others are fetched, which then wait together.
        if handed is not None and await self._is_kept(wish, handed):
            wish.is_running, wish.arriving = False, None
            self.wishes.remove(wish)
            self._arrived()
            if self.wishes.room > self.wishes.wishes_max // 2:
                self._drained.set()
            return
        if wish.is_gone:
            wish.is_running = False
            self.wishes.remove(wish)
            await self._discard([wish])
            return
        self._keep(wish)
        self.wishes.put_off(wish, self._now_s(), moved=moved and handed is None)
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
        """Whether all of an item is here now, and whether some of it came."""
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
                if arriving.is_small:
                    arriving.take([segment.data for segment in segments])
                else:
                    await to_thread.run_sync(arriving.take, [segment.data for segment in segments], limiter=self._limiter)
        except OSError as error:  # It may be that somebody makes room.
            await self._not_stored(wish, error)
            return False, False
        return not wish.is_gone, moved

    async def _is_kept(self, wish: Wish, handed: Handed) -> bool:
        """Whether the store has an item, once it is known."""
        try:
            await handed.kept()
        except StoreFailedError as error:  # As above.
            await self._not_stored(wish, error)
            return False
        self._counters.items_fetched += 1
        self._counters.bytes_fetched += wish.submission.size_bytes
        if wish.arriving is not None and wish.arriving.is_undecodable:
            self._counters.items_undecodable += 1
            log.warning("item_undecodable", seq=wish.submission.seq, root=str(wish.submission.root))
        return True

    async def _not_stored(self, wish: Wish, error: StoreFailedError | OSError) -> None:
        log.warning("item_not_stored", seq=wish.submission.seq, cause=str(error))
        arriving, wish.arriving = wish.arriving, None
        if arriving is not None:
            await to_thread.run_sync(arriving.discard)

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
