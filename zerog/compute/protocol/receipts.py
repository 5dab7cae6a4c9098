"""Receipts: what a provider says of each request that it billed, and the tree through which a settlement commits to them.

The receipts are zerog's own addition to the marketplace. Sources of their parts: RFC 8785 (canonical JSON), EIP-191 (the signature); the
prefixes that keep leaves and nodes apart are those of RFC 6962, section 2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, TypeVar

import msgspec

from zerog._kernel import keccak256
from zerog.compute.protocol.errors import ComputeError, SignedTextError
from zerog.compute.protocol.fees import Fee, Usage
from zerog.compute.protocol.signing import recover_text_signer, sign_text
from zerog.primitives import Address, Hash32, decode_hook

__all__ = [
    "RECEIPT_BYTES_MAX",
    "RECEIPT_VERSION",
    "Decimal",
    "EngineIdentity",
    "InclusionProof",
    "ProvenPlace",
    "Receipt",
    "ReceiptError",
    "ReceiptTree",
    "Remainder",
    "SummedNode",
    "canonical_bytes",
    "leaf_of",
    "proven_place",
    "read_receipt",
    "read_remainder",
    "receipt_text",
    "recover_receipt_signer",
    "sign_receipt",
]

RECEIPT_VERSION: Final = 1
RECEIPT_BYTES_MAX: Final = 64 << 10
"""Far more than a receipt has; whatever is longer is not looked at."""
RECEIPT_TEXT_PREFIX: Final = "zerog-receipt-v1:"
LEAF_PREFIX: Final = b"\0"
NODE_PREFIX: Final = b"\1"
ROOT_PREFIX: Final = b"\2"
COUNT_BYTES: Final = 8
HASH_BYTES: Final = 32
AMOUNT_BYTES: Final = 32
"""As the contract counts wei."""

Decimal = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,77})\Z")]
"""Wei as decimal text: numbers of JSON are exact up to 2^53 only."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""What every reader of JSON takes as it is."""
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str, order="sorted")
_Document = TypeVar("_Document", bound=msgspec.Struct)


class ReceiptError(ComputeError):
    """A receipt, or a proof of one, that is not what it should be."""

    code = "receipt"
    remedy = "ask the provider for the receipt again; if it stays so, the provider cannot prove this charge"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the receipt proves nothing: {self.cause}"


class EngineIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What computed the answer, as the provider says."""

    name: str
    version: str
    note: str | None = None
    """What a user must know, such as that answers are scripted."""
    model_sha256: Hash32 | None = None
    parameters: dict[Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")], Annotated[str, msgspec.Meta(max_length=1024)]] | None = None
    """Names are plain ASCII, whose order is the same in every encoding."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One billed request. Amounts are wei in decimal text."""

    version: Annotated[int, msgspec.Meta(ge=RECEIPT_VERSION, le=RECEIPT_VERSION)]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """What the header `ZG-Res-Key` of the answer says."""
    chain_id: _Number
    provider: Address
    user: Address
    service_type: str
    model: str
    request_sha256: Hash32
    response_sha256: Hash32
    signed_text: str
    """The text that the signature of the answer covers."""
    usage: Usage
    input_fee: Decimal
    output_fee: Decimal
    fee: Decimal
    created_at_ms: _Number
    signer: Address
    """Whose key signed the answer, signs this receipt and signs settlements."""
    engine: EngineIdentity

    EXPECTED: ClassVar = "a receipt of version 1"

    def __post_init__(self) -> None:
        if int(self.input_fee) + int(self.output_fee) != int(self.fee):
            raise ValueError("its fee is not the sum of its parts")

    @staticmethod
    def fees(fee: Fee) -> dict[str, str]:
        """The three amounts as a receipt has them."""
        return {"input_fee": str(fee.input_wei), "output_fee": str(fee.output_wei), "fee": str(fee.total_wei)}


class Remainder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left of a receipt whose first settlement ran out of money within it: the next settlement claims this, not the fee again.

    It stands in the tree of that settlement in place of the receipt, so that the amounts of a tree's leaves add up to what it claims.
    """

    version: Annotated[int, msgspec.Meta(ge=RECEIPT_VERSION, le=RECEIPT_VERSION)]
    kind: Annotated[str, msgspec.Meta(pattern=r"^remainder\Z")]
    receipt: Hash32
    """Leaf of the receipt."""
    user: Address
    provider: Address
    chain_id: _Number
    fee: Decimal
    """Of the receipt."""
    paid: Decimal
    """In all settlements before."""
    amount: Decimal
    """What is left."""
    after_nonce: Decimal
    """Nonce of the settlement that paid the last part."""

    EXPECTED: ClassVar = "a remainder of version 1"

    def __post_init__(self) -> None:
        if int(self.paid) + int(self.amount) != int(self.fee) or self.paid == "0" or self.amount == "0":
            raise ValueError("what is paid and what is left are not two parts of the fee")


def canonical_bytes(document: Receipt | Remainder) -> bytes:
    """The one encoding that leaf and signature are made from: RFC 8785, which plain JSON by sorted names is where a document has whole
    numbers below 2^53, and names of ASCII."""
    return _ENCODER.encode(document)


def read_receipt(data: bytes) -> Receipt:
    """A receipt from its canonical bytes. Raises `ReceiptError`, for any other encoding too."""
    return _read(data, Receipt)


def read_remainder(data: bytes) -> Remainder:
    """A remainder from its canonical bytes. Raises `ReceiptError`, for any other encoding too."""
    return _read(data, Remainder)


def _read(data: bytes, kind: type[_Document]) -> _Document:
    if len(data) > RECEIPT_BYTES_MAX:
        raise ReceiptError(f"it has {len(data)} bytes, more than {RECEIPT_BYTES_MAX}")
    try:
        document = msgspec.json.decode(data, type=kind, dec_hook=decode_hook)
        is_canonical = canonical_bytes(document) == data  # type: ignore[arg-type]  # `kind` is one of the two.
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ReceiptError(f"it is not {kind.EXPECTED}: {error}") from None  # type: ignore[attr-defined]  # As above.
    if not is_canonical:
        raise ReceiptError("it is not in canonical form (RFC 8785)")
    return document


def leaf_of(data: bytes) -> Hash32:
    """The leaf of a receipt's or a remainder's canonical bytes."""
    return Hash32(keccak256(LEAF_PREFIX + data))


def receipt_text(leaf: Hash32) -> str:
    """What the signer signs of a receipt."""
    return RECEIPT_TEXT_PREFIX + leaf.hex()


def sign_receipt(leaf: Hash32, private_key: bytes) -> bytes:
    """The signer's word for a receipt: 65 bytes, EIP-191. Raises `SignatureError` for bytes that are no key."""
    return sign_text(receipt_text(leaf), private_key)


