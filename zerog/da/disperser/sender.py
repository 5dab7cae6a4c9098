"""Sends what blobs need on chain, one transaction after another, each with all that waits for its kind at that moment.

A transaction is in the books before it is sent, and stays there until every blob in it has heard what became of it. So whatever dies, no
blob is announced twice for want of memory; and a transaction that fails is taken apart, so that no blob fails for another's sake.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import anyio
import structlog

from zerog.chain.client import RpcError
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.contracts.da import CommitRootSubmission, submit_original_data_call, submit_verified_commit_roots_call
from zerog.da.client.chain import CHAIN_FAILURES
from zerog.da.disperser.account import ChainAccount, words_of
from zerog.da.disperser.chain_news import ChainNews
from zerog.da.disperser.errors import StepFailedError
from zerog.da.disperser.passage import NotTakenError, Passage
from zerog.da.disperser.store import OpenTransaction, Sending, Store
from zerog.primitives import Hash32
from zerog.runtime.clock import Clock

__all__ = ["Outcome", "Purpose", "Sender"]

log = structlog.get_logger(__name__)

RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 3.0


class Purpose(StrEnum):
    """Kinds of transactions, the one first that ends a blob's way."""

    CONFIRM = "confirm"
    ANNOUNCE = "announce"


BLOBS_MAX: Final = {Purpose.CONFIRM: 10, Purpose.ANNOUNCE: 100}
"""In one transaction. To confirm a blob takes 1.3 million gas."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transaction succeeded."""

    receipt: ReceiptAnswer
    transaction_id: int
    """In the books; whoever is told says there that it has heard."""


@dataclass(eq=False, slots=True)
class _Order:
    """What one blob needs."""

    purpose: Purpose
    seq: int
    content: Hash32 | CommitRootSubmission
    is_alone: bool = False
    """Whether it was in a transaction that failed, and goes into one of its own now."""
    is_given_up: bool = False
    """Whether its blob no longer waits."""
    done: anyio.Event = field(default_factory=anyio.Event)
    outcome: Outcome | StepFailedError | None = None

    def end(self, outcome: Outcome | StepFailedError) -> None:
        self.outcome = outcome
        self.done.set()


