"""What a miner counts, since its start."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["MiningCounters"]


@dataclass(slots=True)
class MiningCounters:
    """Sums since the start."""

    loads_sealed: int = 0
    seals_sealed: int = 0
    answers_sent: int = 0
    answers_accepted: int = 0
    answers_refused: Counter[str] = field(default_factory=Counter)
    """Answers that were not sent, or that the contract did not take, by the reason."""
    earned_wei: int = 0
    """What the contract credited for accepted answers."""
    failures: int = 0
    """Times that the chain or the disk stood in the way."""
