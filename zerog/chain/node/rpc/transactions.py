"""`eth_*`: sending transactions that were signed elsewhere."""

from collections.abc import Sequence

from zerog._kernel import Rejection
from zerog.chain.node.chain import Chain
from zerog.chain.node.producer.solo import Outcome
from zerog.chain.node.soon import Soon, now, then
from zerog.chain.protocol.pool_errors import pool_refusal
from zerog.primitives import Data, ZerogError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")


async def send_raw_transactions(chain: Chain, calls: Sequence[tuple[Data]]) -> Sequence[object | ZerogError]:
    """Consecutive calls of one batch: checked together, mined together."""
    outcomes = await now(chain.producer.submit([call[0] for call in calls]))
    return [pool_refusal(outcome) if isinstance(outcome, Rejection) else Data(outcome) for outcome in outcomes]


@eth.method("sendRawTransaction", batched=send_raw_transactions)
def send_raw_transaction(chain: Chain, transaction: Data) -> Soon[Data]:
    """Take a signed transaction; with automine, answers after the block that holds it is visible."""
    return then(chain.producer.submit([transaction]), _hash)


def _hash(outcome: Outcome) -> Data:
    """Raises `TransactionRefusedError`."""
    (answer,) = outcome
    if isinstance(answer, Rejection):
        raise pool_refusal(answer)
    return Data(answer)
