"""Ctrl-C in a command that has something to bring to its end."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

__all__ = ["HeldInterrupt", "hold_first_interrupt"]

STDERR: Final = 2


@dataclass
class HeldInterrupt:
    """Whether there was a Ctrl-C that waits."""

    came: bool = False


@contextmanager
def hold_first_interrupt(notice: str) -> Iterator[HeldInterrupt]:
    """The first Ctrl-C in the block gets `notice` for an answer, and takes effect at the block's end; the second one at once.

    Where Ctrl-C is ignored, as in what a shell has in the background, it still is. Raises `KeyboardInterrupt`.
    """
    held = HeldInterrupt()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield held
        return

    def keep(_signal: int, _frame: FrameType | None) -> None:
        held.came = True
        signal.signal(signal.SIGINT, before)
        # Not through the stream: the signal may have come in the middle of a write to it.
        with suppress(OSError):  # Nobody has to see it.
            os.write(STDERR, os.fsencode(f"\n{notice}\n"))

    signal.signal(signal.SIGINT, keep)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, before)
    if held.came:
        raise KeyboardInterrupt
