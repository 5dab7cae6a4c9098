"""Transfers signed before the clock starts, from senders that exist for the measurement alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from zerog._kernel import Transaction, address_of, keccak256, keccak256_many

__all__ = ["CHAIN_ID", "FUNDS_WEI", "Sender", "sender", "sign_call", "sign_transfers", "transaction_hashes"]

CHAIN_ID = 31337
FUNDS_WEI = 10**22
TRANSFER_GAS = 21_000
FEE_CAP_WEI = 200 * 10**9
"""High enough for a base fee that rises by an eighth with each full block."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A key that nobody else uses, drawn from its number so that every run signs the same bytes."""

    private_key: bytes
    address: bytes


def sender(number: int) -> Sender:
    """The sender with this number."""
    private_key = keccak256(b"zerog benchmark sender %d" % number)
    return Sender(private_key, address_of(private_key))


def sign_transfers(senders: Sequence[Sender], count: int, *, recipients: Sequence[bytes] = ()) -> list[bytes]:
    """Sign `count` transfers of one wei, the senders in turn, each from nonce 0, to the recipients in turn (default: the senders)."""
    to = recipients or [each.address for each in senders]
    return [
        Transaction(
            kind=2,
            chain_id=CHAIN_ID,
            nonce=index // len(senders),
            gas_limit=TRANSFER_GAS,
            max_fee_per_gas=FEE_CAP_WEI,
            max_priority_fee_per_gas=10**9,
            to=to[(index * 7 + 1) % len(to)],
            value=1,
        ).sign(senders[index % len(senders)].private_key)
        for index in range(count)
    ]


def sign_call(caller: Sender, *, nonce: int, to: bytes | None, gas_limit: int, data: bytes = b"", value: int = 0) -> bytes:
    """Sign one transaction that runs code; no `to` makes a contract."""
    return Transaction(
        kind=2,
        chain_id=CHAIN_ID,
        nonce=nonce,
        gas_limit=gas_limit,
        max_fee_per_gas=FEE_CAP_WEI,
        max_priority_fee_per_gas=10**9,
        to=to,
        value=value,
        data=data,
    ).sign(caller.private_key)


def transaction_hashes(signed: Sequence[bytes]) -> list[str]:
    """The hashes of signed transactions, as JSON-RPC writes them."""
    return ["0x" + each.hex() for each in keccak256_many(signed)]
