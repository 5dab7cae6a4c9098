"""Which files a node still has to fetch segments of, and how far it is with each. No clock, no socket, no disk."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Final

__all__ = ["FileState", "FileWish", "Wanted"]

FILES_MAX: Final = 200_000
"""Wishes that are remembered; an older one that gives way is found again by the next scan."""
PAUSE_S_MAX: Final = 60.0
"""Longest until a peer is asked again for a file that it did not have: nobody may ever upload it."""
DONE_MAX: Final = 1_000
"""Files that are remembered once they are complete, for who asks."""
AT_ONCE_S: Final = -1.0
"""Before all other times."""


class FileState(Enum):
    """How a file is told of."""

    IDLE = "Idle"
    FINDING = "FindingPeers"
    DOWNLOADING = "Downloading"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(slots=True)
class Look:
    """A peer that was asked for a file."""

    due_s: float
    pause_s: float
    """How long it was left alone before that; 0 if it had something."""


@dataclass(slots=True)
class FileWish:
    """One file of which segments are missing."""

    seq: int
    since_s: float
    state: FileState = FileState.IDLE
    cause: str = ""
    """Why it failed."""
    due_s: float = 0.0
    """When to look for it first."""
    looks: dict[str, Look] = field(default_factory=dict)
    """When to ask each peer again."""
    fetched: int = 0
    """Segments that peers gave."""
    peers: set[str] = field(default_factory=set)
    """Who gave them."""
    is_ordered: bool = False
    """Whether it does not have its turn, but goes before others: a person asked for it, or it was whole once."""
    was_damaged: bool = False
    """Whether segments of it were held and are damaged."""


@dataclass(slots=True)
class _Row:
    """The order in which one peer is asked for files."""

    entries: list[tuple[float, int, int]] = field(default_factory=list)
    """A heap of times, numbers that only grow, and files."""
    valid: dict[int, int] = field(default_factory=dict)
    """The number of the entry that counts of each file."""


class Wanted:
    """Files in the order in which they are to be looked for; a peer's turn costs time by what it is asked for, not by what is wanted."""

    def __init__(self) -> None:
        self._wishes: Final[OrderedDict[int, FileWish]] = OrderedDict()
        self._done: Final[OrderedDict[int, FileWish]] = OrderedDict()
        self._rows: Final[dict[str, _Row]] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._wishes)

    def add(self, seq: int, now_s: float, *, due_s: float = 0.0, ordered: bool = False) -> FileWish:
        """Look for a file from `due_s` on."""
        self._done.pop(seq, None)
        wish = self._wishes.get(seq)
        if wish is None:
            if len(self._wishes) >= FILES_MAX:
                self.stop(next(iter(self._wishes)))
            wish = self._wishes[seq] = FileWish(seq, now_s, due_s=due_s)
        elif not ordered:
            return wish
        if ordered:
            wish.is_ordered, wish.due_s = True, AT_ONCE_S
            wish.looks.clear()
            wish.state = FileState.FINDING
        for row in self._rows.values():
            self._enter(row, wish.due_s, seq)
        return wish

    def due(self, peer: str, now_s: float, count: int) -> list[FileWish]:
        """Files to ask a peer for now, at most `count`. Each goes to the end of the row, so that all have their turn."""
        row = self._row(peer)
        found: list[FileWish] = []
        while row.entries and row.entries[0][0] <= now_s and len(found) < count:
            _, number, seq = heapq.heappop(row.entries)
            if row.valid.get(seq) != number:
                continue
            wish = self._wishes.get(seq)
            if wish is None:
                del row.valid[seq]
                continue
            found.append(wish)
        for wish in found:
            self._enter(row, now_s, wish.seq)
        return found

    def asked(self, wish: FileWish, peer: str, now_s: float, pause_s: float, *, found: bool) -> None:
        """A peer was asked: one that had something is asked again at once, any other after a pause that grows each time."""
        look = wish.looks.get(peer)
        if found:
            look = Look(now_s, 0.0)
        else:
            pause_s = pause_s if look is None or not look.pause_s else min(2 * look.pause_s, max(pause_s, PAUSE_S_MAX))
            look = Look(now_s + pause_s, pause_s)
        wish.looks[peer] = look
        if wish.seq in self._wishes:
            self._enter(self._row(peer), look.due_s, wish.seq)

    def get(self, seq: int) -> FileWish | None:
        """What is known of a file, also after it is complete."""
        return self._wishes.get(seq) or self._done.get(seq)

    def wishes(self) -> Iterable[FileWish]:
        """All files that are not complete."""
        return self._wishes.values()

    def complete(self, seq: int) -> None:
        """Nothing is missing any more."""
        wish = self._wishes.get(seq)
        if wish is not None:
            self.stop(seq)
            wish.state = FileState.COMPLETED
            self._done[seq] = wish
            if len(self._done) > DONE_MAX:
                self._done.popitem(last=False)

    def stop(self, seq: int) -> bool:
        """Forget a file; whether it was looked for."""
        for row in self._rows.values():
            row.valid.pop(seq, None)
        return self._wishes.pop(seq, None) is not None

    def _row(self, peer: str) -> _Row:
        row = self._rows.get(peer)
        if row is None:
            row = self._rows[peer] = _Row()
            for wish in self._wishes.values():
                self._enter(row, wish.due_s, wish.seq)
        return row

    def _enter(self, row: _Row, due_s: float, seq: int) -> None:
        number = next(self._numbers)
        row.valid[seq] = number
        heapq.heappush(row.entries, (due_s, number, seq))
        if len(row.entries) > 2 * len(row.valid) + DONE_MAX:  # Most of them count no longer.
            row.entries = [entry for entry in row.entries if row.valid.get(entry[2]) == entry[1]]
            heapq.heapify(row.entries)
