"""`eth_*`: sending transactions that were signed elsewhere."""

from collections.abc import Coroutine, Sequence
from typing import Any

from zerog._kernel import Rejection
from zerog.chain.node.chain import Chain
from zerog.chain.node.producer.solo import Outcome
from zerog.chain.protocol.pool_errors import pool_refusal
from zerog.primitives import Data, ZerogError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")


async def send_raw_transactions(chain: Chain, calls: Sequence[tuple[Data]]) -> Sequence[object | ZerogError]:
    """Consecutive calls of one batch: checked together, mined together."""
    outcomes = await chain.producer.submit([call[0] for call in calls])
    return [pool_refusal(outcome) if isinstance(outcome, Rejection) else Data(outcome) for outcome in outcomes]


@eth.method("sendRawTransaction", batched=send_raw_transactions)
def send_raw_transaction(chain: Chain, transaction: Data) -> Data | Coroutine[Any, Any, Data]:
    """Take a signed transaction; with automine, answers after the block that holds it is visible. Most are done on the spot."""
    outcome = chain.producer.submit_here([transaction])
    return _hash_later(outcome) if isinstance(outcome, Coroutine) else _hash(outcome)


async def _hash_later(outcome: Coroutine[Any, Any, Outcome]) -> Data:
    return _hash(await outcome)


def _hash(outcome: Outcome) -> Data:
    """Raises `TransactionRefusedError`."""
    (answer,) = outcome
    if isinstance(answer, Rejection):
        raise pool_refusal(answer)
    return Data(answer)
