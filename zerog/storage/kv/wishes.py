"""Which items a node still has to fetch, and when it looks for each next. No clock, no socket, no disk."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zerog.storage.kv.arriving import Arriving
    from zerog.storage.kv.records import StreamSubmission

__all__ = ["Wish", "Wishes"]

PAUSE_S_MIN: Final = 0.01
"""After the first look: whoever submits an item is uploading it."""
PAUSE_S_MAX: Final = 2.0
LOOKS_PER_S_MAX: Final = 50
"""Of so many items that nobody may ever upload, each second; with more of them each one's turn comes later."""
GROWTH: Final = 1.5
WISHES_MAX: Final = 4_096
"""Items that are remembered; one that gives way is found again by the next way round through the store."""


@dataclass(slots=True, eq=False)
class Wish:
    """One item."""

    submission: "StreamSubmission"
    due_s: float
    pause_s: float = 0.0
    arriving: "Arriving | None" = None
    """What is here of it already."""
    kept_bytes: int = 0
    """Memory that this takes up until the next look."""
    is_running: bool = False
    """Whether it is just being looked for."""
    is_gone: bool = False
    """Whether nobody wants it any more, for who is just fetching it."""


@dataclass(slots=True)
class Wishes:
    """Items by the time at which they are to be looked for."""

    wishes_max: int = WISHES_MAX
    _by_seq: dict[int, Wish] = field(default_factory=dict)
    _queue: list[tuple[float, int, Wish]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._by_seq)

    @property
    def room(self) -> int:
        """How many more fit before one has to give way."""
        return max(0, self.wishes_max - len(self._by_seq))

    def add(self, submissions: Iterable["StreamSubmission"], now_s: float) -> None:
        """Look for these now, as far as there is room for them, but for those that are looked for already."""
        for submission in submissions:
            if submission.seq not in self._by_seq and self.room:
                self._put(Wish(submission, now_s))

    def make_room(self, count: int) -> list[Wish]:
        """Let up to `count` items give way and return them: those that were looked for in vain most often, and none before that."""
        tried = [wish for wish in self._by_seq.values() if wish.pause_s and not wish.is_running]
        gone = heapq.nlargest(count, tried, key=lambda wish: wish.pause_s)
        for wish in gone:
            self.remove(wish)
        if gone:
            self._queue = [entry for entry in self._queue if not entry[2].is_gone]
            heapq.heapify(self._queue)
        return gone

    def next_due(self, now_s: float) -> Wish | None:
        """An item to look for now. It does not come again before `put_off`."""
        while self._queue and self._queue[0][0] <= now_s:
            _, seq, wish = heapq.heappop(self._queue)
            if self._by_seq.get(seq) is wish:
                wish.is_running = True
                return wish
        return None

    def next_due_s(self) -> float | None:
        """When the next item is to be looked for; `None` if there is none."""
        return self._queue[0][0] if self._queue else None

    def put_off(self, wish: Wish, now_s: float, *, moved: bool) -> None:
        """It was looked for in vain: again after a pause that grows each time, unless some of it came (`moved`)."""
        wish.is_running = False
        if self._by_seq.get(wish.submission.seq) is not wish:
            return
        longest_s = max(PAUSE_S_MAX, len(self._by_seq) / LOOKS_PER_S_MAX)
        wish.pause_s = PAUSE_S_MIN if moved or not wish.pause_s else min(GROWTH * wish.pause_s, longest_s)
        wish.due_s = now_s + wish.pause_s
        heapq.heappush(self._queue, (wish.due_s, wish.submission.seq, wish))

    def remove(self, wish: Wish) -> None:
        """It is here, or no longer wanted."""
        wish.is_gone = True
        if self._by_seq.get(wish.submission.seq) is wish:
            del self._by_seq[wish.submission.seq]

    def clear(self) -> Sequence[Wish]:
        """Forget all; returns them."""
        gone = list(self._by_seq.values())
        for wish in gone:
            self.remove(wish)
        self._queue.clear()
        return gone

    def _put(self, wish: Wish) -> None:
        self._by_seq[wish.submission.seq] = wish
        heapq.heappush(self._queue, (wish.due_s, wish.submission.seq, wish))
