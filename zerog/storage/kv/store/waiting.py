"""Which waiting items may be judged next: those whose turn may have come, lowest sequence first, and who waits for whom."""

import heapq
from collections.abc import Iterable
from threading import Lock

__all__ = ["Turns"]


class Turns:
    """Kept in memory only: after a start, the first waiting item of each stream is a candidate again.

    A candidate that turns out not to be ready is dropped; what it waits for brings it back: the item before it in one of its streams
    when that is settled, its data when it comes, or the last item of a stream that it reads, which it names by `wait_for`.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._heap: list[int] = []
        self._candidates: set[int] = set()
        self._waiting: dict[int, set[int]] = {}

    def reset(self, candidates: Iterable[int]) -> None:
        """Begin anew."""
        with self._lock:
            self._candidates = set(candidates)
            self._heap = sorted(self._candidates)
            self._waiting = {}

    def add(self, seq: int) -> None:
        """The turn of an item may have come."""
        with self._lock:
            self._add(seq)

    def _add(self, seq: int) -> None:
        if seq not in self._candidates:
            self._candidates.add(seq)
            heapq.heappush(self._heap, seq)

    def take(self) -> int | None:
        """The lowest candidate, which is one no longer."""
        with self._lock:
            if not self._heap:
                return None
            seq = heapq.heappop(self._heap)
            self._candidates.discard(seq)
            return seq

    def wait_for(self, blocker: int, seq: int) -> None:
        """Make `seq` a candidate once `blocker` is settled."""
        with self._lock:
            self._waiting.setdefault(blocker, set()).add(seq)

    def settled(self, seq: int) -> None:
        """Let go who waited for it."""
        with self._lock:
            for waiting in self._waiting.pop(seq, ()):
                self._add(waiting)
