"""Published receipts: the leaves of a settlement as one document, which proves payments to users when their provider is gone.

The document says nothing that the chain does not bind it to: each of its entries is held against the `requestsHash` that the contract was
called with, so it does not matter who hands it over. It holds no receipts, only their leaves and what each asks for; whoever has a receipt
finds it there by its leaf, and what was left of one by the leaf that follows from what was paid.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from zerog._kernel import keccak256
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.protocol.receipts import Decimal, ReceiptError, ReceiptTree
from zerog.compute.protocol.settlement import ENTRIES_MAX
from zerog.primitives import Address, Hash32, decode_hook

__all__ = [
    "PUBLISHED_BYTES_MAX",
    "PublishedEntry",
    "PublishedError",
    "PublishedReceipts",
    "PublishedTags",
    "read_published",
]

PUBLISHED_VERSION: Final = 1
PUBLISHED_BYTES_MAX: Final = 24 << 20
"""Entries for 50 users with 5,000 leaves each have about 16 MiB; it fits into a blob of DA."""
TAGS_MARK: Final = Hash32(keccak256(b"zerog receipts 1"))
HASH_BYTES: Final = 32
NO_BLOB: Final = bytes(HASH_BYTES)


class PublishedError(ComputeError):
    """Published receipts that are not what they should be."""

    code = "published_receipts"
    remedy = "look for another copy: they prove nothing"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the published receipts prove nothing: {self.cause}"


class PublishedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One user's part of a settlement, with all leaves of its tree."""

    user: Address
    nonce: Decimal
    total_fee: Decimal
    requests_hash: Hash32
    leaves: bytes = msgspec.field(name="leaves_base64")
    """32 bytes each, in the order in which they are paid."""
    amounts: list[Decimal]
    """What each asks for, in wei."""

    @property
    def leaf_list(self) -> list[Hash32]:
        """The leaves one by one."""
        return [Hash32(self.leaves[at : at + HASH_BYTES]) for at in range(0, len(self.leaves) - HASH_BYTES + 1, HASH_BYTES)]

    @property
    def amounts_wei(self) -> list[int]:
        """The amounts as numbers."""
        return [int(amount) for amount in self.amounts]

    def tree(self) -> ReceiptTree:
        """The tree whose root the settlement carries, built from these leaves. Raises `PublishedError` unless it is that tree."""
        if len(self.leaves) != HASH_BYTES * len(self.amounts):
            raise PublishedError(f"{len(self.leaves)} bytes of leaves do not go with {len(self.amounts)} amounts")
        leaves = self.leaf_list
        try:
            tree = ReceiptTree(leaves, self.amounts_wei)
        except ReceiptError as error:
            raise PublishedError(str(error)) from None
        if tree.root != self.requests_hash or sum(self.amounts_wei) != int(self.total_fee):
            raise PublishedError(f"the leaves of {self.user} are not those of the settlement with the root {self.requests_hash}")
        return tree


class PublishedReceipts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The leaves of one settlement: what a transaction of the provider to the contract carried."""

    version: Annotated[int, msgspec.Meta(ge=PUBLISHED_VERSION, le=PUBLISHED_VERSION)] = PUBLISHED_VERSION
    kind: Annotated[str, msgspec.Meta(pattern=r"^receipts\Z")] = "receipts"
    chain_id: int
    contract: Address
    provider: Address
    entries: list[PublishedEntry]

    def to_bytes(self) -> bytes:
        """The document in canonical form (RFC 8785). Raises `PublishedError` when it is longer than anybody reads."""
        data = msgspec.json.encode(self, enc_hook=str, order="sorted")
        if len(data) > PUBLISHED_BYTES_MAX:
            raise PublishedError(f"they have {len(data)} bytes, more than {PUBLISHED_BYTES_MAX}")
        return data

    def entry(self, requests_hash: Hash32) -> PublishedEntry | None:
        """The one of this root, as it is told: its `tree` is still to be built."""
        return next((entry for entry in self.entries if entry.requests_hash == requests_hash), None)


_DECODER: Final = msgspec.json.Decoder(PublishedReceipts, dec_hook=decode_hook)


def read_published(data: bytes) -> PublishedReceipts:
    """From bytes that anybody may have made; the trees are still to be built. Raises `PublishedError`."""
    if len(data) > PUBLISHED_BYTES_MAX:
        raise PublishedError(f"they have {len(data)} bytes, more than {PUBLISHED_BYTES_MAX}")
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PublishedError(f"they cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class PublishedTags:
    """What stands on chain beside the file: by it the way goes from a settlement to its file, and to the blob with the same bytes."""

    requests_hashes: tuple[Hash32, ...]
    """Of the settlement's entries."""
    blob_root: Hash32 | None = None
    """Data root of the blob, where there is one."""

    def to_bytes(self) -> bytes:
        """A mark, the root of the blob or zeros, then each hash: 32 bytes each."""
        return b"".join((TAGS_MARK, self.blob_root or NO_BLOB, *self.requests_hashes))

    @classmethod
    def read(cls, tags: bytes) -> "PublishedTags | None":
        """`None` for tags of other files."""
        if tags[:HASH_BYTES] != TAGS_MARK or len(tags) % HASH_BYTES or not 2 < len(tags) // HASH_BYTES <= 2 + ENTRIES_MAX:
            return None
        blob_root, *hashes = (Hash32(tags[at : at + HASH_BYTES]) for at in range(HASH_BYTES, len(tags), HASH_BYTES))
        return cls(tuple(hashes), None if blob_root == NO_BLOB else blob_root)
