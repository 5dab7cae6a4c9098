"""What the chain is told of a file: its size and the perfect subtrees that it takes up on the flow.

Source: 0gfoundation/0g-storage-client, `core/flow.go`; 0gfoundation/0g-storage-contracts, `libraries/Submission.sol`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Final

from zerog._kernel import keccak256
from zerog.primitives import Hash32, Wei
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.padding import PADDING_SHARE
from zerog.storage.protocol.units import SECTOR_BYTES

__all__ = ["HEIGHT_SPREAD_MAX", "Submission", "SubmissionNode", "file_root_of_nodes", "node_heights"]

HEIGHT_SPREAD_MAX: Final = 3
"""Highest and lowest node differ by at most so much: padding is in sixteenths."""
HEIGHT_MAX: Final = 63
PADDED_SECTORS_MIN: Final = 16
"""Fewer sectors are never padded."""


@dataclass(frozen=True, slots=True)
class SubmissionNode:
    """A perfect subtree over 2^`height` sectors."""

    root: Hash32
    height: int

    @property
    def sectors(self) -> int:
        return 1 << self.height


def node_heights(padded_sectors: int) -> tuple[int, ...]:
    """Heights of the subtrees that so many sectors split into, highest first: one for each bit that is set."""
    return tuple(height for height in reversed(range(padded_sectors.bit_length())) if padded_sectors >> height & 1)


def file_root_of_nodes(nodes: Sequence[SubmissionNode]) -> Hash32:
    """Root of the file that was submitted as `nodes`; the event on chain does not carry it."""
    roots = [node.root for node in reversed(nodes)]
    return reduce(lambda right, left: Hash32(keccak256(left + right)), roots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A file as it is submitted."""

    size_bytes: int
    nodes: tuple[SubmissionNode, ...]
    tags: bytes = b""

    @property
    def sectors(self) -> int:
        """Sectors on the flow, with padding."""
        return sum(node.sectors for node in self.nodes)

    @property
    def root(self) -> Hash32:
        """The file's root."""
        return file_root_of_nodes(self.nodes)

    @property
    def identity(self) -> Hash32:
        """Indexed in the event. It equals the root of the file only when there are two nodes."""
        return Hash32(keccak256(b"".join(node.root for node in self.nodes)))

    def fee_wei(self, price_per_sector_wei: Wei) -> Wei:
        """What the Flow contract charges."""
        return Wei(self.sectors * price_per_sector_wei)

    def check(self) -> None:
        """Hold it against the rules of the Flow contract. Raises `InvalidSubmissionError`."""
        heights = [node.height for node in self.nodes]
        if not heights:
            raise InvalidSubmissionError("it has no nodes")
        if max(heights) > HEIGHT_MAX or min(heights) < 0:
            raise InvalidSubmissionError(f"heights are 0 to {HEIGHT_MAX}, not {heights}")
        if any(left <= right for left, right in pairwise(heights)):
            raise InvalidSubmissionError(f"heights must fall from node to node, not {heights}")
        if heights[0] - heights[-1] > HEIGHT_SPREAD_MAX:
            raise InvalidSubmissionError(f"heights span more than {HEIGHT_SPREAD_MAX}: {heights}")
        if not self._fewer_sectors() * SECTOR_BYTES < self.size_bytes <= self.sectors * SECTOR_BYTES:
            raise InvalidSubmissionError(f"{self.size_bytes} bytes are not submitted as {self.sectors} sectors")

    def _fewer_sectors(self) -> int:
        """The next smaller number of sectors that a file could be padded to. Source: `Submission.sol`."""
        sectors, first = self.sectors, self.nodes[0]
        if sectors < PADDED_SECTORS_MIN:
            return sectors - 1
        if len(self.nodes) == 1:
            return sectors - sectors // PADDING_SHARE
        return sectors - (first.sectors >> HEIGHT_SPREAD_MAX)
