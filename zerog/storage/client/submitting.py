"""Telling the chain of files: what it costs, one transaction for many files, and why one was refused."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.chain.client import ChainClient, Payer, RpcError
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.contracts.storage import FIXED_PRICE, FLOW, Submit, batch_submit_call, flow_refusal, submit_call
from zerog.contracts.submission import Submission
from zerog.primitives import Address, Data, DecodeError, Hash32, Wei, encode_data, encode_quantity
from zerog.primitives.errors import RefusalError
from zerog.runtime.deadlines import in_turn
from zerog.storage.client.errors import NonceTakenError, SubmissionRevertedError
from zerog.storage.client.waiting import Deadline

__all__ = ["Placed", "Submitter", "Transaction"]

MANY_NODES: Final = 50
"""From so many nodes on a submission's share of the gas is nearly the same."""
GAS_ROOM_PERCENT: Final = 105
NONCE_TRIES: Final = 10
NONCE_TAKEN_TEXTS: Final = ("nonce too low", "replacement transaction underpriced", "already known")
"""Source: ethereum/go-ethereum, core/txpool/errors.go."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Submissions that were sent in one transaction."""

    hash: Hash32
    submissions: tuple[Submission, ...]
    fee_wei: Wei
    data: bytes
    """Of the call, to run it again when it failed."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A submission that has its place on the flow."""

    root: Hash32
    tx_seq: int
    start_sector: int
    transaction_hash: Hash32 | None
    """`None` if it had its place before."""


class Submitter:
    """Submits files for one account, to the flow of one network. Threads take turns, since each transaction needs its own nonce."""

    def __init__(self, chain: ChainClient, account: Payer, flow: Address) -> None:
        self._chain: Final = chain
        self._account: Final = account
        self._flow: Final = flow
        self._lock: Final = threading.Lock()
        self._market: Address | None = None
        self._gas_per_node = 0

    def price_per_sector_wei(self) -> Wei:
        """What the market asks now."""
        if self._market is None:
            market = FLOW.function("market")
            [address] = market.decode_result(self._chain.call(self._flow, market.encode()))
            self._market = Address(address)
        price = FIXED_PRICE.function("pricePerSector")
        [price_wei] = price.decode_result(self._chain.call(self._market, price.encode()))
        return Wei(price_wei)

    def send(self, submissions: Sequence[Submission], price_wei: Wei) -> Transaction:
        """Send one transaction with all `submissions`. Raises `FlowCallRefusedError` and `SubmissionRevertedError` where it would fail."""
        fee_wei = Wei(sum(submission.fee_wei(price_wei) for submission in submissions))
        submitter = self._account.address
        data = submit_call(submissions[0], submitter) if len(submissions) == 1 else batch_submit_call(submissions, submitter)
        with in_turn(self._lock):
            sent = self._send(fee_wei, data, sum(len(submission.nodes) for submission in submissions))
        return Transaction(sent, tuple(submissions), fee_wei, data)

    def _send(self, fee_wei: Wei, data: bytes, nodes: int) -> Hash32:
        """Another program may send for the same account at the same moment: then one of them takes the next nonce."""
        for _ in range(NONCE_TRIES):
            try:
                gas_limit = self._gas_limit(fee_wei, data, nodes)
                return self._chain.send(self._flow, value_wei=fee_wei, data=data, gas_limit=gas_limit, account=self._account)
            except RpcError as error:
                if not any(text in error.message for text in NONCE_TAKEN_TEXTS):
                    raise _refusal(error) or error from error
        raise NonceTakenError(self._account.address)

    def _gas_limit(self, fee_wei: Wei, data: bytes, nodes: int) -> int:
        """Estimated for the first large batch; later ones need as much a node. To try that is a tenth of the work of an estimate."""
        if nodes >= MANY_NODES and self._gas_per_node:
            gas_limit = self._gas_per_node * nodes
            try:
                self._chain.request("eth_call", self._call(fee_wei, data) | {"gas": encode_quantity(gas_limit)}, "latest")
            except RpcError:
                self._gas_per_node = 0  # It needs more, or is refused: the estimate tells.
            else:
                return gas_limit
        gas_limit = self._chain.estimate_gas(self._account.address, self._flow, value_wei=fee_wei, data=data)
        if nodes >= MANY_NODES:
            self._gas_per_node = -(-gas_limit * GAS_ROOM_PERCENT // (100 * nodes))
        return gas_limit

    def _call(self, fee_wei: Wei, data: bytes) -> dict[str, str]:
        """A submission as a message call."""
        return {
            "from": encode_data(self._account.address),
            "to": encode_data(self._flow),
            "value": encode_quantity(fee_wei),
            "input": encode_data(data),
        }

    def wait(self, transaction: Transaction, deadline: Deadline) -> list[Placed]:
        """Places of its submissions, in their order.

        Raises `SubmissionRevertedError` or `FlowCallRefusedError` if it did nothing, `WaitTimeoutError` if it is in no block by then.
        """
        receipt = self._receipt(transaction, deadline)
        if not receipt.succeeded:
            raise self._why(transaction, receipt)
        events = [
            Submit.decode(log.topics, log.data) for log in receipt.logs if log.address == self._flow and log.topics[:1] == [Submit.TOPIC]
        ]
        if [event.submission for event in events] != list(transaction.submissions):
            raise SubmissionRevertedError(transaction.hash, f"it tells of {len(events)} submissions, which are not ours")
        return [Placed(event.submission.root, event.placement.tx_seq, event.placement.start, transaction.hash) for event in events]

    def _receipt(self, transaction: Transaction, deadline: Deadline) -> ReceiptAnswer:
        pauses = deadline.pauses(f"transaction {transaction.hash} is in no block")
        while (receipt := self._chain.receipt(transaction.hash)) is None:
            next(pauses)
        return receipt

    def _why(self, transaction: Transaction, receipt: ReceiptAnswer) -> RefusalError:
        """Run the call again on the block before, to hear why it was refused."""
        try:
            self._chain.request("eth_call", self._call(transaction.fee_wei, transaction.data), encode_quantity(receipt.block_number - 1))
        except RpcError as error:
            return _refusal(error) or SubmissionRevertedError(transaction.hash, error.message)
        return SubmissionRevertedError(
            transaction.hash, "it succeeds when it is run again; something before it in its block stood in its way"
        )


def _refusal(error: RpcError) -> RefusalError | None:
    """What the flow meant, if the node's error carries it."""
    if not isinstance(error.data, str):
        return None
    try:
        return flow_refusal(Data.from_json(error.data))
    except (ValueError, DecodeError):
        return None  # The node's own words say more.
