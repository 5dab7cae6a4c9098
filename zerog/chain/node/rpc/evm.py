"""`evm_*`: time and snapshots, as ganache began them and every test framework uses them. Answers have anvil's shapes.

Programs over alloy call some of them by anvil's own prefix.
"""

from typing import Final, Self

import msgspec

from zerog.chain.node.chain import Chain
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import InvalidParametersError, Quantity, decode_hook
from zerog.runtime.jsonrpc import Namespace

__all__ = ["BLOCKS_MAX", "check_count", "evm"]

evm = Namespace("evm")

BLOCKS_MAX: Final = 1_000_000
"""Most blocks that one call makes."""
SECONDS_MAX: Final = 10**12
"""Larger times are in milliseconds. Source: anvil 1.7.1, as it behaves."""
MILLISECONDS: Final = 1000
"""A second."""
GAS_LIMIT_MAX: Final = 2**63 - 1
GAS_LIMIT_MIN: Final = 5_000
"""Source: ethereum/go-ethereum, params/protocol_params.go (MinGasLimit)."""


class _MineObject(msgspec.Struct, frozen=True):
    blocks: LooseNumber | None = None
    timestamp: LooseNumber | None = None


class MineOptions:
    """How many blocks, and when the first one is."""

    __slots__ = ("blocks", "timestamp")

    def __init__(self, blocks: int = 1, timestamp: int | None = None) -> None:
        self.blocks: Final = blocks
        self.timestamp: Final = timestamp

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a timestamp, or `{blocks, timestamp}`. Raises `ValueError`."""
        if not isinstance(value, dict):
            return cls(timestamp=LooseNumber.from_json(value))
        wanted = msgspec.convert(value, _MineObject, dec_hook=decode_hook)
        return cls(1 if wanted.blocks is None else wanted.blocks, wanted.timestamp)


def check_count(count: int) -> int:
    """Raises `InvalidParametersError` when so many blocks are too many for one call."""
    if count > BLOCKS_MAX:
        raise InvalidParametersError(f"at most {BLOCKS_MAX} blocks in one call, not {count:d}")
    return count


@evm.method("snapshot", dev=True, aliases=("anvil_snapshot",))
async def snapshot(chain: Chain) -> Quantity:
    """Remember this moment."""
    return Quantity(await chain.take_snapshot())


@evm.method("revert", dev=True, aliases=("anvil_revert",))
async def revert(chain: Chain, snapshot_id: LooseNumber) -> bool:
    """Go back to a snapshot, which is then gone with all later ones; false when there is none."""
    return await chain.revert(snapshot_id)


@evm.method("mine", dev=True)
async def mine(chain: Chain, options: MineOptions | None = None) -> str:
    """Make a block, or several."""
    wanted = options or MineOptions()
    await chain.producer.mine(check_count(wanted.blocks), timestamp=wanted.timestamp)
    return "0x0"


@evm.method("increaseTime", dev=True, aliases=("anvil_increaseTime",))
async def increase_time(chain: Chain, seconds: LooseNumber) -> int:
    """Move the time of blocks to come forward; returns by how much it is off in all."""
    async with chain.producer.exclusive():
        return chain.producer.block_clock.increase(seconds)


@evm.method("setNextBlockTimestamp", dev=True, aliases=("anvil_setNextBlockTimestamp",))
async def set_next_block_timestamp(chain: Chain, timestamp: LooseNumber) -> None:
    """Fix the next block's time; the clock goes on from there."""
    async with chain.producer.exclusive():
        chain.producer.block_clock.set_next(timestamp, chain.ledger.head().timestamp)


@evm.method("setTime", dev=True, aliases=("anvil_setTime",))
async def set_time(chain: Chain, timestamp: LooseNumber) -> int:
    """Let the clock of blocks go on from a time; returns by how much it is later than before.

    Ganache has milliseconds here, which JavaScript's `Date` gives; whatever is too large for a time in seconds is one in those.
    """
    if timestamp > SECONDS_MAX:
        timestamp = LooseNumber(timestamp // MILLISECONDS)
    async with chain.producer.exclusive():
        return chain.producer.block_clock.set_time(timestamp, int(chain.clock.unix_s()), chain.ledger.head().timestamp)


@evm.method("setAutomine", dev=True, aliases=("anvil_setAutomine",))
async def set_automine(chain: Chain, enabled: bool) -> None:
    """Make a block for each transaction that arrives, or stop doing so. What waits is mined when it is switched on."""
    chain.producer.automine = enabled
    if enabled:
        await chain.producer.mine_pending()


@evm.method("setIntervalMining", dev=True, aliases=("anvil_setIntervalMining",))
def set_interval_mining(chain: Chain, seconds: LooseNumber) -> None:
    """Make a block every so many seconds, whatever `evm_setAutomine` says; 0 stops it."""
    chain.producer.set_interval(float(seconds) or None)


@evm.method("setBlockGasLimit", dev=True, aliases=("anvil_setBlockGasLimit",))
async def set_block_gas_limit(chain: Chain, gas_limit: LooseNumber) -> bool:
    """Gas limit of the blocks to come."""
    if not GAS_LIMIT_MIN <= gas_limit <= GAS_LIMIT_MAX:
        raise InvalidParametersError(f"a block's gas limit lies between {GAS_LIMIT_MIN} and {GAS_LIMIT_MAX}, unlike {gas_limit:d}")
    async with chain.producer.exclusive():
        chain.producer.gas_limit = int(gas_limit)
    return True
