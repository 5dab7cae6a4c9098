"""Turns between the processes that run tests beside each other: one that measures time has the machine to itself."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["a_turn"]

ROOM: Final = Path(__file__)
"""Whoever runs a test shares this lock, and who must be alone holds it exclusively. Files that are there anyway: none is left behind."""
GATE: Final = Path(__file__).with_name("conftest.py")
"""Everybody passes here on the way into the room. Who must be alone stays until the room is empty, so nobody enters before."""


@contextmanager
def a_turn(*, alone: bool) -> Iterator[None]:
    """Wait until a test may run, and keep the others out as long as it does, if it must be `alone`."""
    with ROOM.open() as room:
        with GATE.open() as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
