"""The clock as an argument: whatever holds rules is handed one, so that a test can hold the hands."""

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Two ways to read time."""

    def unix_s(self) -> float:
        """Seconds since 1970-01-01 UTC; it may jump."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; it never goes back."""


class SystemClock:
    """The clock of this machine."""

    def unix_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()
