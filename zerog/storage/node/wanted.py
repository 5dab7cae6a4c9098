"""Which files a node still has to fetch segments of, and how far it is with each. No clock, no socket, no disk."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

__all__ = ["FileState", "FileWish", "Wanted"]

FILES_MAX: Final = 200_000
"""Wishes that are remembered; an older one that gives way is found again by the next scan."""
PAUSE_S_MAX: Final = 60.0
"""Longest until a peer is asked again for a file that it did not have: nobody may ever upload it."""
DONE_MAX: Final = 1_000
"""Files that are remembered once they are complete, for who asks."""


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
    """How long it was left alone before that."""


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
    """When to ask each peer again that did not have it."""
    fetched: int = 0
    """Segments that peers gave."""
    peers: set[str] = field(default_factory=set)
    """Who gave them."""
    is_ordered: bool = False
    """Whether a person asked for it; these come first."""


class Wanted:
    """Files in the order in which they are to be looked for."""

    def __init__(self) -> None:
        self._wishes: Final[OrderedDict[int, FileWish]] = OrderedDict()
        self._done: Final[OrderedDict[int, FileWish]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wishes)

    def add(self, seq: int, now_s: float, *, due_s: float = 0.0, ordered: bool = False) -> None:
        """Look for a file from `due_s` on."""
        self._done.pop(seq, None)
        wish = self._wishes.get(seq)
        if wish is None:
            if len(self._wishes) >= FILES_MAX:
                self._wishes.popitem(last=False)
            wish = self._wishes[seq] = FileWish(seq, now_s, due_s=due_s)
        if ordered:
            wish.is_ordered, wish.due_s = True, 0.0
            wish.looks.clear()
            wish.state = FileState.FINDING
            self._wishes.move_to_end(seq, last=False)

    def due(self, peer: str, now_s: float, count: int) -> list[FileWish]:
        """Files to ask a peer for now, at most `count`. Each goes to the end of the row, so that all have their turn."""
        found: list[FileWish] = []
        for wish in list(self._wishes.values()):
            if len(found) >= count:
                break
            look = wish.looks.get(peer)
            if (wish.due_s if look is None else look.due_s) <= now_s:
                found.append(wish)
                self._wishes.move_to_end(wish.seq)
        return found

    def asked(self, wish: FileWish, peer: str, now_s: float, pause_s: float, *, found: bool) -> None:
        """A peer was asked: one that had something is asked again at once, any other after a pause that grows each time."""
        look = wish.looks.get(peer)
        if found:
            wish.looks[peer] = Look(now_s, 0.0)
            return
        pause_s = pause_s if look is None or not look.pause_s else min(2 * look.pause_s, max(pause_s, PAUSE_S_MAX))
        wish.looks[peer] = Look(now_s + pause_s, pause_s)

    def get(self, seq: int) -> FileWish | None:
        """What is known of a file, also after it is complete."""
        return self._wishes.get(seq) or self._done.get(seq)

    def wishes(self) -> Iterable[FileWish]:
        """All files that are not complete."""
        return self._wishes.values()

    def complete(self, seq: int) -> None:
        """Nothing is missing any more."""
        wish = self._wishes.pop(seq, None)
        if wish is not None:
            wish.state = FileState.COMPLETED
            self._done[seq] = wish
            if len(self._done) > DONE_MAX:
                self._done.popitem(last=False)

    def stop(self, seq: int) -> bool:
        """Forget a file; whether it was looked for."""
        return self._wishes.pop(seq, None) is not None
