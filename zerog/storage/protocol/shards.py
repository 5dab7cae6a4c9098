"""Who of several nodes holds which segments, and how a set of nodes is chosen that holds everything.

Shards are defined on the segments of the flow, not of a file. Clients and indexers must choose the same nodes.
Source: 0gfoundation/0g-storage-client, `common/shard/`; npm `@0gfoundation/0g-ts-sdk` has the same rule.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.units import SEGMENT_SECTORS

__all__ = ["EVERYTHING", "Shard", "ShardInvalidError", "choose_replicas", "segments_of_shard"]

T = TypeVar("T")


@dataclass(eq=False)
class ShardInvalidError(StorageError):
    """A shard that no node can be."""

    text: str

    code = "shard_invalid"
    remedy = "write it as id/count, where count is a power of two and id is below it: 1/4"

    def __str__(self) -> str:
        return f"{self.text} is no shard"


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One of `count` classes of segments: those whose place on the flow leaves `id` when divided by `count`. Raises `ShardInvalidError`."""

    count: int
    id: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.count.bit_count() != 1 or not 0 <= self.id < self.count:
            raise ShardInvalidError(str(self))

    def __str__(self) -> str:
        return f"{self.id}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id/count`. Raises `ShardInvalidError`."""
        identifier, _, count = text.partition("/")
        try:
            return cls(int(count), int(identifier))
        except ValueError:
            raise ShardInvalidError(repr(text)) from None

    def holds(self, segment: int) -> bool:
        """Whether a segment of the flow is of this class."""
        return segment % self.count == self.id

    def half(self, *, upper: bool) -> "Shard":
        """One of the two classes of which this one consists: that of the same number, or the `upper` one."""
        return Shard(2 * self.count, self.id + self.count * upper)


EVERYTHING: Final = Shard(1, 0)
"""The shard of a node that holds all segments."""


def segments_of_shard(shard: Shard, *, start_sector: int, size_bytes: int) -> range:
    """Indexes within the file of those segments that a shard holds of a file that begins at `start_sector` of the flow."""
    first = (shard.id - start_sector // SEGMENT_SECTORS) % shard.count
    return range(first, segments_of(size_bytes), shard.count)


class _Class:
    """A class of segments and the two that it splits into: by the lowest bit of their number that has not been used yet."""

    def __init__(self) -> None:
        self.replicas = 0
        self.halves: tuple[_Class, _Class] | None = None

    def add(self, shard: Shard, wanted: int) -> bool:
        """Count a node; whether it was of use."""
        if self.replicas >= wanted:
            return False
        if shard.count == 1:
            self.cover()
            return True
        if self.halves is None:
            self.halves = (_Class(), _Class())
            for half in self.halves:
                half.replicas = self.replicas
        used = self.halves[shard.id % 2].add(Shard(shard.count // 2, shard.id // 2), wanted)
        self.replicas = min(half.replicas for half in self.halves)
        return used

    def cover(self) -> None:
        """Count a node that holds all of the class."""
        self.replicas += 1
        for half in self.halves or ():
            half.cover()


def choose_replicas(nodes: Sequence[T], shard_of: Callable[[T], Shard], replicas: int) -> list[T] | None:
    """The first of `nodes` that together hold each segment `replicas` times, in their order; `None` if they do not.

    Sort them before: by (count, id) for the official method `min`, by falling count for `max`, shuffled for `random`.
    """
    root = _Class()
    chosen: list[T] = []
    for node in nodes:
        if root.replicas >= replicas:
            break
        if root.add(shard_of(node), replicas):
            chosen.append(node)
    return chosen if root.replicas >= replicas else None