class Sender:
    """Works while `run` runs."""

    def __init__(self, account: ChainAccount, store: Store, news: ChainNews, clock: Clock) -> None:
        self._account: Final = account
        self._store: Final = store
        self._chain_news: Final = news
        self._clock: Final = clock
        self._waiting: Final[dict[Purpose, deque[_Order]]] = {purpose: deque() for purpose in Purpose}
        self._news = anyio.Event()
        self._left: list[OpenTransaction] = []
        self._heard: Final[dict[tuple[Purpose, int], Outcome]] = {}
        """What became of transactions of an earlier process, until their blobs ask."""
        self.sent = 0
        """Transactions since the start, without repetitions."""
        self.trouble: str | None = None
        """Why nothing is sent at the moment."""

    @property
    def waiting(self) -> int:
        """Blobs that wait for a transaction to begin."""
        return sum(map(len, self._waiting.values()))

    async def load(self) -> None:
        """Read what an earlier process has sent. Before `run`, and before any blob asks."""
        self._left = await self._store.open_transactions()

    async def announce(self, seq: int, root: Hash32) -> Outcome:
        """Have a root announced. Raises `StepFailedError`."""
        return await self._order(_Order(Purpose.ANNOUNCE, seq, root))

    async def confirm(self, seq: int, submission: CommitRootSubmission) -> Outcome:
        """Have a blob confirmed. One that was confirmed already counts as done. Raises `StepFailedError`."""
        return await self._order(_Order(Purpose.CONFIRM, seq, submission))

    async def _order(self, order: _Order) -> Outcome:
        while any(left.purpose == order.purpose and order.seq in left.blobs for left in self._left):
            await self._news.wait()  # It is on its way since before this process.
        heard = self._heard.pop((order.purpose, order.seq), None)
        if heard is not None:
            return heard
        self._waiting[order.purpose].append(order)
        self._wake()
        try:
            await order.done.wait()
        finally:
            order.is_given_up = not order.done.is_set()
            if order in self._waiting[order.purpose]:
                self._waiting[order.purpose].remove(order)
        if isinstance(order.outcome, Outcome):
            return order.outcome
        raise order.outcome or StepFailedError("nothing was sent")

    async def run(self) -> None:
        """Send until cancelled, through all failures of the chain."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                await self._work()
            except CHAIN_FAILURES as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("nothing_sent", cause=self.trouble, again_in_s=pause_s)
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            else:
                self.trouble = None
                pause_s = RETRY_S_MIN

    async def _work(self) -> None:
        if self._left:
            await self._finish_left(self._left[0])
            return
        orders = self._next_orders()
        if orders:
            await self._carry_out(orders)
            return
        await self._news.wait()

    async def _finish_left(self, left: OpenTransaction) -> None:
        """See a transaction through that an earlier process has begun."""
        try:
            receipt = await self._passage(left.transaction_id, list(left.sendings)).see_through()
        except NotTakenError as error:
            log.warning("transaction_given_up", cause=str(error))
            receipt = None
        if receipt is not None and receipt.succeeded:
            for seq in left.blobs:
                self._heard[Purpose(left.purpose), seq] = Outcome(receipt, left.transaction_id)
        else:
            await self._store.drop(left.transaction_id)  # Its blobs ask anew.
        self._left.remove(left)
        self._wake()

    def _next_orders(self) -> list[_Order]:
        """All that waits for the same kind of transaction, up to what one may carry; one alone, if it failed in company."""
        for purpose in Purpose:
            waiting = self._waiting[purpose]
            if waiting and waiting[0].is_alone:
                return [waiting[0]]
            orders = [order for order in list(waiting)[: BLOBS_MAX[purpose]] if not order.is_alone]
            if orders:
                return orders
        return []

    async def _carry_out(self, orders: Sequence[_Order]) -> None:
        """Send a transaction and see it through. Orders stay in line until it is in the books, so that a failure loses none."""
        purpose = orders[0].purpose
        data, value_wei = await self._call(orders)
        try:
            gas_limit = await self._account.gas(data, value_wei)
        except RpcError as error:
            self._refused(orders, words_of(error))
            return
        nonce = max(await self._account.nonce("pending"), await self._account.nonce("latest"))
        sending = self._account.sign(data, nonce=nonce, gas_limit=gas_limit, value_wei=value_wei, fees=await self._account.fees())
        transaction_id = await self._store.begin(purpose, [order.seq for order in orders], sending)
        for order in orders:
            if order in self._waiting[purpose]:  # Whoever gave up meanwhile has gone; the transaction goes on.
                self._waiting[purpose].remove(order)
        self.sent += 1
        log.info("transaction_sent", purpose=str(purpose), blobs=len(orders), transaction=str(sending.hash))
        await self._finish(orders, transaction_id, sending)

    async def _finish(self, orders: Sequence[_Order], transaction_id: int, sending: Sending) -> None:
        try:
            receipt = await self._see_through(self._passage(transaction_id, [sending]))
        except NotTakenError as error:
            await self._store.drop(transaction_id)
            self._refused(orders, str(error))
            return
        if receipt is not None and receipt.succeeded:
            for order in orders:
                order.end(Outcome(receipt, transaction_id))
            return
        await self._store.drop(transaction_id)
        if receipt is None:
            self._line_up_again(orders)  # It can never take effect, so it is sent anew.
        else:
            self._refused(orders, f"transaction {receipt.transaction_hash} reverted")

    def _passage(self, transaction_id: int, sendings: list[Sending]) -> Passage:
        return Passage(
            self._account, self._chain_news, self._clock, sendings, lambda sending: self._store.add_sending(transaction_id, sending)
        )

    async def _see_through(self, passage: Passage) -> ReceiptAnswer | None:
        """Until it is known what became of it, however long the chain is away: the orders are no longer in line."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                return await passage.see_through()
            except CHAIN_FAILURES as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("transaction_not_seen_through", cause=self.trouble, again_in_s=pause_s)
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _call(self, orders: Sequence[_Order]) -> tuple[bytes, int]:
        """Data and value of the transaction."""
        if orders[0].purpose is Purpose.ANNOUNCE:
            price_wei = await self._account.chain.blob_price_wei()
            roots = [order.content for order in orders if isinstance(order.content, Hash32)]
            return submit_original_data_call(roots), price_wei * len(roots)
        submissions = [order.content for order in orders if isinstance(order.content, CommitRootSubmission)]
        return submit_verified_commit_roots_call(submissions), 0

    def _refused(self, orders: Sequence[_Order], reason: str) -> None:
        """One is told; several are tried one by one."""
        if len(orders) > 1:
            log.warning("transaction_taken_apart", blobs=len(orders), cause=reason)
            for order in orders:
                order.is_alone = True
            self._line_up_again(orders)
            return
        [order] = orders
        if order in self._waiting[order.purpose]:
            self._waiting[order.purpose].remove(order)
        order.end(StepFailedError(f"the entrance contract refuses to {order.purpose} it: {reason}"))

    def _line_up_again(self, orders: Sequence[_Order]) -> None:
        """Before all others; but for those whose blobs no longer wait."""
        waiting = self._waiting[orders[0].purpose]
        for order in reversed(orders):
            if order not in waiting and not order.is_given_up:
                waiting.appendleft(order)

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()
