"""Settlements: what the signer signs so that a provider is paid, and which requests of a user the money covers.

Source: 0gfoundation/0g-serving-contract, `contracts/inference` (EIP-712 domain and type, statuses, entries in a call).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog._kernel import SignatureError, abi_encode, keccak256, secp256k1_recover, secp256k1_sign
from zerog.compute.protocol.errors import ComputeError
from zerog.contracts.compute import SettlementData, SettlementStatus
from zerog.primitives import Address, Hash32, Wei

__all__ = [
    "ENTRIES_MAX",
    "NONCES_A_SECOND",
    "PAYING",
    "Settlement",
    "SettlementData",
    "SettlementError",
    "SettlementStatus",
    "domain_separator",
    "largest_prefix",
    "next_nonce",
    "paid_of",
    "paid_parts",
    "recover_settlement_signer",
    "settlement_digest",
    "sign_settlement",
]

ENTRIES_MAX: Final = 50
"""Entries in one call of `settleFeesWithTEE`."""
NONCES_A_SECOND: Final = 10_000_000
"""The official broker numbers settlements by the time, in so many steps a second."""

DOMAIN_TYPE: Final = Hash32(keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
DOMAIN_NAME: Final = Hash32(keccak256(b"0G Inference Serving"))
DOMAIN_VERSION: Final = Hash32(keccak256(b"1"))
SETTLEMENT_TYPE: Final = Hash32(
    keccak256(b"TEESettlement(bytes32 requestsHash,uint256 nonce,address provider,address user,uint256 totalFee)")
)
SIGNATURE_BYTES: Final = 65


PAYING: Final = frozenset({SettlementStatus.SUCCESS, SettlementStatus.PARTIAL})
"""After these money has moved, and the nonce is used up."""


class SettlementError(ComputeError):
    """A settlement, or its signature, that is not what it should be."""

    code = "settlement"
    remedy = "do not count the charge as settled; ask the provider for its receipt again"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the settlement proves nothing: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a user is to pay for a row of requests."""

    user: Address
    provider: Address
    total_fee_wei: int
    requests_hash: Hash32
    """Root over the receipts."""
    nonce: int
    """Higher than that of any settlement between the two before."""


def domain_separator(chain_id: int, contract: Address) -> Hash32:
    """What binds a signature to one contract of one chain (EIP-712)."""
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    return Hash32(keccak256(abi_encode(kinds, [DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract])))


def struct_hash(settlement: Settlement | SettlementData) -> Hash32:
    """EIP-712's `hashStruct` of a settlement."""
    kinds = ["bytes32", "bytes32", "uint256", "address", "address", "uint256"]
    parties = (settlement.provider, settlement.user)
    members = (SETTLEMENT_TYPE, settlement.requests_hash, settlement.nonce, *parties, settlement.total_fee_wei)
    return Hash32(keccak256(abi_encode(kinds, members)))


def settlement_digest(settlement: Settlement | SettlementData, domain: Hash32) -> Hash32:
    """What is signed."""
    return Hash32(keccak256(b"\x19\x01" + domain + struct_hash(settlement)))


def sign_settlement(settlement: Settlement, domain: Hash32, private_key: bytes) -> SettlementData:
    """Sign (r, s low, v 27 or 28). Raises `SignatureError` for bytes that are no key."""
    compact = secp256k1_sign(settlement_digest(settlement, domain), private_key)
    return SettlementData(
        user=settlement.user,
        provider=settlement.provider,
        total_fee_wei=Wei(settlement.total_fee_wei),
        requests_hash=settlement.requests_hash,
        nonce=settlement.nonce,
        signature=compact[:64] + bytes([compact[64] + 27]),
    )


def recover_settlement_signer(settlement: SettlementData, domain: Hash32) -> Address:
    """Who signed a settlement. Raises `SettlementError` when the contract would take the signature of nobody."""
    signature = settlement.signature
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise SettlementError("its signature is not 65 bytes with v 27 or 28")
    try:
        return Address(secp256k1_recover(settlement_digest(settlement, domain), signature))
    except SignatureError as error:
        raise SettlementError(str(error)) from None


def largest_prefix(amounts_wei: Sequence[int], money_wei: int) -> int:
    """How many of the first amounts the money covers in full."""
    left_wei = money_wei
    for index, amount_wei in enumerate(amounts_wei):
        left_wei -= amount_wei
        if left_wei < 0:
            return index
    return len(amounts_wei)


def paid_parts(amounts_wei: Sequence[int], paid_wei: int) -> tuple[int, int]:
    """How many of the first amounts a payment covers in full, and how much it pays of the next one.

    Requests are paid in their order, so at most one is paid in part. Raises `SettlementError` when more was paid than asked.
    """
    covered = largest_prefix(amounts_wei, paid_wei)
    rest_wei = paid_wei - sum(amounts_wei[:covered])
    if covered == len(amounts_wei) and rest_wei:
        raise SettlementError(f"{rest_wei} wei more were paid than its receipts cost")
    return covered, rest_wei


def paid_of(amount_wei: int, *, before_wei: int, settled_wei: int) -> int:
    """What a payment of `settled_wei` pays of one amount that has `before_wei` before it: the same rule, seen from one request."""
    return max(0, min(amount_wei, settled_wei - before_wei))


def next_nonce(unix_s: float, *, last: int) -> int:
    """A nonce after `last`, the highest that the contract or the book has seen for the user: by the time, as the official broker does."""
    return max(int(unix_s * NONCES_A_SECOND), last + 1)
