"""What the chain says of a blob that a quorum confirmed: who signed for how many of its rows, and in which transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import msgspec

from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.contracts.da import DA_ENTRANCE, CommitRootSubmission, ErasureCommitmentVerified
from zerog.da.client.chain import BlobEvent, DaChain, blob_events
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import BitmapError, Quorum, rows_needed
from zerog.primitives import Address, Data, DecodeError, Hash32, decode_hook

__all__ = ["Confirmation", "find_confirmation"]

CALLS_S_MAX: Final = 20.0
_CONFIRM: Final = DA_ENTRANCE.function("submitVerifiedCommitRoots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A blob that the entrance contract took for stored, after it had checked the signature of its quorum."""

    name: BlobName
    signers: tuple[Address, ...]
    """Who signed; empty where the transaction does not tell, as when another contract called the entrance."""
    members: int
    """How many signers the quorum has."""
    rows_signed: int | None
    """Rows of the blob that those who signed have to keep, as the contract counts them; `None` likewise."""
    rows: int
    """Rows of the blob."""
    rows_needed: int
    """The fewest that the contract takes for enough: two thirds."""
    transaction_hash: Hash32
    block_number: int


class _Transaction(msgspec.Struct):
    input: Data


async def find_confirmation(chain: DaChain, root: Hash32, *, first: int = 0) -> Confirmation | None:
    """The newest confirmation of a blob from a block on; `None` if no quorum has confirmed it. Raises as the calls of `DaChain` do."""

    def of_blob(logs: Sequence[LogAnswer]) -> list[BlobEvent]:
        return [event for event in blob_events(logs) if event.blob.root == root]

    criteria = LogCriteria((chain.entrance,), ((ErasureCommitmentVerified.TOPIC,),))
    events = of_blob(await chain.client.find_logs(criteria, first=first, enough=lambda logs: bool(of_blob(logs))))
    if not events:
        return None
    event = events[-1]
    quorum = await chain.quorum(event.blob.epoch, event.blob.quorum_id)
    bitmap = await _bitmap(chain, event)
    return Confirmation(
        name=event.blob,
        signers=() if bitmap is None else _signers(quorum, bitmap),
        members=len(quorum.signers),
        rows_signed=None if bitmap is None else quorum.hit(bitmap),
        rows=quorum.total,
        rows_needed=rows_needed(quorum.total),
        transaction_hash=event.transaction_hash,
        block_number=event.block_number,
    )


async def _bitmap(chain: DaChain, event: BlobEvent) -> bytes | None:
    """Of the rows whose signers have signed, out of the call that confirmed the blob."""
    with anyio.fail_after(CALLS_S_MAX):
        found = await chain.client.request("eth_getTransactionByHash", str(event.transaction_hash))
    try:
        transaction = msgspec.convert(found, _Transaction, dec_hook=decode_hook)
        [submissions] = _CONFIRM.decode_call(transaction.input)
        told = [CommitRootSubmission.from_abi(submission) for submission in submissions]
    except (msgspec.ValidationError, DecodeError, ValueError):
        return None
    named = (one for one in told if BlobName(one.data_root, one.epoch, one.quorum_id) == event.blob)
    return next((one.quorum_bitmap for one in named), None)


def _signers(quorum: Quorum, bitmap: bytes) -> tuple[Address, ...]:
    """Nobody for a bitmap that the contract takes and no disperser makes, with different bits for rows of one signer."""
    try:
        return quorum.signers_of(bitmap)
    except BitmapError:
        return ()
