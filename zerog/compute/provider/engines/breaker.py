"""A circuit breaker: who fails again and again is left alone for a while, and then tried with one request. It has no clock of its own."""

from enum import Enum
from typing import Final

__all__ = ["Admission", "CircuitBreaker"]


class Admission(Enum):
    """What becomes of a request."""

    NORMAL = "normal"
    PROBE = "probe"
    """The first after a pause: it alone tries whether the server works again."""
    REFUSED = "refused"


class CircuitBreaker:
    """Tell it what happens with every request that it admitted: `succeeded`, `failed` or `abandoned`."""

    def __init__(self, *, failures_max: int = 5, pause_s: float = 2.0, pause_s_max: float = 60.0) -> None:
        """After so many failures in a row it opens for `pause_s`; each failed probe doubles that, up to `pause_s_max`."""
        self._failures_max: Final = failures_max
        self._first_pause_s: Final = pause_s
        self._pause_s_max: Final = pause_s_max
        self._failures = 0
        self._pause_s = pause_s
        self._opens_at_s: float | None = None
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether requests are refused, or one of them tries."""
        return self._opens_at_s is not None

    def admit(self, now_s: float) -> Admission:
        """Whether a request may go now."""
        if self._opens_at_s is None:
            return Admission.NORMAL
        if self._is_probing or now_s < self._opens_at_s:
            return Admission.REFUSED
        self._is_probing = True
        return Admission.PROBE

    def wait_s(self, now_s: float) -> float:
        """When it is worth asking again."""
        return max(1.0, self._opens_at_s - now_s) if self._opens_at_s is not None else 0.0

    def succeeded(self) -> None:
        """The server answered."""
        self._failures, self._pause_s, self._opens_at_s, self._is_probing = 0, self._first_pause_s, None, False

    def failed(self, admission: Admission, now_s: float) -> None:
        """The server did not answer, or said that it is not able to."""
        self._failures += 1
        if admission is Admission.PROBE:
            self._is_probing = False
            self._pause_s = min(2 * self._pause_s, self._pause_s_max)
            self._opens_at_s = now_s + self._pause_s
        elif self._opens_at_s is None and self._failures >= self._failures_max:
            self._opens_at_s = now_s + self._pause_s

    def abandoned(self, admission: Admission) -> None:
        """Nobody waited for the end; nothing is known."""
        if admission is Admission.PROBE:
            self._is_probing = False
