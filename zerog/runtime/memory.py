"""Memory of a process: what it has used for some work goes back to the system once it is quiet, and how much it holds can be told."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from zerog._kernel import give_back_memory, map_large_blocks

__all__ = ["give_back_when_quiet", "map_large_blocks", "memory_bytes"]

LOOK_S: Final = 4.0
"""Between two looks at the time that the processor has spent here."""
QUIET_SHARE: Final = 0.05
"""Of a processor: who takes no more between two looks is quiet."""
WORTH_IT_S: Final = 0.5
"""Of processor time since memory last went back: who has done less has nothing to give."""


async def give_back_when_quiet(
    *, look_s: float = LOOK_S, used_s: Callable[[], float] = time.process_time, give_back: Callable[[], None] = give_back_memory
) -> None:
    """After each time of work, give free memory back; until cancelled.

    An allocator keeps what it has once had for the next time of work, and the largest one would otherwise be paid for for ever.
    """
    at_last_look_s = given_back_s = 0.0
    while True:
        await anyio.sleep(look_s)
        now_s = used_s()
        if now_s - at_last_look_s <= QUIET_SHARE * look_s and now_s - given_back_s >= WORTH_IT_S:
            await to_thread.run_sync(give_back)
            now_s = given_back_s = used_s()
        at_last_look_s = now_s


def memory_bytes(pid: int) -> int | None:
    """What a process of ours holds, its part of what it shares with others included (PSS); `None` if it has ended, and where the
    system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)
