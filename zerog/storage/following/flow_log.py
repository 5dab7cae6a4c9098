"""Reads submissions and extensions out of the log of the flow's contract. No socket and no clock: logs in, submissions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.chain.wire.answers import LogAnswer
from zerog.contracts.storage import Extend, Submit
from zerog.primitives import DecodeError
from zerog.storage.following.records import LoggedExtension, LoggedSubmission
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.submission import check_submission

__all__ = ["LogGapError", "LogPage", "next_page", "read_logs"]

NUMBERS_END: Final = 1 << 63
"""What is counted in a contract of ours is below; anything else was written by another one."""


@dataclass(eq=False)
class LogGapError(StorageError):
    """The chain node left out a submission."""

    expected_seq: int
    found_seq: int

    code = "log_gap"
    remedy = "the log is asked for again; if this stays, the chain node has lost logs, and another one is needed"
    http_status = 502

    def __str__(self) -> str:
        return f"the log goes on with submission {self.found_seq}, where {self.expected_seq} is due"


@dataclass(frozen=True, slots=True)
class LogPage:
    """Submissions of some blocks, and how many logs were none."""

    submissions: tuple[LoggedSubmission, ...]
    ignored: int
    extensions: tuple[LoggedExtension, ...] = ()


def next_page(read: int | None, head: int, *, first_block: int, confirmations: int, blocks_max: int) -> tuple[int, int] | None:
    """First and last block to read next, after all up to `read`; `None` when there is nothing new below the newest block, `head`."""
    first = first_block if read is None else read + 1
    last = min(head - confirmations, first + blocks_max - 1)
    return (first, last) if first <= last else None


def read_logs(logs: Sequence[LogAnswer], next_seq: int) -> LogPage:
    """Submissions in the order of the chain, the first of which is number `next_seq`.

    What cannot be read, does not fit the rules of the contract, or was counted before is no submission of this flow, and ignored.
    Raises `LogGapError` where one is missing.
    """
    submissions: list[LoggedSubmission] = []
    extensions: list[LoggedExtension] = []
    ignored = 0
    for log in sorted(logs, key=lambda log: (log.block_number, log.log_index)):
        extension = _read_extension(log)
        if extension is not None:
            extensions.append(extension)
            continue
        submission = _read(log)
        if submission is None or submission.seq < next_seq:
            ignored += 1
            continue
        if submission.seq > next_seq:
            raise LogGapError(next_seq, submission.seq)
        submissions.append(submission)
        next_seq += 1
    return LogPage(tuple(submissions), ignored, tuple(extensions))


def _read_extension(log: LogAnswer) -> LoggedExtension | None:
    if not log.topics or log.topics[0] != Extend.TOPIC:
        return None
    try:
        event = Extend.decode(log.topics, log.data)
    except DecodeError:
        return None
    fits = event.tx_seq < NUMBERS_END and event.extensions < NUMBERS_END
    return LoggedExtension(seq=event.tx_seq, extensions=event.extensions, block_number=log.block_number) if fits else None


def _read(log: LogAnswer) -> LoggedSubmission | None:
    try:
        event = Submit.decode(log.topics, log.data)
        check_submission(event.submission)
    except (DecodeError, StorageError):
        return None
    return LoggedSubmission(
        seq=event.placement.tx_seq,
        submission=event.submission,
        root=event.submission.root,
        start_sector=event.placement.start,
        sender=event.sender,
        transaction_hash=log.transaction_hash,
        block_number=log.block_number,
        block_hash=log.block_hash,
    )
