"""What is read from the log of the flow: blocks, the submissions in them, and extensions of their lives."""

from dataclasses import dataclass

from zerog.primitives import Address, Hash32
from zerog.storage.protocol.submission import Submission

__all__ = ["BlockMark", "LoggedExtension", "LoggedSubmission"]


@dataclass(frozen=True, slots=True)
class BlockMark:
    """A block up to which the log of the chain was read."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSubmission:
    """A submission as the log of the chain has it, and where on the flow and on the chain it lies."""

    seq: int
    submission: Submission
    root: Hash32
    start_sector: int
    sender: Address
    """As the event names it: whoever called the contract, which need not be who signed the transaction."""
    transaction_hash: Hash32
    block_number: int
    block_hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedExtension:
    """One more release period for a submission, as the log of the chain has it."""

    seq: int
    extensions: int
    """How often it was extended, this time included."""
    block_number: int
