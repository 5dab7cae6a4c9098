"""Ctrl-C in a command that has something to bring to its end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["HeldInterrupt", "hold_first_interrupt"]


@dataclass
class HeldInterrupt:
    """Whether there was a Ctrl-C that waits."""

    came: bool = False


@contextmanager
def hold_first_interrupt() -> Iterator[HeldInterrupt]:
    """The first Ctrl-C in the block takes effect when the block is at its end, the second one at once. Raises `KeyboardInterrupt`."""
    held = HeldInterrupt()
    before = signal.getsignal(signal.SIGINT)

    def keep(_signal: int, _frame: FrameType | None) -> None:
        held.came = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, keep)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, before)
    if held.came:
        raise KeyboardInterrupt
