"""A file as the flow's contract is told of it: its size and the perfect subtrees that it takes up.

Source: 0gfoundation/0g-storage-client, `core/flow.go`; 0gfoundation/0g-storage-contracts, `libraries/Submission.sol`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

from zerog._kernel import keccak256
from zerog.primitives import Hash32, Wei

__all__ = ["Submission", "SubmissionNode"]


@dataclass(frozen=True, slots=True)
class SubmissionNode:
    """A perfect subtree over 2^`height` sectors of 256 bytes."""

    root: Hash32
    height: int

    @property
    def sectors(self) -> int:
        return 1 << self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A file as it is submitted."""

    size_bytes: int
    nodes: tuple[SubmissionNode, ...]
    """From left to right, their heights falling."""
    tags: bytes = b""

    @property
    def sectors(self) -> int:
        """Sectors on the flow, with padding: what the fee counts."""
        return sum(node.sectors for node in self.nodes)

    @property
    def root(self) -> Hash32:
        """The file's root, which the event on chain does not carry."""
        roots = [node.root for node in reversed(self.nodes)]
        return reduce(lambda right, left: Hash32(keccak256(left + right)), roots)

    @property
    def identity(self) -> Hash32:
        """Indexed in the event. It equals the root of the file only when there are two nodes."""
        return Hash32(keccak256(b"".join(node.root for node in self.nodes)))

    def fee_wei(self, price_per_sector_wei: Wei) -> Wei:
        """What the flow charges."""
        return Wei(self.sectors * price_per_sector_wei)

    def to_abi(self) -> tuple[int, bytes, list[tuple[bytes, int]]]:
        """As the ABI's `SubmissionData`."""
        return self.size_bytes, self.tags, [(node.root, node.height) for node in self.nodes]

    @classmethod
    def from_abi(cls, value: tuple[int, bytes, Sequence[tuple[bytes, int]]]) -> Self:
        """From the ABI's `SubmissionData`."""
        size_bytes, tags, nodes = value
        return cls(size_bytes=size_bytes, tags=tags, nodes=tuple(SubmissionNode(Hash32(root), height) for root, height in nodes))
