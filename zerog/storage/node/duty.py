"""Counts what a node must hold and what it holds of that, now and then and a little at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio
from anyio import to_thread

from zerog.runtime.clock import Clock
from zerog.storage.node.files import Files

__all__ = ["Duty", "DutyCount"]

SUBMISSIONS_AT_ONCE: Final = 200
INTERVAL_S_MAX: Final = 1.0
"""Between two looks whether something changed: who asks for the status right after an upload is to see it."""
SHARE_MAX: Final = 0.05
"""Of the time, at most so much is spent counting."""


@dataclass(frozen=True, slots=True)
class DutyCount:
    """Over all submissions that are not pruned; the file of two submissions counts twice, since each asks for it."""

    files: int = 0
    files_complete: int = 0
    segments_required: int = 0
    segments_held: int = 0


class Duty:
    """The latest count."""

    def __init__(self, files: Files, clock: Clock, interval_s: float) -> None:
        self._files: Final = files
        self._clock: Final = clock
        self._interval_s: Final = min(interval_s, INTERVAL_S_MAX)
        self._state: object = None
        self.count = DutyCount()

    def status(self) -> Mapping[str, int]:
        """For the control socket and operators."""
        count = self.count
        return {
            "files": count.files,
            "files_complete": count.files_complete,
            "segments_required": count.segments_required,
            "segments_held": count.segments_held,
        }

    async def run(self) -> None:
        """Count whenever something has changed, until cancelled."""
        while True:
            state = await to_thread.run_sync(self._what_it_depends_on)
            took_s = 0.0
            if state != self._state:
                began_s = self._clock.monotonic_s()
                await self._count()
                took_s = self._clock.monotonic_s() - began_s
                self._state = state
            await anyio.sleep(max(self._interval_s, took_s / SHARE_MAX))

    def _what_it_depends_on(self) -> object:
        statistics, store = self._files.store.statistics(), self._files.store
        segments = statistics["segments"], statistics["corrupt_segments"], statistics["repaired_segments"]
        return store.next_seq, store.mark(), segments, store.lives.counts(), self._files.shard

    async def _count(self) -> None:
        seq, count = 0, DutyCount()
        while True:
            count, following = await to_thread.run_sync(self._add, count, seq)
            if following is None:
                break
            seq = following
        self.count = count

    def _add(self, count: DutyCount, seq: int) -> tuple[DutyCount, int | None]:
        """Add some submissions from `seq` on; where to go on."""
        store = self._files.store
        submissions = store.submissions(seq, SUBMISSIONS_AT_ONCE)
        files, complete, required, held = count.files, count.files_complete, count.segments_required, count.segments_held
        for submission in submissions:
            if submission.pruned:
                continue
            indexes = self._files.required(submission)
            here = store.held(submission.root).count_in(indexes)
            files, complete = files + 1, complete + (here == len(indexes))
            required, held = required + len(indexes), held + here
        return DutyCount(files, complete, required, held), submissions[-1].seq + 1 if submissions else None
