"""What a node counts, for its metrics, its status and the tests of its defences."""

from collections import Counter
from dataclasses import dataclass, field

from zerog.storage.following import FollowCounters

__all__ = ["Counters"]


@dataclass(slots=True)
class Counters(FollowCounters):
    """Sums since the start."""

    segments_stored: int = 0
    """Segments that uploads brought and that are durable."""
    segments_held_before: int = 0
    """Segments that were uploaded though they were held already."""
    segments_of_others: int = 0
    """Segments that were uploaded and dropped, because another shard holds them."""
    segments_cached: int = 0
    """Segments that were taken before a block announced their file."""
    segments_read: int = 0
    segments_fetched: int = 0
    """Segments that peers gave."""
    files_expired: int = 0
    """Files that were marked as pruned."""
    files_revived: int = 0
    """Files whose mark was taken back, because the chain took back time."""
    files_dropped: int = 0
    """Files whose data was dropped after their time."""
    shard_changes: int = 0
    """How often the shard was split."""
    segments_shed: int = 0
    """Segments that were dropped because the shard was split."""
    scrubbed_bytes: int = 0
    """Bytes that were held against what they have to be, without anybody asking for them."""
    orphans_dropped: int = 0
    """Files that were dropped because the chain took their submissions back."""
    uploads_refused: Counter[str] = field(default_factory=Counter)
    """Refused segments by the reason's short name."""
    peers_refused: Counter[str] = field(default_factory=Counter)
    """Answers of peers that were thrown away, by the reason's short name."""
    roots_checked: int = 0
    """How often the root of the flow was held against the contract's."""
