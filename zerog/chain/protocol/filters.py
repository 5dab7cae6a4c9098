"""Filters that clients poll: what each has seen already, and when it is forgotten. No clock and no ledger in here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from msgspec import Raw

from zerog.chain.protocol.constants import FILTER_EXPIRY_S
from zerog.chain.protocol.errors import FilterNotFoundError
from zerog.chain.protocol.logs import LogQuery
from zerog.chain.protocol.tags import BlockByNumber

__all__ = ["BlockFilter", "Filter", "FilterBook", "LogFilter", "PendingFilter"]


TAKEN_BACK_MAX: Final = 100_000
"""Logs that one filter keeps to tell of their end; later ones are not told."""


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """Wants the hashes of new blocks."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Wants the logs of new blocks that match."""

    query: LogQuery

    def heights(self, new: range) -> range:
        """Those of `new` blocks that lie in the query's own range, where it names heights."""
        first = self.query.first.number if isinstance(self.query.first, BlockByNumber) else new.start
        last = self.query.last.number if isinstance(self.query.last, BlockByNumber) else new.stop - 1
        return range(max(new.start, first), min(new.stop, last + 1))


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
    told: range = range(0)
    """Heights that were reported and are still part of the chain."""
    taken_back: list[Raw] = field(default_factory=list)
    """Logs that were reported and are no longer part of the chain, as the filter will tell."""


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
        entry.told = range(min(entry.told.start, begin), end) if entry.told else range(begin, end)
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

    def rewind(self, cursors: Mapping[int, int], next_block: int, next_arrival: int) -> None:
        """Put filters back to where they stood; those made since then report from `next_block`, or from arrival `next_arrival`, on."""
        for filter_id, entry in self.entries.items():
            is_pending = isinstance(entry.filter, PendingFilter)
            entry.cursor = cursors.get(filter_id, min(entry.cursor, next_arrival if is_pending else next_block))
            entry.told = range(entry.told.start, min(entry.told.stop, next_block))

    def reported(self, first: int) -> Iterator[tuple[int, LogQuery, range]]:
        """Log filters that have reported blocks from `first` on: id, query, and the heights reported that its own range holds."""
        for filter_id, entry in self.entries.items():
            if isinstance(entry.filter, LogFilter):
                heights = entry.filter.heights(range(max(first, entry.told.start), entry.told.stop))
                if heights:
                    yield filter_id, entry.filter.query, heights

    def take_back(self, filter_id: int, logs: Sequence[Raw]) -> None:
        """Let a filter tell of logs that are gone. They are in the order in which they were."""
        kept = self.entries[filter_id].taken_back
        kept.extend(logs[: max(TAKEN_BACK_MAX - len(kept), 0)])

    def gone(self, filter_id: int) -> list[Raw]:
        """What `take_back` left for a filter; once."""
        entry = self.entries[filter_id]
        logs, entry.taken_back = entry.taken_back, []
        return logs

    def _alive(self, filter_id: int, now_s: float) -> _Entry:
        self.expire(now_s)
        entry = self.entries.get(filter_id)
        if entry is None:
            raise FilterNotFoundError
        entry.polled_s = now_s
        return entry
