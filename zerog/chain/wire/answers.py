"""Blocks, receipts and logs as a node answers them, for clients that want values instead of text."""

import msgspec

from zerog.primitives import Address, Data, Hash32, Quantity, Uint64

__all__ = ["BlockAnswer", "LogAnswer", "ReceiptAnswer"]


class BlockAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A block with the hashes of its transactions."""

    number: Uint64
    hash: Hash32
    parent_hash: Hash32
    timestamp: Uint64
    miner: Address
    gas_limit: Uint64
    gas_used: Uint64
    base_fee_per_gas: Quantity
    state_root: Hash32
    transactions: list[Hash32]


class LogAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An event of a contract."""

    address: Address
    topics: list[Hash32]
    data: Data
    block_number: Uint64
    block_hash: Hash32
    transaction_hash: Hash32
    log_index: Uint64


class ReceiptAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a transaction did."""

    transaction_hash: Hash32
    block_number: Uint64
    block_hash: Hash32
    status: Uint64
    gas_used: Uint64
    effective_gas_price: Quantity
    contract_address: Address | None
    logs: list[LogAnswer]

    @property
    def succeeded(self) -> bool:
        """Whether the transaction did what it was to do."""
        return self.status == 1
