"""Forgets files whose time is over: those in pricing chunks whose reward is released, unless their lives were extended.

A file is first marked as pruned, so that nobody is given it, and its data is dropped after a grace, in case that the chain takes time back.
Source: 0gfoundation/0g-storage-node, `node/pruner`; the extension of lives is ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog.chain.client import AnswerError, NodeUnreachableError, RpcError
from zerog.primitives import DecodeError
from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.following import BlockMark
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.reward_view import Release, RewardView
from zerog.storage.node.store import StoredSubmission, StoreFailedError
from zerog.storage.node.sync import FlowFollower

__all__ = ["Life", "Pruning", "PruningOptions", "life_end"]

AT_ONCE: Final = 512
"""Submissions of one transaction."""
DROPPED_AT_ONCE: Final = 256
PAUSE_S: Final = 0.005
"""Between two transactions, so that uploads have their turn."""
FOREIGN_SKEW_S_MAX: Final = 3_600.0
"""On a network of others, time that differs more from ours is not believed. Source: as above."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningOptions:
    """How one node forgets."""

    is_on: bool
    """Whether it forgets anything."""
    grace_s: float
    """How long the data of a file is kept after its time."""
    skew_s_max: float | None
    """Most seconds between the chain's time and ours; without it, as the network is."""
    interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Until when the network must keep a file."""

    pricing_chunk: int
    extensions: int
    end_s: int | None
    """In seconds since 1970; `None` while the pricing chunk is not full, since its time has not begun."""


def life_end(deadline_s: int, extensions: int, release_s: int) -> int | None:
    """When a life ends whose pricing chunk has this deadline (0 for one that is not full). The flow's contract counts the same."""
    return deadline_s + extensions * release_s if deadline_s else None


