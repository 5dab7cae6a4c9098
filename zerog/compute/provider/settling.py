"""Transactions of settlements: made and signed, sent again as long as they may be lost, and read for what they came to.

What protects users is the contract: an entry is paid once, by its nonce, however many transactions carry it. What protects the provider is
that every transaction is in the book before it is sent, and stays there until it is known what came of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog._kernel import keccak256
from zerog.chain.client import RpcError
from zerog.chain.client.draft import sign_transaction
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.protocol.settlement import PAYING, SettlementStatus
from zerog.compute.provider.book.settlements import (
    BatchEnd,
    EntryResult,
    PendingBatch,
    PendingEntry,
    SentTransaction,
    Settlements,
)
from zerog.compute.provider.chain import CALL_S_MAX, ProviderChain
from zerog.contracts.compute import SettlementData, SettlementResult
from zerog.primitives import Address, Hash32, Quantity
from zerog.runtime.clock import Clock

__all__ = ["Carrier", "Fees"]

log = structlog.get_logger(__name__)

GAS_ROOM_PERCENT: Final = 115
"""Of the estimate: other users' settlements before ours change what storage costs."""
RESEND_S: Final = 5.0
REPLACE_S: Final = 60.0
"""A transaction that is in no block by then is replaced by one that pays more."""
BUMP_PERCENT: Final = 125
"""Nodes take a replacement that pays at least a tenth more. Source: ethereum/go-ethereum, core/txpool (price bump)."""
KNOWN_TEXTS: Final = ("already known", "already imported", "nonce too low", "underpriced")
"""A node that says so has this transaction, or one in its place. Source: ethereum/go-ethereum, core/txpool/errors.go."""
HOLDS_MS: Final[Mapping[SettlementStatus | None, int]] = {
    None: 60_000,
    SettlementStatus.PROVIDER_MISMATCH: 3_600_000,
    SettlementStatus.NO_TEE_SIGNER: 60_000,
    SettlementStatus.INVALID_NONCE: 0,
    SettlementStatus.INVALID_SIGNATURE: 3_600_000,
}
"""For how long users are left alone whose entry was not paid. Source: 0gfoundation/0g-serving-broker (an hour)."""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for its gas, in wei."""

    base_wei: int
    tip_wei: int

    def raised(self) -> "Fees":
        """Enough to take the place of a transaction that offered this."""
        return Fees(-(-self.base_wei * BUMP_PERCENT // 100), -(-self.tip_wei * BUMP_PERCENT // 100) + 1)


class Carrier:
    """Carries batches to the contract, one account number after another."""

    def __init__(self, chain: ProviderChain, settlements: Settlements, clock: Clock) -> None:
        self._chain: Final = chain
        self._settlements: Final = settlements
        self._clock: Final = clock
        self._resent_s: Final[dict[Hash32, float]] = {}

    def now_ms(self) -> int:
        return int(self._clock.unix_s() * 1000)

    async def next_number(self, pending: Sequence[PendingBatch]) -> int:
        """The account's next number, after all that are on their way. To be asked while holding the chain's `turn`."""
        with anyio.fail_after(CALL_S_MAX):
            next_of_node = int(await self._chain.client.nonce(self._chain.provider, "pending"))
        own = [sent.account_nonce + 1 for batch in pending for sent in batch.transactions if not sent.is_abandoned]
        return max([next_of_node, *own])

    async def fees(self) -> Fees:
        """What the next blocks ask."""
        with anyio.fail_after(CALL_S_MAX):
            head = await self._chain.client.block()
            tip = Quantity.from_json(await self._chain.client.request("eth_maxPriorityFeePerGas"))
        return Fees(0 if head is None else int(head.base_fee_per_gas), int(tip))

    async def sign(self, settlements: Sequence[SettlementData], number: int, fees: Fees) -> SentTransaction:
        """A signed transaction that carries these settlements. Raises `RpcError` where it would fail."""
        data = await to_thread.run_sync(SettlementData.settle_call, settlements)
        with anyio.fail_after(CALL_S_MAX):
            gas = await self._chain.client.estimate_gas(self._chain.provider, self._chain.contract, data=data)
        raw = sign_transaction(
            self._chain.account_key,
            chain_id=self._chain.chain_id,
            nonce=number,
            gas_limit=gas * GAS_ROOM_PERCENT // 100,
            base_fee_wei=fees.base_wei,
            tip_wei=fees.tip_wei,
            to=self._chain.contract,
            value_wei=0,
            data=data,
        )
        return SentTransaction(Hash32(keccak256(raw)), number, raw, self.now_ms())

    async def send(self, transaction: SentTransaction) -> None:
        """Hand a transaction to the node. One that it has already, or that it has another for, is looked at later by its receipt."""
        self._resent_s[transaction.hash] = self._clock.monotonic_s()
        try:
            with anyio.fail_after(CALL_S_MAX):
                await self._chain.client.send_raw(transaction.raw)
        except RpcError as error:
            if not any(known in error.message for known in KNOWN_TEXTS):
                raise
            log.info("settlement_not_taken", transaction=str(transaction.hash), cause=error.message)

    async def look_after(self, pending: Sequence[PendingBatch]) -> int:
        """Bring all batches a step on: end those that are in a block, send the others again. Returns how many are left."""
        with anyio.fail_after(CALL_S_MAX):
            used = int(await self._chain.client.nonce(self._chain.provider, "latest"))
        left = 0
        for batch in pending:
            if not await self._end(batch, used):
                left += 1
                await self._press(batch, pending, used)
        return left

    async def _end(self, batch: PendingBatch, used: int) -> bool:
        """Write down what became of a batch, if it is certain; whether it is.

        It is once each entry is paid, or no transaction that carries it can take effect any more.
        """
        if not batch.entries:
            end = BatchEnd(
                transaction_hash=batch.transactions[-1].hash, block_number=-1, block_hash=Hash32(bytes(32)), results={}, holds_ms={}
            )
            await self._settlements.conclude(batch, end, now_ms=self.now_ms())
            return True
        receipts: list[ReceiptAnswer] = []
        may_come = False
        for sent in batch.transactions:
            with anyio.fail_after(CALL_S_MAX):
                receipt = await self._chain.client.receipt(sent.hash)
            if receipt is not None:
                receipts.append(receipt)
            elif not sent.is_abandoned and sent.account_nonce >= used:
                may_come = True
        if not receipts:
            return False
        results = _results(receipts, batch.entries, self._chain.contract)
        if may_come and not all(results[entry.settlement.user].pays for entry in batch.entries):
            return False
        effective = max(
            receipts, key=lambda receipt: sum(result.pays for result in _results([receipt], batch.entries, self._chain.contract).values())
        )
        end = BatchEnd(
            transaction_hash=effective.transaction_hash,
            block_number=int(effective.block_number),
            block_hash=effective.block_hash,
            results=results,
            holds_ms=HOLDS_MS,
        )
        # Before: a balance from before the payment beside what is owed after it would let users ask for more than they have.
        self._chain.drop(results)
        await self._settlements.conclude(batch, end, now_ms=self.now_ms())
        for user, result in results.items():
            if not result.pays:
                log.warning("settlement_not_paid", user=str(user), reason=result.reason, transaction=str(effective.transaction_hash))
        return True

    async def _press(self, batch: PendingBatch, pending: Sequence[PendingBatch], used: int) -> None:
        """Send again what may have been lost; put into another transaction what cannot take effect in this one."""
        live = [sent for sent in batch.transactions if not sent.is_abandoned and sent.account_nonce >= used]
        if not live or await self._is_cut_off(live[-1], pending, used):
            log.info("settlement_put_anew", batch=batch.batch_id)
            await self._put_anew(batch, pending)
            return
        newest = live[-1]
        if self.now_ms() - newest.sent_at_ms > REPLACE_S * 1000:
            await self._replace(batch, newest)
        elif self._clock.monotonic_s() - self._resent_s.get(newest.hash, 0.0) > RESEND_S or newest.hash not in self._resent_s:
            await self.send(newest)

    async def _is_cut_off(self, newest: SentTransaction, pending: Sequence[PendingBatch], used: int) -> bool:
        """Whether numbers before that of a transaction are nobody's, as after the chain has begun anew."""
        own = {sent.account_nonce for batch in pending for sent in batch.transactions if not sent.is_abandoned}
        with anyio.fail_after(CALL_S_MAX):
            next_of_node = int(await self._chain.client.nonce(self._chain.provider, "pending"))
        return any(number not in own for number in range(max(used, next_of_node), newest.account_nonce))

    async def _put_anew(self, batch: PendingBatch, pending: Sequence[PendingBatch]) -> None:
        """The same signed entries in a transaction of a number that can take effect: an entry that is paid is not paid again."""
        async with self._chain.turn:
            used = await self.next_number([other for other in pending if other.batch_id < batch.batch_id])
            transaction = await self.sign([entry.settlement for entry in batch.entries], used, await self.fees())
            await self._settlements.add_transaction(batch.batch_id, transaction, now_ms=self.now_ms(), abandon=True)
            await self.send(transaction)

    async def _replace(self, batch: PendingBatch, newest: SentTransaction) -> None:
        """The same at the same number, for more money. Whichever is taken, the entries are paid once."""
        async with self._chain.turn:
            fees = (await self.fees()).raised()
            transaction = await self.sign([entry.settlement for entry in batch.entries], newest.account_nonce, fees)
            await self._settlements.add_transaction(batch.batch_id, transaction, now_ms=self.now_ms(), abandon=False)
            await self.send(transaction)


def _results(receipts: Sequence[ReceiptAnswer], entries: Sequence[PendingEntry], contract: Address) -> dict[Address, EntryResult]:
    """What each entry came to: paid if it was in any transaction, otherwise what the last one says."""
    results = {entry.settlement.user: EntryResult(None) for entry in entries}
    totals = {entry.settlement.user: entry.settlement.total_fee_wei for entry in entries}
    for receipt in sorted(receipts, key=lambda receipt: receipt.block_number):
        for entry in receipt.logs:
            if entry.address != contract or entry.topics[:1] != [SettlementResult.TOPIC]:
                continue
            told = SettlementResult.decode(entry.topics, entry.data)
            if told.user in results and not results[told.user].pays:
                paid_wei = totals[told.user] - told.unsettled_wei if told.status in PAYING else 0
                results[told.user] = EntryResult(told.status, paid_wei)
    return results
