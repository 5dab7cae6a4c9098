"""From a transaction object to a signed transaction: what the caller left out is filled in, then an unlocked account signs."""

from dataclasses import dataclass

from zerog._kernel import Transaction
from zerog.chain.node import fees
from zerog.chain.node.calls import Call, estimate
from zerog.chain.node.chain import Chain
from zerog.chain.node.soon import now
from zerog.chain.protocol.errors import CallRefusedError, UnknownAccountError
from zerog.chain.protocol.tags import Tag
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import Address

__all__ = ["Draft", "draft", "fill"]

BASE_FEES_OF_ROOM = 2
"""A fee cap that we choose still pays after the base fee has doubled, which takes six full blocks."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction that needs only its signature."""

    sender: Address
    transaction: Transaction

    def sign(self, chain: Chain) -> tuple[bytes, bool]:
        """EIP-2718 bytes, and whether they carry the sender in place of a signature. Raises `UnknownAccountError`."""
        if chain.accounts.is_impersonated(self.sender):
            return self.transaction.impersonate(self.sender), True
        return self.transaction.sign(chain.accounts.key(self.sender)), False


async def draft(chain: Chain, wanted: TransactionObject) -> Draft:
    """Fill in sender, nonce, gas, fees and type. Raises `UnknownAccountError`, and what `fill` raises."""
    wanted.check_fees()
    sender = wanted.sender or chain.accounts.first()
    if sender not in chain.accounts.keys and not chain.accounts.is_impersonated(sender):
        raise UnknownAccountError(sender)
    return Draft(sender, await fill(chain, wanted, sender))


async def fill(chain: Chain, wanted: TransactionObject, sender: Address) -> Transaction:
    """Fill in nonce, gas, fees and type.

    Raises `CallRefusedError` when fields contradict each other or the chain, and what `estimate` raises.
    """
    wanted.check_fees()
    wanted.check_blobs()
    if wanted.chain_id is not None and wanted.chain_id != chain.ledger.chain_id:
        raise CallRefusedError(f"chainId does not match node's (have={int(wanted.chain_id)}, want={chain.ledger.chain_id})")
    if wanted.to is None and not wanted.payload():
        raise CallRefusedError("contract creation without any data provided")
    kind = _kind(wanted)
    cap, tip = _fees(chain, wanted, kind)
    return Transaction(
        kind=kind,
        chain_id=chain.ledger.chain_id,
        nonce=chain.pool.next_nonce(chain.ledger, sender) if wanted.nonce is None else wanted.nonce,
        gas_limit=await _gas(chain, wanted, sender) if wanted.gas is None else wanted.gas,
        max_fee_per_gas=cap,
        max_priority_fee_per_gas=tip,
        to=wanted.to,
        value=wanted.value or 0,
        data=wanted.payload(),
        access_list=wanted.access_list_for_kernel() or (),
        authorization_list=wanted.authorizations_for_kernel() or (),
    )


def _kind(wanted: TransactionObject) -> int:
    """EIP-2718 type: the one that is named, else the oldest that has the fields given; with no hint, EIP-1559."""
    if wanted.kind is not None:
        return int(wanted.kind)
    if wanted.authorization_list is not None:
        return 4
    if wanted.gas_price is None:
        return 2
    return 0 if wanted.access_list is None else 1


def _fees(chain: Chain, wanted: TransactionObject, kind: int) -> tuple[int, int | None]:
    """(gas price or fee cap, tip or none) in wei."""
    if kind in (0, 1):
        return (fees.gas_price(chain) if wanted.gas_price is None else wanted.gas_price), None
    if wanted.gas_price is not None:
        return wanted.gas_price, wanted.gas_price
    room = BASE_FEES_OF_ROOM * chain.producer.next_base_fee()
    cap, tip = wanted.max_fee_per_gas, wanted.max_priority_fee_per_gas
    if tip is None:
        tip_wei = fees.tip(chain)
        tip_wei_chosen = tip_wei if cap is None else min(tip_wei, cap)
        return (room + tip_wei if cap is None else cap), tip_wei_chosen
    return (room + tip if cap is None else cap), tip


async def _gas(chain: Chain, wanted: TransactionObject, sender: Address) -> int:
    """The estimate on top of what the pool holds already."""
    selector = Tag.PENDING if chain.pool.counts()[0] else Tag.LATEST
    unpriced = TransactionObject(
        sender=sender,
        to=wanted.to,
        value=wanted.value,
        input=wanted.input,
        data=wanted.data,
        access_list=wanted.access_list,
        authorization_list=wanted.authorization_list,
    )
    return await now(estimate(chain, Call(unpriced, selector)))
