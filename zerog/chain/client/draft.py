"""Signing on the client's side: from what the node was asked to a transaction of type 2."""

from dataclasses import dataclass

from zerog._kernel import Transaction
from zerog.primitives import Account

__all__ = ["Draft", "sign_transaction"]

BASE_FEES_OF_ROOM = 2
"""The fee cap still pays after the base fee has doubled, which takes six full blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A transaction that is not signed yet."""

    chain_id: int
    nonce: int
    gas_limit: int
    base_fee_wei: int
    tip_wei: int
    to: bytes | None
    """`None` creates a contract."""
    value_wei: int
    data: bytes

    @property
    def fee_cap_wei(self) -> int:
        """The most that is paid for a unit of gas."""
        return BASE_FEES_OF_ROOM * self.base_fee_wei + self.tip_wei

    @property
    def cost_wei_max(self) -> int:
        """The most that leaves the account."""
        return self.value_wei + self.gas_limit * self.fee_cap_wei

    def signed(self, account: Account) -> bytes:
        """EIP-2718 bytes."""
        transaction = Transaction(
            kind=2,
            chain_id=self.chain_id,
            nonce=self.nonce,
            gas_limit=self.gas_limit,
            max_fee_per_gas=self.fee_cap_wei,
            max_priority_fee_per_gas=self.tip_wei,
            to=self.to,
            value=self.value_wei,
            data=self.data,
        )
        return transaction.sign(account.private_key)


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
    draft = Draft(
        chain_id=chain_id,
        nonce=nonce,
        gas_limit=gas_limit,
        base_fee_wei=base_fee_wei,
        tip_wei=tip_wei,
        to=to,
        value_wei=value_wei,
        data=data,
    )
    return draft.signed(account)
