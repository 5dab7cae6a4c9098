"""The flow in a few lines of Python: padding, submission nodes, places and roots, by the rules and not by the contract's way.

The root is taken from the top of the whole tree downwards, where the contract keeps a frontier and grows it from below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from zerog._kernel import keccak256, keccak256_many

SECTOR_BYTES = 256
SEGMENT_SECTORS = 1024
SENTINEL = bytes(32)


def pattern(size: int) -> bytes:
    """The bytes of the golden vectors: byte i is i mod 251."""
    period = bytes(range(251))
    return (period * (size // 251 + 1))[:size]


def padded_sectors(size: int) -> int:
    """Sectors that a file of `size` bytes takes on the flow."""
    sectors = -(-size // SECTOR_BYTES)
    unit = max(1, power_of_two_above(sectors) // 16)
    return -(-sectors // unit) * unit


def power_of_two_above(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << (count - 1).bit_length()


def heights(size: int) -> list[int]:
    """Heights of the submission nodes: the binary digits of the padded size, from the highest."""
    padded = padded_sectors(size)
    return [height for height in reversed(range(padded.bit_length())) if padded >> height & 1]


@cache
def zero_root(height: int) -> bytes:
    """Root of 2^height zero sectors."""
    return keccak256(bytes(SECTOR_BYTES)) if height == 0 else keccak256(zero_root(height - 1) * 2)


def node_roots(data: bytes) -> list[bytes]:
    """Roots of a file's submission nodes."""
    padded = data.ljust(padded_sectors(len(data)) * SECTOR_BYTES, b"\0")
    roots = []
    for height in heights(len(data)):
        size = SECTOR_BYTES << height
        part, padded = padded[:size], padded[size:]
        level = keccak256_many([part[start : start + SECTOR_BYTES] for start in range(0, size, SECTOR_BYTES)])
        while len(level) > 1:
            level = keccak256_many([left + right for left, right in zip(level[::2], level[1::2], strict=True)])
        roots += level
    return roots


def fold(roots: Sequence[bytes]) -> bytes:
    """The file's root from those of its nodes."""
    *rest, root = roots
    for left in reversed(rest):
        root = keccak256(left + root)
    return root


def align(position: int, unit: int) -> int:
    return -(-position // unit) * unit


@dataclass
class FlowModel:
    """All submissions so far."""

    length: int = 1
    places: dict[tuple[int, int], bytes] = field(default_factory=lambda: {(0, 0): SENTINEL})
    """Root of each node, by its first position and its height."""

    def submit(self, nodes: Sequence[tuple[bytes, int]]) -> int:
        """Place a file and return where it starts."""
        sectors, first = sum(1 << height for _, height in nodes), nodes[0][1]
        start = align(self.length, 1 << first)
        if start % SEGMENT_SECTORS and start // SEGMENT_SECTORS != (start + sectors - 1) // SEGMENT_SECTORS:
            start = (start // SEGMENT_SECTORS + 1) * SEGMENT_SECTORS
        start = align(start, 1 << first)
        position = start
        for root, height in nodes:
            self.places[position, height] = root
            position += 1 << height
        self.length = start + sectors
        return start

    def root(self) -> bytes:
        """Root of the smallest perfect tree that holds all."""
        return self._root(0, (self.length - 1).bit_length(), list(self.places))

    def _root(self, start: int, height: int, inside: list[tuple[int, int]]) -> bytes:
        """Root of the subtree at `start`; `inside` are the places within it."""
        if not inside:
            return zero_root(height)
        if (start, height) in self.places:
            return self.places[start, height]
        middle = start + (1 << (height - 1))
        left = self._root(start, height - 1, [place for place in inside if place[0] < middle])
        return keccak256(left + self._root(middle, height - 1, [place for place in inside if place[0] >= middle]))