def recover_receipt_signer(leaf: Hash32, signature: bytes) -> Address:
    """Who signed a receipt. Raises `ReceiptError` when the signature is of nobody."""
    try:
        return recover_text_signer(receipt_text(leaf), signature)
    except SignedTextError as error:
        raise ReceiptError(str(error)) from None


class SummedNode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node of the tree: its hash, and what all leaves below it ask for together."""

    hash: Hash32
    amount: Decimal


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a leaf stands among the leaves of a settlement, and the nodes beside its way to the root."""

    index: int
    count: int
    proof: list[SummedNode]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenPlace:
    """What a proof leads to."""

    root: Hash32
    """The settlement that carries this root holds the leaf."""
    before_wei: int
    """What the leaves before it ask for: they are paid first."""
    total_wei: int
    """What all leaves ask for."""


class ReceiptTree:
    """The tree over the leaves of one settlement, in the order in which they are paid. An odd last node of a level moves up as it is.

    Each node carries the sum of the amounts below it, so that a proof also shows how much is paid before its leaf, and nothing else of
    the other receipts. The root names the number of leaves: the shape of a proof alone leaves open which of several numbers it was.
    """

    def __init__(self, leaves: Sequence[Hash32], amounts_wei: Sequence[int]) -> None:
        """One amount a leaf. Raises `ReceiptError` when there is no leaf, or the amounts are more than a contract's number."""
        if not leaves:
            raise ReceiptError("a settlement of nothing has no tree")
        self._levels = [[bytes(leaf) + _amount_bytes(wei) for leaf, wei in zip(leaves, amounts_wei, strict=True)]]
        while len(level := self._levels[-1]) > 1:
            above = [_joined(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            self._levels.append(above + level[-1:] if len(level) % 2 else above)

    @property
    def root(self) -> Hash32:
        """What the settlement carries as its `requestsHash`."""
        return _root_of(len(self), self._levels[-1][0])

    def __len__(self) -> int:
        return len(self._levels[0])

    def proof(self, index: int) -> InclusionProof:
        """Raises `ReceiptError` when there is no leaf of this number."""
        if not 0 <= index < len(self):
            raise ReceiptError(f"there is no leaf {index} among {len(self)}")
        beside = [level[place ^ 1] for height, level in enumerate(self._levels[:-1]) if (place := index >> height) ^ 1 < len(level)]
        nodes = [SummedNode(hash=Hash32(node[:HASH_BYTES]), amount=str(_amount_of(node))) for node in beside]
        return InclusionProof(index=index, count=len(self), proof=nodes)


def proven_place(leaf: Hash32, amount_wei: int, proof: InclusionProof) -> ProvenPlace:
    """What a proof shows of a leaf that asks for `amount_wei`: the root that it leads to, and its place there. Raises `ReceiptError`."""
    index, count = proof.index, proof.count
    if not 0 <= index < count < 1 << (8 * COUNT_BYTES):
        raise ReceiptError(f"there is no leaf {index} among {count}")
    node, beside, before_wei = bytes(leaf) + _amount_bytes(amount_wei), iter(proof.proof), 0
    try:
        while count > 1:
            if index ^ 1 < count:
                told = next(beside)
                other = bytes(told.hash) + _amount_bytes(int(told.amount))
                before_wei += int(told.amount) if index & 1 else 0
                node = _joined(other, node) if index & 1 else _joined(node, other)
            index, count = index >> 1, (count + 1) >> 1
    except StopIteration:
        raise ReceiptError("its proof is too short") from None
    if next(beside, None) is not None:
        raise ReceiptError("its proof is too long")
    return ProvenPlace(root=_root_of(proof.count, node), before_wei=before_wei, total_wei=_amount_of(node))


def _joined(left: bytes, right: bytes) -> bytes:
    return keccak256(NODE_PREFIX + left + right) + _amount_bytes(_amount_of(left) + _amount_of(right))


def _amount_of(node: bytes) -> int:
    return int.from_bytes(node[HASH_BYTES:], "big")


def _amount_bytes(amount_wei: int) -> bytes:
    try:
        return amount_wei.to_bytes(AMOUNT_BYTES, "big")
    except OverflowError:
        raise ReceiptError("its amounts are no numbers of the contract") from None


def _root_of(count: int, top: bytes) -> Hash32:
    return Hash32(keccak256(ROOT_PREFIX + count.to_bytes(COUNT_BYTES, "big") + top))
