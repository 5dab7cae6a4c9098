"""What a node tells of its miner; methods of ours. Amounts are decimal text, since JSON's numbers end at 2^53 elsewhere."""

import msgspec

from zerog.primitives import Address, Hash32

__all__ = ["MinerForecast", "MinerRewards", "MinerStatus", "MinerWithdrawal"]


class MinerStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a miner does and did since its start."""

    on: bool
    state: str
    """In a few words."""
    trouble: str | None
    """Why it does nothing, if chain or disk stand in the way."""
    account: Address
    mine: Address
    """The contract."""
    miner_id: Hash32 | None
    start_position: int
    epoch: int | None
    loads_held: int
    """Sealed loads of 256 KiB that can be searched."""
    seals_held: int
    is_full: bool
    """Whether there is no room for more of them."""
    nonces: int
    loads: int
    seals: int
    """Weighed; so are `loads`."""
    hits: int
    seals_per_second: float
    answers_sent: int
    answers_accepted: int
    answers_refused: dict[str, int]
    """By the reason."""
    earned_wei: str


class MinerRewards(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a miner id earned in all, what can be withdrawn, and what the account holds."""

    miner_id: Hash32 | None
    account: Address
    earned_wei: str
    withdrawable_wei: str
    balance_wei: str


class MinerWithdrawal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What was paid out."""

    withdrawn_wei: str
    transaction_hash: Hash32 | None = None
    """Without one there was nothing to withdraw."""


class MinerForecast(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What may be expected if everything stays as it is, and what that rests on."""

    seals_per_second: float
    seals_per_hit: float
    seconds_per_block: float
    blocks_per_epoch: int
    window_blocks: int
    target_submissions: int
    """Answers that the difficulty aims at in an epoch, of all miners together."""
    pricing_chunks: int
    """Of which the miner holds something."""
    locked_wei: str
    """What is kept in them and not released yet."""
    hits_per_epoch: float
    epochs_per_day: float
    share: float
    """Of all answers, how many are the miner's."""
    answer_wei: str
    """What one answer would be paid now."""
    daily_wei: str
