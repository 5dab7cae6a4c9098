"""What checking an answer has shown, and what it has not."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.receipts import EngineIdentity
from zerog.primitives import Address, Hash32, Wei

if TYPE_CHECKING:
    from zerog.storage.client.submissions import SubmittedAt

__all__ = ["Findings", "Grade", "SettledAt", "Verdict"]


class Grade(Enum):
    """Who has to be believed for an answer: with each grade fewer."""

    SIMULATED = "simulated"
    """Signed by the service's key, which the provider says itself is in no enclave."""
    SIGNED = "signed"
    """Signed by the service's key; what holds that key nobody has proven. The provider has to be believed."""
    TDX = "tdx"
    """That key is in an enclave, whose quote in the file a verifier that was handed in has checked. The processor's maker has to be
    believed, and who built the program that was measured."""
    REPLAYED = "replayed"
    """A replayer that was handed in has run the model again and got the same. Nobody has to be believed, wherever the key is."""

    @property
    def rank(self) -> int:
        return list(Grade).index(self)

    def is_at_least(self, other: "Grade") -> bool:
        """Whether no more has to be believed than with `other`."""
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
    service_type: ServiceType
    engine: EngineIdentity | None
    """What computed the answer, as the provider says in the receipt."""
    is_sealed: bool
    """Whether request and answer were encrypted from end to end."""
    request: bytes | None = field(repr=False)
    """What was asked, in clear; `None` where it is sealed and the file has no key."""
    answer: bytes | None = field(repr=False)
    """What was answered, likewise."""
    fee_wei: Wei | None
    quoted: "SubmittedAt | None"
    """The file of 0G Storage that the request quotes; `None` where no file was handed in."""
    replayed: str | None
    """What the model, run again, gave the same; `None` where it was not run."""
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]

    @property
    def state(self) -> str:
        """In a few words."""
        if self.settled is None:
            return f"{self.grade.value}, not yet settled"
        return f"{self.grade.value}, settled" if self.settled.is_whole else f"{self.grade.value}, settled in part"
