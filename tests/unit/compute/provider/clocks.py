"""Clocks that are ahead of the machine's."""

from zerog.runtime.clock import SystemClock


class AheadClock(SystemClock):
    """Tells a time that is so many seconds later; how fast time passes is the same."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s

    def unix_s(self) -> float:
        return super().unix_s() + self.ahead_s
