"""`eth_*`: sending transactions that were signed elsewhere, finding one by its sender, and filling in what one lacks."""

from collections.abc import Sequence
from typing import Final

import anyio
import msgspec

from zerog._kernel import Rejection, StateNotKeptError
from zerog.chain.node.chain import Chain
from zerog.chain.node.drafts import fill
from zerog.chain.node.follow import Follower
from zerog.chain.node.producer.solo import Outcome
from zerog.chain.node.rpc.blocks import raw_or_null
from zerog.chain.node.soon import Soon, now, then
from zerog.chain.protocol.constants import SYNC_SEND_S_DEFAULT, SYNC_SEND_S_MAX
from zerog.chain.protocol.errors import TransactionPendingError
from zerog.chain.protocol.pool_errors import pool_refusal
from zerog.chain.wire.numbers import LooseNumber
from zerog.chain.wire.transactions import TransactionObject
from zerog.primitives import ZERO_ADDRESS, Address, Data, Uint64, ZerogError, decode_data, encode_data
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth", "receipt_in_time"]

eth = Namespace("eth")

MILLISECONDS: Final = 1_000


async def send_raw_transactions(chain: Chain, calls: Sequence[tuple[Data]]) -> Sequence[object | ZerogError]:
    """Consecutive calls of one batch: checked together, mined together."""
    if chain.follower is not None:
        return [await _handed_on(chain.follower, call[0]) for call in calls]
    outcomes = await now(chain.producer.submit([call[0] for call in calls]))
    return [pool_refusal(outcome) if isinstance(outcome, Rejection) else Data(outcome) for outcome in outcomes]


@eth.method("sendRawTransaction", batched=send_raw_transactions)
def send_raw_transaction(chain: Chain, transaction: Data) -> Soon[Data]:
    """Take a signed transaction; with automine, answers after the block that holds it is visible. A node that follows hands it on."""
    if chain.follower is not None:
        return _hand_on(chain.follower, transaction)
    return then(chain.producer.submit([transaction]), _hash)


@eth.method("sendRawTransactionSync")
async def send_raw_transaction_sync(chain: Chain, transaction: Data, timeout_ms: LooseNumber | None = None) -> msgspec.Raw:
    """Take a signed transaction and answer with its receipt. Source: EIP-7966."""
    if chain.follower is not None:
        return await receipt_in_time(chain, await _hand_on(chain.follower, transaction), timeout_ms)
    return await receipt_in_time(chain, _hash(await now(chain.producer.submit([transaction]))), timeout_ms)


@eth.method("getTransactionBySenderAndNonce")
def get_transaction_by_sender_and_nonce(chain: Chain, sender: Address, nonce: Uint64) -> msgspec.Raw | None:
    """The transaction of an account with this nonce, in a block or in the pool."""
    try:
        mined = chain.ledger.transaction_by_sender_and_nonce_json(sender, nonce)
    except StateNotKeptError:
        return None  # Older than what is kept of the account's nonces.
    return raw_or_null(mined or chain.pool.transaction_at_json(sender, nonce))


@eth.method("fillTransaction")
async def fill_transaction(chain: Chain, transaction: TransactionObject) -> dict[str, object]:
    """What would be signed, with the fields filled in that the caller left out."""
    sender = transaction.sender or ZERO_ADDRESS
    raw, whole = (await fill(chain, transaction, sender)).unsigned(sender)
    return {"raw": Data(raw), "tx": msgspec.Raw(whole)}


async def receipt_in_time(chain: Chain, transaction_hash: bytes, timeout_ms: int | None) -> msgspec.Raw:
    """Wait for the receipt of a transaction in the pool. Raises `TransactionPendingError` when it is in no block in time."""
    timeout_s = min(timeout_ms / MILLISECONDS, SYNC_SEND_S_MAX) if timeout_ms else SYNC_SEND_S_DEFAULT
    with anyio.move_on_after(timeout_s):
        while not chain.feed.has_ended:
            next_block = chain.feed.next_block
            receipt = chain.ledger.receipt_json(transaction_hash)
            if receipt is not None:
                return msgspec.Raw(receipt)
            await next_block.wait()
    raise TransactionPendingError(transaction_hash, timeout_s)


async def _hand_on(follower: Follower, transaction: Data) -> Data:
    return Data(decode_data(str(await follower.forward("eth_sendRawTransaction", encode_data(transaction)))))


async def _handed_on(follower: Follower, transaction: Data) -> object | ZerogError:
    try:
        return await _hand_on(follower, transaction)
    except ZerogError as error:
        return error


def _hash(outcome: Outcome) -> Data:
    """Raises `TransactionRefusedError`."""
    (answer,) = outcome
    if isinstance(answer, Rejection):
        raise pool_refusal(answer)
    return Data(answer)
