"""Deadlines of connections without a timer for each: one task looks at all of them a few times a second."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import anyio
from uvicorn.server import ServerState

from zerog.runtime.http.limits import HttpLimits

__all__ = ["NO_LIMIT", "Stage", "Sweeper", "Watch"]

NO_LIMIT: Final = float("inf")
SWEEPS_PER_LIMIT: Final = 4
SWEEP_S_MAX: Final = 1.0
SWEEP_S_MIN: Final = 0.01
LATE_FACTOR: Final = 2
"""A sweep that comes later than so many intervals counts as so many."""

Stage: TypeAlias = tuple[str, int, int]
"""Where a connection is: a name, and two numbers that change with every progress it makes there."""


class Watch:
    """Remembers for one connection where it was, and since when."""

    __slots__ = ("_level", "_since_s", "_stage", "_step")

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._since_s = 0.0
        self._level = 0
        self._step = 0

    def falls(self, level: int) -> int:
        """How often `level` has been lower than at the look before: for a buffer, growth is no progress."""
        if level < self._level:
            self._step += 1
        self._level = level
        return self._step

    def is_overdue(self, stage: Stage, limit_s: float, now_s: float) -> bool:
        """Whether the connection has been at this stage for `limit_s`."""
        if stage != self._stage:
            self._stage, self._since_s = stage, now_s
        return now_s - self._since_s >= limit_s


class Sweeper:
    """Looks at all connections of a server again and again."""

    def __init__(self, state: ServerState, limits: HttpLimits) -> None:
        self._state: Final = state
        shortest_s = min(limits.headers_s, limits.body_s, limits.idle_s, limits.unread_s, limits.linger_s, limits.stall_s)
        self._interval_s: Final = max(SWEEP_S_MIN, min(SWEEP_S_MAX, shortest_s / SWEEPS_PER_LIMIT))

    async def run(self) -> None:
        """Sweep until cancelled. Time in which the loop itself stood still passes for no client: what it sent has not been looked at."""
        now_s, looked_s = 0.0, anyio.current_time()
        while True:
            await anyio.sleep(self._interval_s)
            passed_s = anyio.current_time() - looked_s
            looked_s += passed_s
            now_s += min(passed_s, LATE_FACTOR * self._interval_s)
            connections: Iterable[Any] = tuple(self._state.connections)
            for connection in connections:
                connection.check(now_s)