class Pruning:
    """Looks at the rewards again and again."""

    def __init__(
        self,
        files: Files,
        gate: Gate,
        clock: Clock,
        counters: Counters,
        rewards: RewardView,
        options: PruningOptions,
        order: Callable[[int], object],
    ) -> None:
        """`order` looks for the data of a submission at the peers."""
        self._files: Final = files
        self._lives: Final = files.store.lives
        self._gate: Final = gate
        self._clock: Final = clock
        self._counters: Final = counters
        self._rewards: Final = rewards
        self._options: Final = options
        self._order: Final = order
        self._looked: BlockMark | None = None
        self._reorganizations = 0
        self._chunk_sectors = 0
        self.release: Release | None = None
        """What the contract said at the last look."""
        self.next_end_s: int | None = None
        """When the first life that is not over ends; `None` while that is not known."""
        self.trouble: str | None = None
        """Why nothing expires at the moment."""

    async def run(self, follower: FlowFollower) -> None:
        """Until cancelled, through all failures of the chain and the disk."""
        while True:
            known = self._counters.reorganizations
            try:
                if self._options.is_on:
                    await self._look(follower)
                await self._drop_due()
            except (NodeUnreachableError, AnswerError, RpcError, DecodeError, TimeoutError, StoreFailedError) as error:
                self.trouble = str(error) or type(error).__name__
                self._rewards.forget()
                log.warning("expiry_not_known", cause=self.trouble)
            with anyio.move_on_after(self._options.interval_s):  # What the chain took time from is to be there again at once.
                await follower.wait_until_back(known)

    async def life(self, submission: StoredSubmission) -> Life:
        """Until when the network must keep a file. Raises what `RewardView` raises."""
        chunk = submission.start_sector // await self._rewards.chunk_sectors()
        extensions = self._lives.extensions_of(submission.seq)
        end_s = life_end(await self._rewards.deadline(chunk), extensions, await self._rewards.release_s())
        return Life(pricing_chunk=chunk, extensions=extensions, end_s=end_s)

    def status(self) -> Mapping[str, object]:
        """For the control socket."""
        pruned, doomed = self._lives.counts()
        return {
            "files_pruned": pruned,
            "files_kept_in_grace": doomed,
            "first_rewardable_chunk": None if self.release is None else self.release.first_chunk,
            "next_expiry": self.next_end_s,
            "trouble": self.trouble,
        }

    async def _look(self, follower: FlowFollower) -> None:
        """At the newest block that was read, so that all extensions up to it are known. Raises as `RewardView`, and `StoreFailedError`."""
        block = follower.read
        if block is None or block == self._looked:
            return
        if self._reorganizations != self._counters.reorganizations:
            self._reorganizations = self._counters.reorganizations
            self._rewards.forget()
        self._chunk_sectors = await self._rewards.chunk_sectors()
        release = await self._rewards.release(block.number)
        if not await follower.is_on_chain(block) or not await self._is_credible(release):
            return
        self.release = release
        await self._revive_whole(release)
        await self._expire_whole(release)
        await self._judge_extended(release)
        self.next_end_s = await self._rewards.deadline(release.first_chunk) or None
        self._looked, self.trouble = block, None

    async def _is_credible(self, release: Release) -> bool:
        """Whether the chain's time may decide: a chain node that lies about it must not make us forget anything."""
        skew_s_max = self._options.skew_s_max
        if skew_s_max is None:
            if await self._rewards.is_own_network():
                return True
            skew_s_max = FOREIGN_SKEW_S_MAX
        skew_s = release.time_s - self._clock.unix_s()
        if abs(skew_s) <= skew_s_max:
            return True
        self.trouble = f"the chain's time is {skew_s:+.0f} s from ours, and {skew_s_max:.0f} s are believed"
        return False

    async def _expire_whole(self, release: Release) -> None:
        """What lies in chunks that are released, and was not extended."""
        first, end = 0, release.first_chunk * self._chunk_sectors
        while found := await to_thread.run_sync(self._lives.alive_between, first, end, AT_ONCE):
            first = found[-1][1]
            await self._expire([seq for seq, _ in found])
            await anyio.sleep(PAUSE_S)

    async def _revive_whole(self, release: Release) -> None:
        """What was pruned and lies in chunks that are not released: the chain took time back."""
        while found := await to_thread.run_sync(self._lives.pruned_from, release.first_chunk * self._chunk_sectors, AT_ONCE):
            await self._revive(found)
            await anyio.sleep(PAUSE_S)

    async def _judge_extended(self, release: Release) -> None:
        """Each of those that were extended has an end of its own."""
        release_s = await self._rewards.release_s()
        first_seq = 0
        while found := await to_thread.run_sync(self._lives.extended, first_seq, AT_ONCE):
            first_seq = found[-1].seq + 1
            over, alive = [], []
            for life in found:
                chunk = life.start_sector // self._chunk_sectors
                if chunk >= release.first_chunk:
                    continue
                end_s = life_end(await self._rewards.deadline(chunk), life.extensions, release_s)
                is_over = end_s is not None and end_s < release.time_s
                if is_over and not life.pruned:
                    over.append(life.seq)
                elif not is_over and life.pruned:
                    alive.append(life.seq)
            await self._expire(over)
            await self._revive(alive)
            await anyio.sleep(PAUSE_S)

    async def _expire(self, seqs: list[int]) -> None:
        if not seqs:
            return
        drop_s = int(self._clock.unix_s() + self._options.grace_s)
        async with self._gate.passing():
            await to_thread.run_sync(self._lives.expire, seqs, drop_s)
            self._files.forget()
        self._counters.files_expired += len(seqs)
        log.info("files_expired", count=len(seqs), first_seq=seqs[0], last_seq=seqs[-1], data_kept_s=self._options.grace_s)

    async def _revive(self, seqs: list[int]) -> None:
        if not seqs:
            return
        async with self._gate.passing():
            await to_thread.run_sync(self._lives.revive, seqs)
            self._files.forget()
        for seq in seqs:
            submission = self._files.by_seq(seq)
            if submission is not None and not self._files.is_finalized(submission):
                self._order(seq)  # Its data is gone here; peers may have it.
        self._counters.files_revived += len(seqs)
        log.warning("files_revived", count=len(seqs), first_seq=seqs[0], last_seq=seqs[-1])

    async def _drop_due(self) -> None:
        """Drop the data whose grace is over. Its room comes back by the compaction. Raises `StoreFailedError`."""
        count = DROPPED_AT_ONCE
        while count == DROPPED_AT_ONCE:
            async with self._gate.passing():
                count = await to_thread.run_sync(self._lives.drop_due, int(self._clock.unix_s()), DROPPED_AT_ONCE)
            self._counters.files_dropped += count
            await anyio.sleep(PAUSE_S)
