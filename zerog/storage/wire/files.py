"""What a node says of a file. Source: 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`, `node/shared_types`."""

from typing import Self

import msgspec

from zerog.primitives import Hash32
from zerog.storage.protocol.submission import Submission, SubmissionNode

__all__ = ["FileInfo", "FileTransaction"]


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
