"""What the chain says of a file: that it was submitted, when and by whom. Read from one chain node, by the file's bytes alone."""

from dataclasses import dataclass

from zerog.chain.client import ChainClient
from zerog.chain.protocol.logs import LogCriteria
from zerog.contracts.storage import Submit
from zerog.primitives import Address, DecodeError, Hash32
from zerog.storage.protocol.merkle import ByteBuffer, FileTree

__all__ = ["SubmittedAt", "find_submission"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedAt:
    """Where the flow's contract was told of a file."""

    root: Hash32
    size_bytes: int
    tx_seq: int
    """By which storage nodes know the submission."""
    sender: Address
    """Who told it. On the public networks it is whatever the sender wrote."""
    transaction_hash: Hash32
    block_number: int


def find_submission(chain: ChainClient, data: ByteBuffer, flow: Address, *, timeout_s: float | None = None) -> SubmittedAt | None:
    """The first submission of a file of these bytes; `None` if the chain knows of none.

    The contract at `flow` names a file by the roots of its subtrees, so whoever finds them there knows that these very bytes were meant.
    It says nothing of whether nodes still keep them. Files that are stored in several fragments are looked for fragment by fragment. The
    chain is looked through back to where the contract began, in ranges that its node gives: on a long one that takes its time.
    Raises `EmptyFileError`, and what `ChainClient` raises when the chain does not answer.
    """
    submission = FileTree(data).submission()
    criteria = LogCriteria((flow,), ((Submit.TOPIC,), (), (submission.identity,)))
    for log in chain.find_logs(criteria, timeout_s=timeout_s):
        try:
            found = Submit.decode(log.topics, log.data)
        except (DecodeError, ValueError):
            continue
        if found.submission.nodes == submission.nodes and found.submission.size_bytes == submission.size_bytes:
            return SubmittedAt(
                root=submission.root,
                size_bytes=submission.size_bytes,
                tx_seq=found.placement.tx_seq,
                sender=found.sender,
                transaction_hash=log.transaction_hash,
                block_number=int(log.block_number),
            )
    return None
