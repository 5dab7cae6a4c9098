"""The settler: it turns what users owe into signed settlements, and sees them through, whatever happens to the chain or to itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus

from zerog.chain.client.errors import ChainClientError
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.protocol.receipts import ReceiptTree
from zerog.compute.protocol.settlement import (
    ENTRIES_MAX,
    Settlement,
    SettlementStatus,
    domain_separator,
    largest_prefix,
    next_nonce,
    sign_settlement,
)
from zerog.compute.provider.book import Book, BookError
from zerog.compute.provider.book.settlements import (
    DueUser,
    PendingBatch,
    PlannedEntry,
    PlanOutdatedError,
    SettlementRow,
    Settlements,
)
from zerog.compute.provider.chain import CHAIN_FAILURES, ChainUnavailableError, ProviderChain
from zerog.compute.provider.settling import HOLDS_MS, Carrier
from zerog.contracts.compute import InferenceAccount, InferenceService, SettlementData, SettlementPreview
from zerog.primitives import Account, Address
from zerog.runtime.clock import Clock

__all__ = ["NotSettledError", "SettleReport", "Settler", "SettlerOptions"]

log = structlog.get_logger(__name__)

ROUNDS_MAX: Final = 10
"""Rounds of one settling: a user's rows beyond the bound of an entry come with the next."""
USERS_MAX: Final = 1_000
"""Users in one round."""
TOKENS_AT_RISK: Final = 1_000_000
"""A user who owes the price of so many tokens in and out is settled early. Source: 0gfoundation/0g-serving-broker."""
MONEY_HOLD_MS: Final = 3_600_000
"""How long a user whose money covers nothing is left alone, unless he pays in. Source: 0gfoundation/0g-serving-broker."""
FINAL_BLOCKS: Final = 256
"""A block that has so many above it is not looked at again."""
POLL_S: Final = 0.05
MINED_S_MAX: Final = 90.0
PAUSE_S: Final = 1.0
"""Between two rounds at least, however much happens on chain."""
SHUTDOWN_S_MAX: Final = 15.0
FAILURES: Final = (*CHAIN_FAILURES, ChainClientError, ComputeError, BookError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlerOptions:
    """When it settles."""

    force_s: float = 600.0
    """Seconds after which everything is settled."""
    check_s: float = 300.0
    """Seconds after which those are settled whose money may be gone soon."""


@dataclass(eq=False)
class NotSettledError(ComputeError):
    """Nothing can be settled at the moment."""

    cause: str

    code = "not_settled"
    remedy = "see the provider's status"
    http_status = 503

    def __str__(self) -> str:
        return f"nothing can be settled: {self.cause}"


@dataclass(slots=True)
class SettleReport:
    """What one settling did."""

    transactions: int = 0
    entries: int = 0
    requests: int = 0
    claimed_wei: int = 0
    unfinished: int = 0
    """Batches whose end is still unknown."""
    is_elsewhere: bool = False
    """Another broker settles."""


@dataclass(slots=True)
class _Sums:
    """Since the start, for the status."""

    report: SettleReport = field(default_factory=SettleReport)
    settlings: int = 0
    last_ms: int | None = None


class Settler:
    """Settles what a book holds, for one provider. Several brokers on one book take turns."""

    def __init__(self, book: Book, chain: ProviderChain, signer: Account, clock: Clock, options: SettlerOptions | None = None) -> None:
        """`signer` is the enclave's key, whose address the service on chain names."""
        self.settlements: Final = Settlements(book, provider=chain.provider, chain_id=chain.chain_id)
        self._chain: Final = chain
        self._signer: Final = signer
        self._clock: Final = clock
        self._options: Final = options or SettlerOptions()
        self._domain: Final = domain_separator(chain.chain_id, chain.contract)
        self._carrier: Final = Carrier(chain, self.settlements, clock)
        self._lock: Final = anyio.Lock()
        self._changed: Final[set[Address]] = set()
        self._wanted = anyio.Event()
        self.ended = anyio.Event()
        """Set, and replaced, when the end of further settlements may be known."""
        self._sums: Final = _Sums()
        self.trouble: str | None = None
        """Why the last settling did not succeed."""
        chain.watch(self._note_change)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Settle by the clock until cancelled, and everything once more then."""
        task_status.started()
        forced_s = self._clock.monotonic_s()
        try:
            while True:
                is_due = self._clock.monotonic_s() - forced_s >= self._options.force_s
                if await self._try(everything=is_due) and is_due:
                    forced_s = self._clock.monotonic_s()
                wait_s = min(self._options.check_s, self._options.force_s)
                with anyio.move_on_after(wait_s):
                    await anyio.sleep(min(PAUSE_S, wait_s))
                    await self._wanted.wait()
        finally:
            with anyio.move_on_after(SHUTDOWN_S_MAX, shield=True):
                await self._try(everything=True)

    async def settle(self, *, everything: bool = True) -> SettleReport:
        """Finish what is unfinished, settle what is due, and wait for the blocks. Without `everything` only of users at risk.

        Raises `NotSettledError`, errors of the chain's client and of the book; then the next one goes on from there.
        """
        async with self._lock:
            report = SettleReport()
            if not await self.settlements.take_lease(self._carrier.now_ms()):
                report.is_elsewhere = True
                return report
            try:
                await self._settle(report, everything=everything)
            finally:
                self._sums.settlings += 1
                self._sums.last_ms = self._carrier.now_ms()
            await self.settlements.leave_lease()
            return report

    def status(self) -> dict[str, object]:
        """For the control socket and the status page."""
        report = self._sums.report
        return {
            "settlings": self._sums.settlings,
            "settled_at_ms": self._sums.last_ms,
            "transactions": report.transactions,
            "entries": report.entries,
            "requests": report.requests,
            "claimed_wei": str(report.claimed_wei),
            "trouble": self.trouble,
        }

    def _note_change(self, user: Address) -> None:
        self._changed.add(user)
        self._wanted.set()

    async def _try(self, *, everything: bool) -> bool:
        """Settle; whether it succeeded. What went wrong is in the log and in the status, and tried again."""
        try:
            await self.settle(everything=everything)
        except FAILURES as error:
            self.trouble = str(error) or type(error).__name__
            log.warning("not_settled", cause=self.trouble)
            return False
        self.trouble = None
        return True

    async def _settle(self, report: SettleReport, *, everything: bool) -> None:
        self._wanted = anyio.Event()
        changed = set(self._changed)
        await self._reopen_lost()
        await self.settlements.hold(changed, 0, "")
        self._changed.difference_update(changed)
        report.unfinished = await self._see_through()
        for _ in range(ROUNDS_MAX):
            due = await self.settlements.due(self._carrier.now_ms(), users_max=USERS_MAX)
            planned = await self._plan(due, everything=everything) if due else []
            if not planned:
                return
            for at in range(0, len(planned), ENTRIES_MAX):
                await self._send(planned[at : at + ENTRIES_MAX], report)
            report.unfinished = await self._see_through()
            if report.unfinished:
                return

    async def _plan(self, due: Sequence[DueUser], *, everything: bool) -> list[PlannedEntry]:
        """Sign what the money of each user covers. Users whose money covers nothing are left alone for a while."""
        service = await self._acknowledged_service()
        accounts = await self._chain.accounts([user.user for user in due])
        await self._leave_alone([user.user for user in due if user.user not in accounts], SettlementStatus.INVALID_SIGNATURE)
        chosen = [user for user in due if user.user in accounts and (everything or _is_at_risk(user, accounts[user.user], service))]
        rows = await self.settlements.rows([user.user for user in chosen])
        planned = await to_thread.run_sync(self._sign_all, chosen, accounts, rows)
        covered = {entry.settlement.user for entry in planned}
        poor = [user.user for user in chosen if user.user not in covered]
        await self.settlements.hold(poor, self._carrier.now_ms() + MONEY_HOLD_MS, "no money")
        return await self._without_refused(planned)

    async def _acknowledged_service(self) -> InferenceService:
        """The service, if settlements in its name would be paid. Raises `NotSettledError`."""
        service = await self._chain.service(max_age_s=0)
        if service is None:
            raise NotSettledError("the service does not stand on chain yet")
        if service.params.signer != self._signer.address:
            raise NotSettledError(f"the service on chain names the signer {service.params.signer}, and this one is {self._signer.address}")
        if not service.is_signer_acknowledged:
            raise NotSettledError("the contract's owner has not acknowledged the signer yet")
        return service

    def _sign_all(
        self, due: Sequence[DueUser], accounts: dict[Address, InferenceAccount], rows: dict[Address, list[SettlementRow]]
    ) -> list[PlannedEntry]:
        planned = (self._sign(user, accounts[user.user], rows[user.user]) for user in due)
        return [entry for entry in planned if entry is not None]

    def _sign(self, due: DueUser, account: InferenceAccount, rows: Sequence[SettlementRow]) -> PlannedEntry | None:
        """The most that a user's money covers, in order; `None` if that is nothing."""
        amounts = [row.amount_wei for row in rows]
        count = largest_prefix(amounts, account.balance_wei)
        total_wei = sum(amounts[:count])
        if total_wei == 0:
            return None
        settlement = Settlement(
            user=due.user,
            provider=self._chain.provider,
            total_fee_wei=total_wei,
            requests_hash=ReceiptTree([row.leaf for row in rows[:count]], amounts[:count]).root,
            nonce=next_nonce(self._clock.unix_s(), last=max(due.last_nonce, account.nonce)),
        )
        return PlannedEntry(sign_settlement(settlement, self._domain, self._signer.private_key), tuple(rows[:count]))

    async def _without_refused(self, planned: Sequence[PlannedEntry]) -> list[PlannedEntry]:
        """Ask the contract what it would say. Entries that it would not pay in full stay out, and wait."""
        refused: dict[Address, SettlementStatus] = {}
        for at in range(0, len(planned), ENTRIES_MAX):
            some = [entry.settlement for entry in planned[at : at + ENTRIES_MAX]]
            preview = SettlementPreview.decode(await self._chain.call(SettlementData.preview_call(some)))
            refused |= {**dict(preview.failed), **dict.fromkeys((user for user, _ in preview.partial), SettlementStatus.PARTIAL)}
        for status in set(refused.values()):
            users = [user for user, reason in refused.items() if reason is status]
            log.warning("settlement_refused", reason=status.name.lower(), users=[str(user) for user in users])
            await self._leave_alone(users, status)
        return [entry for entry in planned if entry.settlement.user not in refused]

    async def _leave_alone(self, users: Iterable[Address], status: SettlementStatus) -> None:
        await self.settlements.hold(users, self._carrier.now_ms() + HOLDS_MS.get(status, 0), status.name.lower())

    async def _send(self, planned: Sequence[PlannedEntry], report: SettleReport) -> None:
        """Keep a batch, then send it. If its rows have changed meanwhile, the next round reads them anew."""
        async with self._chain.turn:
            number = await self._carrier.next_number(await self.settlements.pending())
            settlements = [entry.settlement for entry in planned]
            transaction = await self._carrier.sign(settlements, number, await self._carrier.fees())
            try:
                await self.settlements.write_ahead(planned, transaction, now_ms=self._carrier.now_ms())
            except PlanOutdatedError as error:
                log.info("settlement_planned_anew", cause=str(error))
                return
            await self._carrier.send(transaction)
        for sums in (report, self._sums.report):
            sums.transactions += 1
            sums.entries += len(planned)
            sums.requests += sum(len(entry.rows) for entry in planned)
            sums.claimed_wei += sum(entry.settlement.total_fee_wei for entry in planned)

    async def _see_through(self) -> int:
        """Wait until the end of all batches is known, or for so long; returns how many are left."""
        until_s = self._clock.monotonic_s() + MINED_S_MAX
        while (pending := await self.settlements.pending()) and self._clock.monotonic_s() < until_s:
            if not await self._carrier.look_after(pending):
                break
            with anyio.move_on_after(POLL_S):
                await self._chain.wait_for_news()
            await self.settlements.take_lease(self._carrier.now_ms())
        self.ended.set()
        self.ended = anyio.Event()
        return len(await self._unfinished(pending))

    async def _unfinished(self, pending: Sequence[PendingBatch]) -> Sequence[PendingBatch]:
        return await self.settlements.pending() if pending else ()

    async def _reopen_lost(self) -> None:
        """What took effect in blocks that the chain has taken back is unfinished again."""
        head = await self._chain.client.block()
        if head is None:
            raise ChainUnavailableError("it has no newest block")
        for batch in await self.settlements.finished_from(max(0, int(head.number) - FINAL_BLOCKS)):
            block = await self._chain.client.block(batch.block_number)
            if block is not None and block.hash == batch.block_hash:
                return  # So are those of all blocks before it.
            log.warning("settlement_taken_back", batch=batch.batch_id, block=batch.block_number)
            await self.settlements.reopen(batch.batch_id, now_ms=self._carrier.now_ms())


def _is_at_risk(due: DueUser, account: InferenceAccount, service: InferenceService) -> bool:
    """Whether the money for what a user owes may be gone soon, or is much."""
    params = service.params
    much_wei = (params.input_price_wei + params.output_price_wei) * TOKENS_AT_RISK
    locked_wei = account.balance_wei - account.pending_refund_wei
    return account.pending_refund_wei > 0 or (much_wei > 0 and due.unsettled_wei >= much_wei) or 2 * due.unsettled_wei >= locked_wei
