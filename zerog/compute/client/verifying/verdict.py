"""What checking an answer has shown, and what it has not."""

from dataclasses import dataclass, field
from enum import Enum

from zerog.primitives import Address, Hash32, Wei

__all__ = ["Findings", "Grade", "SettledAt", "Verdict"]


class Grade(Enum):
    """How much an answer proves; each grade proves what those before it do."""

    SIMULATED = "simulated"
    """Signed by the service's key, which the provider says itself is in no enclave."""
    SIGNED = "signed"
    """Signed by the service's key; what holds that key nobody has proven."""
    TDX = "tdx"
    """That key is in an enclave whose quote was verified."""
    REPLAYED = "replayed"
    """The model was run again and gave the same bytes."""

    @property
    def rank(self) -> int:
        return list(Grade).index(self)

    def is_at_least(self, other: "Grade") -> bool:
        """Whether it proves all that `other` does."""
        return self.rank >= other.rank


@dataclass(slots=True)
class Findings:
    """What the checks of one answer have shown so far, and what they leave open, in words for a person."""

    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledAt:
    """Where an answer was paid for."""

    transaction_hash: Hash32
    block_number: int
    is_whole: bool
    """Whether all of the fee was paid; `False` where a part of it is still owed."""
    paid_wei: Wei
    """Of this receipt, in this settlement and those that paid its rest."""
    receipts: int
    """How many receipts the settlement's entry is made of."""
    total_fee_wei: Wei
    """Of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An answer whose every check held."""

    grade: Grade
    settled: SettledAt | None
    """`None` until a settlement was added to the file."""
    request_id: str | None
    user: Address | None
    provider: Address
    signer: Address
    model: str
    fee_wei: Wei | None
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]

    @property
    def state(self) -> str:
        """In a few words."""
        if self.settled is None:
            return f"{self.grade.value}, not yet settled"
        return f"{self.grade.value}, settled" if self.settled.is_whole else f"{self.grade.value}, settled in part"
