"""The words of `zerog demo`: what each step is called, its sense in one sentence, the facts that it has shown, its line in the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from zerog.cli.amounts import shown_amount
from zerog.demo import Answered, Paid, Published, Receipted, Refused, Replayed, Result, Stored, Verified
from zerog.demo.material import QUESTION, TITLE

__all__ = ["CHAPTERS", "NOT_PROVEN", "Chapter", "facts", "proof", "short_amount"]

WEI_DECIMALS: Final = 18
SHOWN_DECIMALS: Final = 9
HASH_DIGITS: Final = 4
NOT_PROVEN: Final = "not proven"


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is said before a step."""

    title: str
    sentence: str
    question: str = ""
    """What the model is asked, before its answer comes."""


CHAPTERS: Final = {
    "store": Chapter("Store", "A text goes onto 0G Storage. Its root, a fingerprint of every byte, is written on the chain."),
    "ask": Chapter(
        "Ask", "A model reads the text from there and answers a question about it, for money that was locked on the chain before.", QUESTION
    ),
    "receipt": Chapter(
        "Receipt", "The provider signs what was asked, what it answered and what that costs. All of it is kept in one file."
    ),
    "settle": Chapter("Settle", "The provider takes its fee on the chain. One root there stands for the receipts of all that it takes."),
    "publish": Chapter(
        "Publish", "The receipts' fingerprints go onto 0G Storage and 0G DA, so that the payment can be proven when the provider is gone."
    ),
    "verify": Chapter("Verify", "The saved file is checked against one node of the chain. Provider, storage and DA are not asked."),
    "replay": Chapter("Replay", "The model runs again on the saved question, on this machine, and has to choose the same words."),
    "refuse": Chapter("Refuse", "Somebody changes the answer, the price or the text. Each change has to be noticed."),
}
"""By the name of the step."""


def facts(result: Result) -> Iterator[tuple[str, str]]:
    """Label and text, line by line. The words of an answer are not among them: they were heard."""
    match result:
        case Stored():
            yield "text", f"{TITLE}, {result.size_bytes:,} bytes"
            yield "root", str(result.root)
            yield "on chain", f"{result.transaction_hash}"
            before = (
                "; it was there before, and is not paid again" if result.was_there else f"; {shown_amount(result.fee_wei)} for the room"
            )
            yield "block", f"{result.block_number}{before}"
            yield "fetched", "the same bytes, found again by their root"
        case Answered():
            yield "provider", f"{result.provider}, model {result.model}"
            yield "used", f"{result.prompt_tokens} tokens read, {result.completion_tokens} written"
            yield "price", f"{shown_amount(result.fee_wei)}, owed until the settlement"
        case Receipted():
            yield "receipt", str(result.leaf)
            yield "signed by", str(result.signer)
            yield "kept in", f"{result.path}, {result.size_bytes:,} bytes"
        case Paid():
            yield "paid", f"{shown_amount(result.paid_wei)} in block {result.block_number}"
            yield "on chain", str(result.transaction_hash)
            yield "root", str(result.receipts_root)
            yield "", f"of {_counted(result.receipts, 'receipt')}; the saved file holds the way from this receipt to it"
        case Published():
            yield from _published(result)
        case Verified():
            yield "state", result.state
            yield "text", f"its saved bytes have the root {result.data_root}"
            yield from (("+", line) for line in result.proven)
            yield from ((NOT_PROVEN, line) for line in result.not_proven)
        case Replayed():
            yield "state", result.grade
            if result.what is None:
                yield "not run", str(result.missing)
            else:
                yield "compared", result.what
            yield from ((NOT_PROVEN, line) for line in result.not_proven)
        case Refused():
            for refusal in result.refusals:
                yield "changed", refusal.changed
                yield "refused", f"{refusal.check}: {refusal.reason}"


def _published(result: Published) -> Iterator[tuple[str, str]]:
    yield "file", str(result.root)
    yield "on chain", str(result.transaction_hash)
    yield "blob", str(result.blob_root)
    votes = f"{result.signers} of {result.members} signers, who keep {result.rows_signed:,} of its {result.rows:,} rows"
    yield "quorum", f"epoch {result.epoch}, quorum {result.quorum_id}: signed by {votes} ({result.rows_needed:,} are enough)"
    yield "on chain", str(result.confirmation_transaction_hash)
    yield "fetched", f"file and blob are the same {result.size_bytes:,} bytes"


def proof(result: Result) -> str:
    """In a line of the table."""
    match result:
        case Stored():
            return f"root {_short(result.root)} in block {result.block_number}"
        case Answered():
            return f"{result.prompt_tokens} + {result.completion_tokens} tokens of {result.model}"
        case Receipted():
            return f"receipt {_short(result.leaf)} by {_short(result.signer)}"
        case Paid():
            return f"root {_short(result.receipts_root)} in block {result.block_number}"
        case Published():
            return f"blob {_short(result.blob_root)} by {result.signers} of {result.members} signers"
        case Verified():
            return f"{result.state}: {len(result.proven)} checks hold"
        case Replayed():
            return f"{result.grade}: not replayed" if result.what is None else f"{result.grade}: the same words again"
        case Refused():
            return f"{len(result.refusals)} of {len(result.refusals)} changes refused"


def short_amount(wei: int) -> str:
    """In 0G, rounded up to nine places, so that nothing that costs something is shown as nothing."""
    steps = -(-wei // 10 ** (WEI_DECIMALS - SHOWN_DECIMALS))
    return f"{Decimal(steps).scaleb(-SHOWN_DECIMALS):f}" if wei else "0"


def _short(value: object) -> str:
    text = str(value)
    return f"{text[: 2 + HASH_DIGITS]}…{text[-HASH_DIGITS:]}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
