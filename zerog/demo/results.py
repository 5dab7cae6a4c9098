"""What each step of the demo has shown: plain facts, in the order of the life of an answer."""

from dataclasses import dataclass, field
from typing import TypeAlias

from zerog.compute.wire.answer_file import AnswerFile
from zerog.primitives import Address, Hash32, Wei

__all__ = ["Answered", "Life", "Paid", "Published", "Receipted", "Refusal", "Refused", "Replayed", "Result", "Step", "Stored", "Verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A text on 0G Storage, and fetched again."""

    root: Hash32
    """Names the bytes: what was fetched has the same."""
    size_bytes: int
    transaction_hash: Hash32
    """That told the chain of the root."""
    block_number: int
    fee_wei: Wei
    """Paid to the flow; 0 for a text that was there before."""
    was_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer about the text, which was read from storage by its root."""

    question: str
    text: str
    provider: Address
    model: str
    prompt_tokens: int
    completion_tokens: int
    fee_wei: Wei
    """Owed from now on."""
    file: AnswerFile = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """The provider's receipt, in the file that the answer is kept in."""

    request_id: str
    leaf: Hash32
    """Hash of the receipt: the leaf of the tree that a settlement is signed over."""
    signer: Address
    path: str
    """Of the file, in the folder with the saved bytes; so of all paths here."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """The settlement that the receipt is part of."""

    transaction_hash: Hash32
    block_number: int
    paid_wei: Wei
    """For this answer."""
    receipts_root: Hash32
    """The contract was called with it."""
    receipts: int
    """How many receipts the root is over."""
    file: AnswerFile = field(repr=False)
    """With the way from the receipt to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The receipts as a file of 0G Storage and as a blob of 0G DA, both fetched and found to be the same bytes."""

    root: Hash32
    transaction_hash: Hash32
    block_number: int
    size_bytes: int
    blob_root: Hash32
    epoch: int
    quorum_id: int
    signers: int
    """How many signers of the quorum signed."""
    members: int
    rows_signed: int
    """Rows of the blob that they keep, which are their votes."""
    rows: int
    rows_needed: int
    confirmation_transaction_hash: Hash32
    confirmation_block_number: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What saved bytes and one node of the chain prove."""

    grade: str
    state: str
    data_root: Hash32
    """Of the text, computed from its saved bytes: the request names and quotes it."""
    data_block_number: int
    """Since when the chain knows it."""
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The model, run again, or why it could not be."""

    grade: str
    what: str | None
    """Was compared and came out the same; `None` where the model could not be run again here."""
    missing: str | None
    """Why it could not."""
    not_proven: tuple[str, ...]
    """What is still open then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One change, and why it was refused."""

    changed: str
    """In words."""
    check: str
    """The part that did not hold."""
    reason: str
    path: str
    """The changed file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Every change that was tried; none was taken."""

    refusals: tuple[Refusal, ...]


Result: TypeAlias = Stored | Answered | Receipted | Paid | Published | Verified | Replayed | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that is done."""

    name: str
    result: Result
    seconds: float
    cost_wei: Wei
    """What the one who asks has less on chain after it, in the wallet and in the ledger together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """All steps."""

    chain_id: int
    chain_url: str
    account: Address
    """Who asked and paid."""
    steps: tuple[Step, ...]

    @property
    def not_replayed(self) -> str | None:
        """Why the model could not be run again; `None` where it chose the same words."""
        return next((step.result.missing for step in self.steps if isinstance(step.result, Replayed)), None)

    @property
    def seconds(self) -> float:
        """Of all steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def cost_wei(self) -> Wei:
        """Likewise."""
        return Wei(sum(step.cost_wei for step in self.steps))
