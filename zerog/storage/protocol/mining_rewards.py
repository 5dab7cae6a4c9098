"""What mining pays: how the fees of a pricing chunk are released, what an answer takes of it, and what a miner may expect.

Source: 0gfoundation/0g-storage-contracts, `ChunkLinearReward.sol`, `PoraMine.sol`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.primitives import Wei

__all__ = ["ChunkReward", "Forecast", "MiningRate", "forecast"]

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class ChunkReward:
    """What is kept for those who store one pricing chunk."""

    total_wei: Wei
    distributed_wei: Wei
    start_s: int
    """When the release began, in seconds since 1970; 0 while the chunk is not full, and then nothing is paid."""

    def released_wei(self, now_s: int, release_s: int) -> int:
        """What may be paid by a time, evenly over `release_s`."""
        if not self.start_s:
            return 0
        return self.total_wei * min(max(0, now_s - self.start_s), release_s) // release_s

    def answer_wei(self, now_s: int, release_s: int) -> int:
        """What one answer is paid: half of what is released and was not paid."""
        return max(0, self.released_wei(now_s, release_s) - self.distributed_wei) // 2

    def daily_wei(self, now_s: int, release_s: int) -> int:
        """What the next day releases."""
        return self.released_wei(now_s + DAY_S, release_s) - self.released_wei(now_s, release_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRate:
    """How fast a miner searches, and how mining is set up."""

    seals_s: float
    """Seals that are weighed in a second while a window is open."""
    seals_per_hit: float
    block_s: float
    target_mine_blocks: int
    blocks_per_epoch: int
    target_submissions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What may be expected, if everything stays as it is."""

    hits_per_epoch: float
    """Answers that the miner finds in one window, at most as many as an epoch takes."""
    epochs_per_day: float
    share: float
    """Of all answers, how many are his."""
    answer_wei: int
    """What one answer is paid now, on average over his chunks."""
    daily_wei: int


def forecast(rate: MiningRate, chunks: Sequence[ChunkReward], *, now_s: int, release_s: int) -> Forecast:
    """Expected hits and income of a miner who holds all of `chunks`.

    The difficulty moves until an epoch has `target_submissions` answers of all miners together, so that many are assumed, or as many as
    he alone finds. In the long run answers take all that is released, however many there are, so his income is his share of that.
    """
    window_s = rate.target_mine_blocks * rate.block_s
    found = rate.seals_s * window_s / rate.seals_per_hit
    hits = min(found, 2.0 * rate.target_submissions)
    epoch_s = rate.blocks_per_epoch * rate.block_s
    epochs = DAY_S / epoch_s if epoch_s > 0 else 0.0
    share = hits / max(hits, float(rate.target_submissions)) if hits else 0.0
    answers = [chunk.answer_wei(now_s, release_s) for chunk in chunks]
    daily = sum(chunk.daily_wei(now_s, release_s) for chunk in chunks)
    return Forecast(
        hits_per_epoch=hits,
        epochs_per_day=epochs,
        share=share,
        answer_wei=sum(answers) // len(answers) if answers else 0,
        daily_wei=int(daily * share) if epochs else 0,
    )
