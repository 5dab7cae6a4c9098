"""What the gateway answers over HTTP, as JSON."""

import msgspec

from zerog.primitives import Address, Data, Hash32

__all__ = ["BlobsAnswer", "ListedAnswer", "SampleAnswer"]


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A kibibyte of a blob, with the way to its root."""

    root: Hash32
    epoch: int
    quorum: int
    row: int
    subline: int
    signer: Address
    """Who holds the row, and gave this."""
    data: Data
    """1,024 bytes."""
    path: list[Hash32]
    """15 siblings, bottom to top."""
    coset_roots: list[Hash32]


class ListedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One blob of a list."""

    request_id: str
    status: str
    step: str
    reason: str
    size_bytes: int
    received_ms: int
    root: Hash32 | None = None
    epoch: int | None = None
    quorum: int | None = None


class BlobsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the disperser's blobs."""

    blobs: list[ListedAnswer]
    next_cursor: str
    """Empty on the last page."""
