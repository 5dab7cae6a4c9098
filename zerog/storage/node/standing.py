"""What a node thinks of a peer: what it did wrong, how long it is left alone for that, and who is preferred. No clock, no socket."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

__all__ = ["Fault", "Standing"]

BACKOFF_S_MIN: Final = 1.0
BACKOFF_S_MAX: Final = 300.0
"""How long a peer is left alone after a fault; each one in a row doubles it."""
DOUBLINGS_MAX: Final = 32
ATONEMENT_SEGMENTS: Final = 256
"""True segments after which one lie is forgiven: 64 MiB."""
WINDOW_MIN: Final = 2
WINDOW_MAX: Final = 16
"""Segments that are asked for at once: few of a peer that is not known yet, 4 MiB of one that keeps its word."""
LANES_MAX: Final = 3
"""Requests at once to a peer that keeps its word: while one answer is checked and stored, the next is on its way."""
LIE_WEIGHT: Final = 256
"""Segments that one lie outweighs; an outage outweighs one."""
CREDIT_SEGMENTS: Final = 16
"""What a peer counts as having sent when nothing is known of it."""


class Fault(Enum):
    """What a peer can do wrong; the values are names for metrics."""

    WRONG_BYTES = "wrong_bytes"
    WRONG_PROOF = "wrong_proof"
    MALFORMED = "malformed"
    """An answer that no node gives."""
    WITHHELD = "withheld"
    """It says that it has a segment, and does not send it."""
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"

    @property
    def is_lie(self) -> bool:
        """Whether it is no matter of the network or of load: who does it may do it again while it answers all questions well."""
        return self in (Fault.WRONG_BYTES, Fault.WRONG_PROOF, Fault.MALFORMED, Fault.WITHHELD)


@dataclass(slots=True)
class Standing:
    """Of one peer, since the start of the node."""

    segments: int = 0
    """True ones that it sent."""
    faults: Counter[Fault] = field(default_factory=Counter)
    lies: int = 0
    """Not forgiven yet."""
    outages: int = 0
    """Times in a row that it did not answer, or refused."""
    waits_until_s: float = 0.0
    """Until then it is left alone."""
    cause: str | None = None
    """Of the latest fault, until it does better."""
    window: int = WINDOW_MIN
    """Segments to ask it for at once."""
    _atoned: int = 0

    @property
    def lanes(self) -> int:
        """Requests for segments that may be on their way to it at once."""
        return LANES_MAX if self.window == WINDOW_MAX else 1

    @property
    def score(self) -> float:
        """From 0, all lies, to 1, never a fault."""
        faults = sum(count * (LIE_WEIGHT if fault.is_lie else 1) for fault, count in self.faults.items())
        credit = self.segments + CREDIT_SEGMENTS
        return credit / (credit + faults)

    def answered(self) -> None:
        """It answered all that it was asked in one turn. That says nothing of its segments."""
        self.outages = 0
        if not self.lies:
            self.cause = None

    def delivered(self, count: int) -> None:
        """It sent so many true segments."""
        self.segments += count
        self.outages = 0
        self.window = min(2 * self.window, WINDOW_MAX)
        self._atoned += count
        if self._atoned >= ATONEMENT_SEGMENTS:
            self._atoned = 0
            self.lies = max(0, self.lies - 1)
        if not self.lies:
            self.cause = None

    def blame(self, fault: Fault, cause: str, now_s: float) -> float:
        """It did something wrong: for how many seconds it is left alone now."""
        self.faults[fault] += 1
        self.cause = cause
        if fault.is_lie:
            self.lies += 1
            self._atoned = 0
        else:
            self.outages += 1
        self.window = WINDOW_MIN
        doublings = min((self.lies if fault.is_lie else self.outages) - 1, DOUBLINGS_MAX)
        pause_s = min(BACKOFF_S_MIN * float(1 << doublings), BACKOFF_S_MAX)
        self.waits_until_s = max(self.waits_until_s, now_s + pause_s)
        return pause_s
