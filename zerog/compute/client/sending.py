"""Transactions to the compute contracts: one after the other for an account, and in words why one was refused."""

import math
import threading
from typing import Final

from zerog.chain.client import ChainClient, Payer, RpcError
from zerog.chain.client.errors import ReceiptTimeoutError
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.client.errors import NoBlocksError, TransactionFailedError
from zerog.compute.client.market import refusal_of
from zerog.primitives import Address, Hash32, encode_data, encode_quantity
from zerog.runtime.deadlines import in_turn, is_limited

__all__ = ["Sender"]

NONCE_TRIES: Final = 10
NONCE_TAKEN_TEXTS: Final = ("nonce too low", "replacement transaction underpriced", "already known")
"""Source: ethereum/go-ethereum, core/txpool/errors.go."""
RECEIPT_S_MAX: Final = 120.0
"""Until a transaction is in a block, where the caller does not say how long the whole may take."""
OWN_BLOCK_S_MAX: Final = 2.0
"""A chain that makes blocks at all has usually made one by then; otherwise it is asked whether it will."""


class Sender:
    """Sends for one account. Threads take turns, since each transaction needs its own nonce."""

    def __init__(self, chain: ChainClient, account: Payer) -> None:
        self._chain: Final = chain
        self.account: Final = account
        self._lock: Final = threading.Lock()

    def send(self, to: Address, data: bytes, value_wei: int = 0) -> ReceiptAnswer:
        """Send a call and wait until it is in a block.

        Raises `ComputeCallRefusedError` before it is sent where the contract would refuse it; afterwards `TransactionFailedError`,
        `NoBlocksError` on a chain of our own that makes no blocks by itself, and `ReceiptTimeoutError` where blocks come without it.
        """
        with in_turn(self._lock):
            sent = self._submit(to, data, value_wei)
        receipt = self._receipt(sent)
        if not receipt.succeeded:
            raise TransactionFailedError(sent, self._why(to, data, value_wei, receipt))
        return receipt

    def _receipt(self, sent: Hash32) -> ReceiptAnswer:
        """The receipt, once there is one. A test that makes the blocks itself has a moment for it."""
        try:
            return self._chain.wait_for_receipt(sent, timeout_s=OWN_BLOCK_S_MAX)
        except ReceiptTimeoutError:
            if self._makes_no_blocks():
                raise NoBlocksError(sent) from None
        return self._chain.wait_for_receipt(sent, timeout_s=math.inf if is_limited() else RECEIPT_S_MAX)

    def _makes_no_blocks(self) -> bool:
        """Whether the node says that blocks come only when it is told. Chains of others do not know the question."""
        try:
            automine, interval = self._chain.request("hardhat_getAutomine"), self._chain.request("anvil_getIntervalMining")
        except RpcError:
            return False
        return automine is False and not interval

    def _submit(self, to: Address, data: bytes, value_wei: int) -> Hash32:
        last: RpcError | None = None
        for _ in range(NONCE_TRIES):
            try:
                return self._chain.send(to, value_wei=value_wei, data=data, account=self.account)
            except RpcError as error:
                # Another program may send for the same account at the same moment: then one of them takes the next nonce.
                if not any(text in error.message for text in NONCE_TAKEN_TEXTS):
                    raise refusal_of(error) from error
                last = error
        raise last or RuntimeError("it was tried at least once")

    def _why(self, to: Address, data: bytes, value_wei: int, receipt: ReceiptAnswer) -> str:
        """Run the call again on the block before, to hear why it was refused."""
        call = {
            "from": encode_data(self.account.address),
            "to": encode_data(to),
            "value": encode_quantity(value_wei),
            "input": encode_data(data),
        }
        try:
            self._chain.request("eth_call", call, encode_quantity(receipt.block_number - 1))
        except RpcError as error:
            return str(refusal_of(error))
        return "it succeeds when it is run again; something before it in its block stood in its way"
