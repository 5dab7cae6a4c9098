"""How far an upload or a download is, told to whoever wants to know."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["Phase", "Progress", "ProgressCallback", "Tally"]

Phase: TypeAlias = Literal["hash", "submit", "upload", "finalize", "download", "done"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done now."""

    phase: Phase
    done_bytes: int
    """Of the contents, without what was there before."""
    total_bytes: int


ProgressCallback: TypeAlias = Callable[[Progress], None]
"""Called from several threads, one at a time; what it raises ends the transfer."""


class Tally:
    """Counts for a callback."""

    def __init__(self, callback: ProgressCallback | None, total_bytes: int = 0) -> None:
        self._callback: Final = callback
        self._lock: Final = threading.Lock()
        self._phase: Phase = "hash"
        self._done_bytes = 0
        self._total_bytes = total_bytes

    @property
    def done_bytes(self) -> int:
        """What was moved so far."""
        return self._done_bytes

    def enter(self, phase: Phase) -> None:
        """Another phase begins."""
        with self._lock:
            self._phase = phase
            self._tell()

    def add(self, *, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """So much more is done, or to be done."""
        with self._lock:
            self._done_bytes += done_bytes
            self._total_bytes += total_bytes
            self._tell()

    def _tell(self) -> None:
        if self._callback is not None:
            self._callback(Progress(self._phase, self._done_bytes, self._total_bytes))
