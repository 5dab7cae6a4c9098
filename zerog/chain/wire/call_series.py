"""What `eth_callMany` takes. Source: erigontech/erigon, rpc/jsonrpc/eth_callMany.go; member names of reth stand beside erigon's."""

import msgspec

from zerog._kernel import BlockOverride
from zerog.chain.wire.blocks import LATEST, BlockId
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import Address, Hash32, Uint64

__all__ = ["Bundle", "SeriesBlockOverride", "StateContext", "series_block_override"]


class SeriesBlockOverride(msgspec.Struct, frozen=True, rename="camel"):
    """The environment that a bundle pretends."""

    block_number: Uint64 | None = None
    number: Uint64 | None = None
    timestamp: Uint64 | None = None
    time: Uint64 | None = None
    coinbase: Address | None = None
    fee_recipient: Address | None = None
    gas_limit: Uint64 | None = None
    base_fee: Uint64 | None = None
    base_fee_per_gas: Uint64 | None = None
    prev_randao: Hash32 | None = None


class Bundle(msgspec.Struct, frozen=True, rename="camel"):
    """Calls that share an environment."""

    transactions: list[TransactionObject] = []
    block_override: SeriesBlockOverride | None = None


class StateContext(msgspec.Struct, frozen=True, rename="camel"):
    """The block in which the calls run, and before which of its transactions; -1 and none is after all of them."""

    block_number: BlockId = LATEST
    transaction_index: int | None = None


def series_block_override(wanted: SeriesBlockOverride, number: int, timestamp: int) -> BlockOverride:
    """For the kernel, with a number and a time (seconds) for where none is given."""
    given_number = wanted.number if wanted.block_number is None else wanted.block_number
    given_time = wanted.time if wanted.timestamp is None else wanted.timestamp
    return BlockOverride(
        number=number if given_number is None else given_number,
        timestamp=timestamp if given_time is None else given_time,
        beneficiary=wanted.fee_recipient if wanted.coinbase is None else wanted.coinbase,
        gas_limit=wanted.gas_limit,
        base_fee_per_gas=wanted.base_fee_per_gas if wanted.base_fee is None else wanted.base_fee,
        prev_randao=wanted.prev_randao,
    )
