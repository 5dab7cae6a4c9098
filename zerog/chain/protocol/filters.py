"""Filters that clients poll: what each has seen already, and when it is forgotten. No clock and no ledger in here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from zerog.chain.protocol.constants import FILTER_EXPIRY_S
from zerog.chain.protocol.errors import FilterNotFoundError
from zerog.chain.protocol.logs import LogQuery

__all__ = ["BlockFilter", "Filter", "FilterBook", "LogFilter", "PendingFilter"]


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """Wants the hashes of new blocks."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Wants the logs of new blocks that match."""

    query: LogQuery


@dataclass(frozen=True, slots=True)
class PendingFilter:
    """Wants transactions that arrive at the pool."""

    full: bool
    """Whole transactions instead of their hashes."""


Filter: TypeAlias = BlockFilter | LogFilter | PendingFilter


@dataclass(slots=True)
class _Entry:
    filter: Filter
    cursor: int
    """First height, or first arrival at the pool, that was not reported yet."""
    polled_s: float


@dataclass(slots=True)
class FilterBook:
    """All filters of a node by id. Times are seconds of any steady clock."""

    next_id: int
    """Ids grow from here; begin at a random number, so that ids of an earlier process are not found."""
    entries: dict[int, _Entry] = field(default_factory=dict)

    def install(self, wanted: Filter, cursor: int, now_s: float) -> int:
        """Keep a filter that reports from `cursor` on; returns its id."""
        self.expire(now_s)
        filter_id, self.next_id = self.next_id, self.next_id + 1
        self.entries[filter_id] = _Entry(wanted, cursor, now_s)
        return filter_id

    def look(self, filter_id: int, now_s: float) -> Filter:
        """What a filter wants. Raises `FilterNotFoundError`."""
        return self._alive(filter_id, now_s).filter

    def advance(self, filter_id: int, end: int, now_s: float) -> int:
        """Move a filter's cursor to `end`; returns where it stood. Raises `FilterNotFoundError`."""
        entry = self._alive(filter_id, now_s)
        begin, entry.cursor = min(entry.cursor, end), end
        return begin

    def uninstall(self, filter_id: int) -> bool:
        """Forget a filter; false when there is none."""
        return self.entries.pop(filter_id, None) is not None

    def expire(self, now_s: float) -> None:
        """Forget the filters that nobody polled for five minutes."""
        for filter_id in [key for key, entry in self.entries.items() if now_s - entry.polled_s > FILTER_EXPIRY_S]:
            del self.entries[filter_id]

    def cursors(self) -> dict[int, int]:
        """Where each filter stands, for `rewind`."""
        return {filter_id: entry.cursor for filter_id, entry in self.entries.items()}

    def rewind(self, cursors: Mapping[int, int], next_block: int) -> None:
        """Put filters back to where they stood; those made since then report blocks from `next_block` on."""
        for filter_id, entry in self.entries.items():
            if filter_id in cursors:
                entry.cursor = cursors[filter_id]
            elif not isinstance(entry.filter, PendingFilter):
                entry.cursor = min(entry.cursor, next_block)

    def _alive(self, filter_id: int, now_s: float) -> _Entry:
        self.expire(now_s)
        entry = self.entries.get(filter_id)
        if entry is None:
            raise FilterNotFoundError
        entry.polled_s = now_s
        return entry
