"""Transactions as the checks of settlements read them."""

import msgspec

from zerog.chain.client import ChainClient
from zerog.primitives import Address, Data, Hash32, Uint64, decode_hook

__all__ = ["SettleTransaction", "read_transaction"]


class SettleTransaction(msgspec.Struct, frozen=True, rename={"sender": "from", "block_number": "blockNumber"}):
    """What matters of one; it need not be a settlement."""

    sender: Address
    to: Address | None
    input: Data
    block_number: Uint64 | None = None


def read_transaction(chain: ChainClient, transaction_hash: Hash32) -> SettleTransaction | None:
    """`None` for one that the chain does not have. Raises `msgspec.ValidationError` for an answer that is none."""
    found = chain.request("eth_getTransactionByHash", str(transaction_hash))
    return None if found is None else msgspec.convert(found, SettleTransaction, dec_hook=decode_hook)
