"""The time of blocks: wall clock plus an offset, unless somebody set it. It has no clock of its own."""

from dataclasses import dataclass
from typing import Final

from zerog.chain.protocol.errors import TimestampTooLowError
from zerog.primitives import InvalidParametersError

__all__ = ["BlockClock"]

TIME_S_MAX: Final = 2**62
"""Later times could not be written as 64 bits any more once an offset is added."""


@dataclass(slots=True)
class BlockClock:
    """Decides the timestamp of the next block. All times are whole seconds since 1970."""

    step_s: int = 0
    """Least time between a block and its parent: 0 as on 0G, where blocks come faster than seconds, 1 as on Ethereum."""
    offset_s: int = 0
    """Added to the wall clock."""
    next_timestamp: int | None = None
    """What the next block must carry; used once."""
    interval_s: int | None = None
    """When set, each block is so much later than its parent, whatever the wall clock says."""

    def peek(self, now_s: int, parent_timestamp: int) -> int:
        """The timestamp of a block made at `now_s`."""
        earliest = parent_timestamp + self.step_s
        if self.next_timestamp is not None:
            return max(self.next_timestamp, earliest)  # The chain may have gone past it since.
        if self.interval_s is not None:
            return max(parent_timestamp + self.interval_s, earliest)
        return max(now_s + self.offset_s, earliest)

    def made(self, timestamp: int, now_s: int) -> None:
        """Tell that a block with this timestamp was made: the clock goes on from a time that was set, and is never behind a block."""
        if self.next_timestamp is not None:
            self.next_timestamp = None
            self.offset_s = timestamp - now_s
        self.catch_up(timestamp, now_s)

    def catch_up(self, head_timestamp: int, now_s: int) -> None:
        """Go on from the newest block of a chain that was ahead of the wall clock when it was left."""
        self.offset_s = max(self.offset_s, head_timestamp - now_s)

    def increase(self, seconds: int) -> int:
        """Move the clock forward; returns the total offset. Raises `InvalidParametersError` when that is out of range."""
        _check_range(self.offset_s + seconds)
        self.offset_s += seconds
        return self.offset_s

    def set_time(self, timestamp: int, now_s: int, parent_timestamp: int) -> int:
        """Let the clock go on from `timestamp`; returns by how much that is later than before, never below 0. Raises as `set_next`."""
        self._check(timestamp, parent_timestamp)
        moved = timestamp - (now_s + self.offset_s)
        self.offset_s = timestamp - now_s
        return max(moved, 0)

    def set_interval(self, seconds: int | None) -> None:
        """Make each block so much later than its parent. Raises `InvalidParametersError` when that is out of range."""
        _check_range(seconds or 0)
        self.interval_s = seconds

    def set_next(self, timestamp: int, parent_timestamp: int) -> None:
        """Fix the next block's timestamp.

        Raises `TimestampTooLowError` when no block on the parent may carry it, `InvalidParametersError` when it is out of range.
        """
        self._check(timestamp, parent_timestamp)
        self.next_timestamp = timestamp

    def _check(self, timestamp: int, parent_timestamp: int) -> None:
        _check_range(timestamp)
        earliest = parent_timestamp + self.step_s
        if timestamp < earliest:
            raise TimestampTooLowError(timestamp, earliest)


def _check_range(seconds: int) -> None:
    if seconds > TIME_S_MAX:
        raise InvalidParametersError(f"{seconds} s is out of range: at most {TIME_S_MAX}")
