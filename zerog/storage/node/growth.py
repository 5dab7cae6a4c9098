"""Lets a node's shard become smaller as the flow grows: when its room is nearly full, the shard splits and one half is forgotten.

The new shard is noted first, durably, and holds from that moment for uploads and answers. Then the other half is dropped in small steps.
Source: 0gfoundation/0g-storage-node, `node/pruner`.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.live_shard import LiveShard
from zerog.storage.node.store import ShedCursor, StoreFailedError
from zerog.storage.node.sync import FlowFollower

__all__ = ["Coin", "Growth", "toss"]

FULL_SHARE: Final = 0.9
"""Of the room; from here on the shard splits. Source: as above."""
COUNT_MAX: Final = 1 << 20
"""A shard of so many is not split any more."""

Coin = Callable[[], bool]

log = structlog.get_logger(__name__)


def toss() -> bool:
    """A random bit: nodes of one shard must not all keep the same half."""
    return bool(secrets.randbits(1))


class Growth:
    """Watches the room that the segments take up."""

    def __init__(
        self,
        files: Files,
        gate: Gate,
        clock: Clock,
        counters: Counters,
        note: LiveShard,
        *,
        data_dir: Path | None,
        bytes_max: int | None,
        interval_s: float,
        coin: Coin,
    ) -> None:
        """`note` is what held when `files` got their shard. Without `bytes_max` the shard stays what it is."""
        self._files: Final = files
        self._gate: Final = gate
        self._clock: Final = clock
        self._counters: Final = counters
        self._data_dir: Final = data_dir
        self._bytes_max: Final = bytes_max
        self._interval_s: Final = interval_s
        self._coin: Final = coin
        self._note = note
        self._cursor = ShedCursor()

    @property
    def is_shedding(self) -> bool:
        """Whether something is dropped at the moment that the shard held before."""
        return not self._note.is_shed

    def status(self) -> Mapping[str, object]:
        """For the control socket."""
        return {
            "configured": self._note.configured,
            "live": self._note.live,
            "is_shedding": self.is_shedding,
            "bytes_max": self._bytes_max,
        }

    async def run(self, follower: FlowFollower) -> None:
        """Look again and again, until cancelled; what a start finds unfinished is finished first."""
        while True:
            try:
                await self._look(follower)
            except (StoreFailedError, OSError) as error:
                log.warning("shard_not_split", cause=str(error))
            await anyio.sleep(self._interval_s)

    async def _look(self, follower: FlowFollower) -> None:
        """Split until there is room. Raises `StoreFailedError`, `OSError`."""
        while not self.is_shedding or await self._shed(follower):
            if not await to_thread.run_sync(self._is_full):
                return
            if self._files.shard.count >= COUNT_MAX:
                log.warning("shard_smallest", shard=str(self._files.shard))
                return
            await self._split()

    def _is_full(self) -> bool:
        return self._bytes_max is not None and self._files.store.live_bytes >= FULL_SHARE * self._bytes_max

    async def _split(self) -> None:
        """Become one of the two halves: on the disk, then for everybody."""
        before, note = self._files.shard, self._note.split(upper=self._coin())
        async with self._gate.passing():
            await to_thread.run_sync(note.keep, self._data_dir)
            self._note = note
            self._files.shard = note.shard
        self._counters.shard_changes += 1
        log.warning("shard_split", before=str(before), shard=note.live)

    async def _shed(self, follower: FlowFollower) -> bool:
        """Drop the other half, in steps between which others have as much time as a step took; whether it is done.

        Not while there may be submissions that are not known yet, and may want what would be dropped. Raises `StoreFailedError`, `OSError`.
        """
        while follower.is_at_tip:
            began_s = self._clock.monotonic_s()
            async with self._gate.passing():
                cursor = await to_thread.run_sync(self._files.store.shed, self._cursor, self._files.shard)
            if cursor is None:
                await self._note_shed()
                return True
            self._cursor = cursor
            await anyio.sleep(self._clock.monotonic_s() - began_s)
        return False

    async def _note_shed(self) -> None:
        note, dropped = self._note.shed(), self._cursor.dropped
        await to_thread.run_sync(note.keep, self._data_dir)
        self._note, self._cursor = note, ShedCursor()
        self._counters.segments_shed += dropped
        log.info("shard_shed", shard=note.live, segments=dropped)
