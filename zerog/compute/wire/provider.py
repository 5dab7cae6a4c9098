"""What a provider answers to questions that cost nothing.

Sources: npm `@0gfoundation/0g-compute-ts-sdk` 0.9.0; 0gfoundation/0g-serving-broker, `api/inference`. Receipts are ours.
"""

from typing import Annotated

import msgspec

from zerog.compute.protocol.receipts import Decimal, Receipt, Remainder, SummedNode
from zerog.primitives import Address, Data, Hash32

__all__ = [
    "ModelInfo",
    "ModelsAnswer",
    "ReceiptAnswer",
    "ReceiptsAnswer",
    "RemainderPlace",
    "SettlementEntry",
    "SettlementPlace",
    "SignatureAnswer",
    "SignedReceipt",
    "UnsettledFeeAnswer",
]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""What JSON carries exactly."""


class SignatureAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/proxy/signature/{id}`: the text that was signed of an answer, and by whom."""

    text: str
    signature: Data
    """EIP-191, 65 bytes."""
    signing_address: Address
    signing_algo: str
    provider_type: str | None = None
    """Where a company runs the model; so are the next two."""
    provider_identity: str | None = None
    tls_cert_fingerprint: str | None = None


class ReceiptsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/receipts?cursor&limit`: a user's receipts, newest first."""

    receipts: list["SignedReceipt"]
    next_cursor: int | None = None
    """For the next page; `None` after the last."""


class UnsettledFeeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/user/{address}/unsettledfee`: what a user owes and no settlement has claimed yet, in wei."""

    user_address: Address = msgspec.field(name="userAddress")
    unsettled_fee: Decimal = msgspec.field(name="unsettledFee")


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of one model of `GET /v1/models`; all but the id may be missing."""

    id: str
    name: str | None = None
    description: str | None = None
    type: str | None = None
    context_length: int | None = None
    owned_by: str | None = None


class ModelsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/models`."""

    data: list[ModelInfo]


class SettlementEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One user's part of a settlement, as the contract was called with it."""

    user: Address
    provider: Address
    total_fee: Decimal
    requests_hash: Hash32
    """Root over the receipts."""
    nonce: Decimal
    signature: Data
    """EIP-712."""


class SettlementPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The settlement that a receipt is part of, and the way from the receipt to its root."""

    transaction_hash: Hash32
    block_number: Count
    contract: Address
    entry: SettlementEntry
    index: Count
    """Of the receipt among those of the entry."""
    count: Count
    """Of the receipts of the entry."""
    proof: list[SummedNode]
    """The nodes beside the way to the root, with what the receipts below each cost."""
    paid: Decimal | None = None
    """What was paid of the receipt here, where the user's money ran out within it; missing where all of it was."""
    remainders: list["RemainderPlace"] = msgspec.field(default_factory=list)
    """What became of the rest."""


class RemainderPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was left of a receipt after a settlement that paid a part, and the settlement of that."""

    remainder: Remainder
    leaf: Hash32
    settlement: SettlementPlace | None = None
    """Missing until it is settled."""


class SignedReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receipt with its leaf and the signer's word for it."""

    receipt: Receipt
    leaf: Hash32
    signature: Data


class ReceiptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/receipts/{id}`."""

    receipt: Receipt
    leaf: Hash32
    signature: Data
    settlement: SettlementPlace | None = None
    """Missing until the receipt is settled."""

    @property
    def signed(self) -> SignedReceipt:
        return SignedReceipt(receipt=self.receipt, leaf=self.leaf, signature=self.signature)
