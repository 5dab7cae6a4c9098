"""What a key-value node counts, for its metrics, its status and the tests of its defences."""

from collections import Counter
from dataclasses import dataclass, field

from zerog.storage.following import FollowCounters

__all__ = ["Counters"]


@dataclass(slots=True)
class Counters(FollowCounters):
    """Sums since the start."""

    items_fetched: int = 0
    bytes_fetched: int = 0
    looks: int = 0
    """Turns to the storage nodes for an item, whether it was there or not."""
    items_undecodable: int = 0
    """Items that are not encrypted as this node expects."""
    items_settled: int = 0
    """Items that have got their result."""
    nodes_refused: Counter[str] = field(default_factory=Counter)
    """Answers of storage nodes that were thrown away, by the reason's short name."""
