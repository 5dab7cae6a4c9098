"""What a key-value node keeps and answers: submissions to streams, values that were found, and how far it has come."""

from dataclasses import dataclass, field
from pathlib import Path

from zerog.primitives import Address, Hash32
from zerog.storage.protocol.streams import Key

__all__ = ["Found", "ItemRecord", "Place", "Progress", "StreamRecord", "StreamSubmission", "Supply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSubmission:
    """A submission whose tags name streams."""

    seq: int
    root: Hash32
    size_bytes: int
    start_sector: int
    sectors: int
    streams: tuple[Hash32, ...]
    """At least one; a stream may be named more than once."""
    sender: Address
    """Who signed the chain's transaction; never the sender or submitter of the event, which a contract may choose."""
    transaction_hash: Hash32
    block_number: int


@dataclass(frozen=True, slots=True)
class Supply:
    """Data of an item, for the store."""

    seq: int
    root: Hash32
    data: bytes | Path
    """Decrypted and verified; empty where it cannot be decrypted. A file is one in the store's `incoming`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """A submission and what became of it."""

    submission: StreamSubmission
    is_followed: bool
    """Whether all its streams are; else it has no result."""
    is_held: bool
    """Whether its data is here."""
    result: str | None
    """`Commit` or why it was rejected; `None` while it waits."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item lies on the disk."""

    file: int
    """Positive: one of the files that are appended to; negative: the file of one large item."""
    offset: int
    """Of its first byte."""
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a key."""

    key: Key
    version: int
    """Sequence of the item that it stands in."""
    size: int
    """Bytes; 0 when the item deleted the key."""
    start: int
    """Where it begins in the item."""
    place: Place | None = field(default=None, repr=False, compare=False)
    """Where its item lay when it was found, for the store that found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """A stream that is followed."""

    stream: Hash32
    first_seq: int | None
    """Of the first submission that names it."""
    last_seq: int | None
    is_parked: bool
    """Whether items of it wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the log was applied."""

    applied_seq: int
    """All before it is settled."""
    first_seq: int | None
    """Of the first submission to a stream that is followed."""
    waiting_items: int
    """Items that are not settled yet."""
    settled_items: int
