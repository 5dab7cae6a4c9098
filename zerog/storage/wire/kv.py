"""What a key-value node answers. Bytes (keys and values) are base64 in JSON.

Source: 0gfoundation/0g-storage-kv, `node/rpc/src/types.rs`; the pages of streams and keys and the proof are ours.
"""

import msgspec

from zerog.primitives import Address, Hash32
from zerog.storage.wire.segments import Count, FileProof, SegmentWithProof

__all__ = [
    "FlowPart",
    "ItemFacts",
    "ItemPage",
    "KeyFacts",
    "KeyPage",
    "KeyValue",
    "ProvedSubmission",
    "ReplayProgress",
    "StreamFacts",
    "StreamPage",
    "SubtreeNode",
    "Value",
    "ValueProof",
]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a value. A key that was never written has version 0 and no bytes."""

    version: Count
    """The submission that wrote it."""
    data: bytes
    size: Count
    """Of the whole value."""


class KeyValue(msgspec.Struct, frozen=True, kw_only=True):
    """A key and part of its value."""

    version: Count
    key: bytes
    data: bytes
    size: Count


class ReplayProgress(msgspec.Struct, frozen=True, rename={"applied_seq": "appliedSeq", "first_seq": "firstTxSeq"}, kw_only=True):
    """How far a node is."""

    applied_seq: int
    """The first submission whose result is not known yet."""
    first_seq: int | None
    """The first submission of a stream that the node follows."""


class StreamFacts(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A stream that the node follows."""

    stream_id: Hash32
    first_seq: int
    last_seq: int
    parked: bool
    """Whether it waits for data that nobody has given yet."""


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a node's streams, in the order of their ids."""

    streams: list[StreamFacts]
    next: str | None
    """Where the next page begins; `None` after the last."""


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A key that has a value."""

    key: bytes
    version: Count
    size: Count


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a stream's keys, in their order."""

    keys: list[KeyFacts]
    next: str | None


class ItemFacts(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A submission of streams that the node follows, and what became of it."""

    tx_seq: int
    root: Hash32
    streams: list[Hash32]
    sender: Address
    """Who signed the transaction."""
    transaction_hash: Hash32
    size: Count
    result: str | None
    """`None` while it waits for its data, or for that of others before it."""


class ItemPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of these submissions, in their order."""

    items: list[ItemFacts]
    next: int | None


class SubtreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a submission, as the flow's contract was told of it."""

    root: Hash32
    height: int


class ProvedSubmission(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The transaction that brought an item, and its place on the flow."""

    transaction_hash: Hash32
    block_number: int
    start_sector: int
    nodes: list[SubtreeNode]


class FlowPart(msgspec.Struct, frozen=True, kw_only=True):
    """The flow right after the submission, and the way from the submission to its root."""

    root: Hash32
    length: int
    """In sectors."""
    proofs: list[FileProof]
    """Of the first sector of each node of the submission."""


class ValueProof(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """That a submission wrote a value: item to file, file to flow."""

    version: Count
    start: int
    """Where the value begins in the item."""
    size: Count
    tx_seq: int
    root: Hash32
    file_size: int
    segments: list[SegmentWithProof]
    """Of the stored file: those with the item's lists of reads and writes, and those with the value, as far as they fit."""
    submission: ProvedSubmission
    flow: FlowPart
