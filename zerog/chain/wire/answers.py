"""Blocks, receipts and logs as a node answers them, for clients that want values instead of text."""

from typing import Final

import msgspec

from zerog.primitives import Address, Data, Hash32, Quantity, Uint64

__all__ = ["BlockAnswer", "LogAnswer", "ReceiptAnswer", "TransactionAnswer", "TransactionPage"]


MEMBERS: Final = {"sender": "from", "value_wei": "value", "gas_limit": "gas", "data": "input"}
"""Names that say more than those on the wire."""


def _member_name(name: str) -> str:
    first, *rest = MEMBERS.get(name, name).split("_")
    return first + "".join(map(str.capitalize, rest))


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


class TransactionAnswer(msgspec.Struct, frozen=True, rename=_member_name, kw_only=True):
    """A transaction that was signed, in a block or on its way there."""

    hash: Hash32
    sender: Address
    to: Address | None
    """`None` for one that creates a contract."""
    nonce: Uint64
    value_wei: Quantity
    gas_limit: Uint64
    data: Data
    block_number: Uint64 | None = None
    """`None` while it is in no block, as the next one."""
    block_hash: Hash32 | None = None


class TransactionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions in which an address took part, newest first; never a part of a block."""

    transactions: list[TransactionAnswer]
    before_block: int | None
    """Where the next page begins; `None` if this is the last one."""


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
