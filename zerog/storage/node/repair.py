"""Brings damaged segments again, and says which of them no peer has; drops files that the chain took back and never announced again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.primitives import Hash32
from zerog.runtime.clock import Clock
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.peers import Peers
from zerog.storage.node.store import StoredSubmission, StoreFailedError, nobody
from zerog.storage.node.sync import FlowFollower

__all__ = ["Repair"]

DAMAGED_MAX: Final = 100_000
"""Segments of a file that are looked through at once."""
ORPHANS_MAX: Final = 1_000
"""Files without a submission that are watched at once."""
LOOKS: Final = 4
"""Within the time that such a file is kept."""
LOOK_S_MAX: Final = 600.0

OnDamage = Callable[[Sequence[tuple[Hash32, int]]], None]

log = structlog.get_logger(__name__)


class Repair:
    """Hears of damage from the store, whichever thread finds it, and has the peers bring what is missing."""

    def __init__(self, files: Files, peers: Peers, clock: Clock, counters: Counters, *, orphans_kept_s: float) -> None:
        """`orphans_kept_s`: how long the segments of a file are kept that no submission announces any more."""
        self._files: Final = files
        self._peers: Final = peers
        self._clock: Final = clock
        self._counters: Final = counters
        self._orphan_s: Final = orphans_kept_s
        self._orphans: dict[Hash32, float] = {}
        """Files without a submission, and when they were first seen so."""

    def lost(self) -> list[tuple[int, int]]:
        """Files of which no peer has the damaged segments: number of the submission, and how many segments. They may come back."""
        store = self._files.store
        if not len(store.damage):
            return []
        counts = dict(store.damage.files())
        lost = []
        for wish in self._peers.wanted.wishes():
            if wish.was_damaged and self._peers.is_nowhere(wish):
                submission = self._files.by_seq(wish.seq)
                lost.append((wish.seq, 0 if submission is None else counts.get(submission.root, 0)))
        return lost

    def status(self) -> Mapping[str, object]:
        """For the control socket and operators."""
        statistics, lost = self._files.store.statistics(), self.lost()
        return {
            "found": statistics["corrupt_segments"],
            "repaired": statistics["repaired_segments"],
            "damaged": statistics["damaged_segments"],
            "lost": sum(count for _, count in lost),
            "lost_files": [seq for seq, _ in lost],
            "orphans": len(self._orphans),
        }

    async def run(self, follower: FlowFollower) -> None:
        """Until cancelled."""
        store, loop = self._files.store, asyncio.get_running_loop()
        store.on_damage = partial(_tell, loop, self._order)
        try:
            self._order([(root, -1) for root, _ in await to_thread.run_sync(store.damage.files)])
            while True:
                await self._forget_needless(follower)
                await anyio.sleep(min(self._orphan_s / LOOKS, LOOK_S_MAX))
                await self._look_for_orphans(follower)
        finally:
            store.on_damage = nobody

    def _order(self, segments: Sequence[tuple[Hash32, int]]) -> None:
        """Have damaged files brought again, as far as this node must hold them."""
        for root in dict.fromkeys(root for root, _ in segments):
            submission = self._of(root)
            if submission is not None:
                self._peers.order(submission.seq, damaged=True)

    def _of(self, root: Hash32) -> StoredSubmission | None:
        """A submission of a file for which this node must hold something that is missing."""
        alive = (found for found in self._files.of_root(root) if not found.pruned)
        return next((found for found in alive if not self._files.is_finalized(found)), None)

    async def _forget_needless(self, follower: FlowFollower) -> None:
        """Damage counts no longer of segments that this node need not hold, as after its shard was split or their time was over."""
        damage = self._files.store.damage
        if not follower.is_at_tip:
            return
        for root, _ in await to_thread.run_sync(damage.files):
            required = [self._files.required(found) for found in self._files.of_root(root) if not found.pruned]
            places = await to_thread.run_sync(damage.of_file, root, DAMAGED_MAX)
            needless = [place for place in places if not any(place in indexes for indexes in required)]
            if needless:
                try:
                    await to_thread.run_sync(damage.forget, root, needless)
                except StoreFailedError as error:
                    log.warning("damage_not_forgotten", cause=str(error))

    async def _look_for_orphans(self, follower: FlowFollower) -> None:
        """Drop files whose submissions the chain took back, once they have not come again for long enough."""
        if not follower.is_at_tip:
            return  # What is missing in the log may only not have been read.
        store, now_s = self._files.store, self._clock.monotonic_s()
        try:
            found = await to_thread.run_sync(store.orphans, ORPHANS_MAX)
            self._orphans = {root: self._orphans.get(root, now_s) for root in found}
            for root, since_s in list(self._orphans.items()):
                if now_s - since_s >= self._orphan_s and await to_thread.run_sync(store.drop, root):
                    del self._orphans[root]
                    self._counters.orphans_dropped += 1
                    log.info("orphan_dropped", root=str(root))
        except StoreFailedError as error:
            log.warning("orphans_not_dropped", cause=str(error))


def _tell(loop: asyncio.AbstractEventLoop, order: OnDamage, segments: Sequence[tuple[Hash32, int]]) -> None:
    try:
        loop.call_soon_threadsafe(order, segments)
    except RuntimeError:
        log.debug("repair_ended")  # The loop was closed; what is damaged is ordered at the next start.
