"""Signing on the client's side: from what the node was asked to a transaction of type 2."""

from zerog._kernel import Transaction
from zerog.primitives import Account

__all__ = ["sign_transaction"]

BASE_FEES_OF_ROOM = 2
"""The fee cap still pays after the base fee has doubled, which takes six full blocks."""


def sign_transaction(
    account: Account,
    *,
    chain_id: int,
    nonce: int,
    gas_limit: int,
    base_fee_wei: int,
    tip_wei: int,
    to: bytes | None,
    value_wei: int,
    data: bytes,
) -> bytes:
    """EIP-2718 bytes."""
    transaction = Transaction(
        kind=2,
        chain_id=chain_id,
        nonce=nonce,
        gas_limit=gas_limit,
        max_fee_per_gas=BASE_FEES_OF_ROOM * base_fee_wei + tip_wei,
        max_priority_fee_per_gas=tip_wei,
        to=to,
        value=value_wei,
        data=data,
    )
    return transaction.sign(account.private_key)
