"""What a node says of a file. Source: 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`, `node/shared_types`."""

from collections.abc import Iterable
from typing import Self

import msgspec

from zerog.primitives import Data, Hash32
from zerog.storage.protocol.submission import Submission, SubmissionNode
from zerog.storage.wire.nodes import ShardConfig

__all__ = ["Availability", "ExpiryPage", "FileExpiry", "FileInfo", "FilePage", "FileTransaction"]


class FileTransaction(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A submission as the log of the chain has it."""

    data_merkle_root: Hash32
    start_entry_index: int
    """Sector of the flow at which it begins."""
    size: int
    seq: int
    stream_ids: list[Hash32] = []
    """Always empty in a storage node."""
    data: list[int] | str | None = []
    """Always empty in a storage node; base64 or null where a Go program wrote it."""
    merkle_nodes: list[tuple[int, Hash32]] = []
    """Height + 1 and root of each submitted node; a gateway leaves it out."""

    @classmethod
    def of(cls, seq: int, submission: Submission, start_sector: int) -> Self:
        return cls(
            data_merkle_root=submission.root,
            start_entry_index=start_sector,
            size=submission.size_bytes,
            seq=seq,
            merkle_nodes=[(node.height + 1, node.root) for node in submission.nodes],
        )

    def to_submission(self) -> Submission:
        """What was submitted, without its tags."""
        return Submission(size_bytes=self.size, nodes=tuple(SubmissionNode(root, depth - 1) for depth, root in self.merkle_nodes))


class FileInfo(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A file as one node has it."""

    tx: FileTransaction
    finalized: bool
    """Whether the node has every segment that its shard must hold."""
    is_cached: bool
    uploaded_seg_num: int
    pruned: bool


class Availability(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which segments of a file one node has; ours, the official nodes do not tell."""

    root: Hash32
    tx_seq: int | None
    """The submission that was asked for, or the one that the root stands for."""
    segments: int
    """Of the file, without padding."""
    shard: ShardConfig
    held: Data
    """A bit a segment: bit i of the number that the bytes are in little-endian order."""
    held_count: int
    required: int
    """How many the node's shard must hold."""
    finalized: bool

    @staticmethod
    def bitmap(indexes: Iterable[int], segments: int) -> Data:
        """`held` of these segments of so many."""
        bits = bytearray(-(-segments // 8))
        for index in indexes:
            bits[index // 8] |= 1 << index % 8
        return Data(bits)

    def holds(self, index: int) -> bool:
        """Whether the node has segment `index`."""
        byte, bit = divmod(index, 8)
        return byte < len(self.held) and bool(self.held[byte] >> bit & 1)


class FilePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a node's files, in the order of their submissions."""

    files: list[FileInfo]
    next: int | str | None
    """Where the next page begins; `None` after the last."""


class FileExpiry(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Until when the network must keep a file; ours, the official nodes do not tell."""

    tx_seq: int
    root: Hash32
    size: int
    pricing_chunk: int
    """Number of the pricing chunk in which it begins: what begins in one expires together, unless it was extended."""
    extensions: int
    """How often its life was extended."""
    expiry: int | None
    """In seconds since 1970; `None` while the pricing chunk is not full, since the time of its files has not begun."""
    pruned: bool
    """Whether its time is over, and the node gives it no more."""


class ExpiryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of these, in the order of the submissions, which is that of their ends but for those that were extended."""

    files: list[FileExpiry]
    next: int | str | None
    """Where the next page begins; `None` after the last."""
