"""The producer of a chain with one node: a block when a transaction arrives, every few seconds, or when somebody asks.

Everything that changes the chain goes through one lock that keeps the order of arrival. Whoever holds it takes along all transactions
that wait, so that many senders share one block and one write to the disk; nothing is woken up later, so nothing can stay behind.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus

from zerog._kernel import BlockEnv, BlockSummary, Executed, Ledger, LedgerFailedError, Pool, Rejection, ZerogError, keccak256
from zerog.chain.node.feed import Feed
from zerog.chain.node.soon import Soon
from zerog.chain.protocol.block_clock import BlockClock
from zerog.chain.protocol.errors import NoProducerError
from zerog.chain.protocol.fees import next_base_fee
from zerog.chain.protocol.genesis import EXTRA_DATA
from zerog.primitives import ZERO_ADDRESS, Address, Hash32, Wei
from zerog.runtime.clock import Clock

__all__ = ["NextBlock", "Outcome", "SoloProducer"]

T = TypeVar("T")

Outcome: TypeAlias = Sequence[bytes | Rejection]
"""What became of each transaction: its hash, or why the pool refused it."""

INLINE_S_MAX: Final = 0.0015
"""Submissions that are expected to take longer go to a thread, so that other clients are not held up."""
PACE_WEIGHT: Final = 0.1
"""How much the latest submission counts in what is expected of the next, so that one slow write changes nothing."""
INLINE_BYTES_MAX: Final = 512
"""Transactions of more bytes together are not expected to be quick."""
INLINE_GAS_MAX: Final = 500_000
"""Nor are blocks that may use more gas."""
BLOCKS_A_SLICE: Final = 4096
"""When many blocks are asked for, write and publish so many at a time."""


@dataclass(slots=True)
class Submission:
    """Transactions of one caller on their way into the pool."""

    transactions: Sequence[bytes]
    impersonated: bool
    outcome: Outcome | ZerogError | None = None


@dataclass(slots=True)
class NextBlock:
    """What somebody set for the next block alone."""

    base_fee_wei: int | None = None
    prev_randao: Hash32 | None = None


@dataclass(slots=True, kw_only=True)
class SoloProducer:
    """Makes the blocks of a chain that has no other node."""

    ledger: Ledger
    pool: Pool
    feed: Feed
    clock: Clock
    automine: bool
    interval_s: float | None
    gas_limit: int
    """Of the blocks to come."""
    coinbase: Address = ZERO_ADDRESS
    """Who gets the tips."""
    is_closed: bool = False
    """Whether the chain is one that others made, to which nothing is added here."""
    block_clock: BlockClock = field(default_factory=BlockClock)
    next_block: NextBlock = field(default_factory=NextBlock)
    _lock: anyio.Lock = field(default_factory=lambda: anyio.Lock(fast_acquire=True))
    _waiting: list[Submission] = field(default_factory=list)
    _interval_changed: anyio.Event = field(default_factory=anyio.Event)
    _thread: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))
    """A thread of its own, so that long calls of clients never keep a block waiting."""
    _failed: anyio.Event = field(default_factory=anyio.Event)
    _version: int = 0
    """Grows with whatever may change the block that would be made now."""
    _pending: tuple[tuple[int, int], Executed] | None = None
    _pace_s: float = 0.0
    """Seconds that a small submission takes. On a slow disk that is long, and all go to a thread."""

    # ---- what the RPC asks for -----------------------------------------------------------------------------------

    def submit(self, transactions: Sequence[bytes], *, impersonated: bool = False) -> Soon[Outcome]:
        """Offer transactions to the pool, in order. Answers each with its hash or why it was refused; with `automine`, once they are mined.

        Raises `LedgerFailedError` when a block could not be written, `NoProducerError` when none is made here.
        """
        if self.is_closed:
            raise NoProducerError
        submission = Submission(transactions, impersonated)
        if self._lock.locked() or self._failed.is_set() or self._pace_s > INLINE_S_MAX or sum(map(len, transactions)) > INLINE_BYTES_MAX:
            return self._submit_with_others(submission)
        begin_s = self.clock.monotonic_s()
        outcome = self._add(submission)
        self._tell_arrivals(outcome)
        if not self.automine:
            return outcome
        if self.pool.pending_gas > INLINE_GAS_MAX:
            return self._mine_for(outcome)
        with self._noting_failure():
            self._publish(self._drain())
        self._keep_pace(begin_s, 1)
        return outcome

    async def mine(self, count: int = 1, *, timestamp: int | None = None, interval_s: int | None = None) -> None:
        """Make `count` blocks now, also empty ones: the first at `timestamp`, each further one `interval_s` later.

        Raises `TimestampTooLowError` when `timestamp` is before the newest block.
        """
        async with self.exclusive():
            if timestamp is not None:
                self.block_clock.set_next(timestamp, self.ledger.head().timestamp)
            for begin in range(0, count, BLOCKS_A_SLICE):
                numbers = range(begin, min(begin + BLOCKS_A_SLICE, count))
                self._publish(await self._on_thread(partial(self._make_blocks, numbers, interval_s)))

    async def mine_pending(self) -> None:
        """Make blocks until the pool holds nothing that fits into one."""
        async with self.exclusive():
            self._publish(await self._on_thread(self._drain))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Nothing else changes the chain while this is held. Not for code that submits or mines."""
        async with self._lock:
            try:
                yield
            finally:
                self._version += 1

    async def hold(self, until: anyio.Event, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Let nobody change the chain until the event; reports once that is so."""
        async with self.exclusive():
            task_status.started()
            await until.wait()

    @asynccontextmanager
    async def edit(self) -> AsyncIterator[None]:
        """As `exclusive`, for changes of state that no transaction makes. What they make possible in the pool is mined, with `automine`."""
        async with self.exclusive():
            yield
            self.pool.refresh(self.ledger)
            if self.automine and self.pool.counts()[0]:
                self._publish(await self._on_thread(self._drain))

    def set_interval(self, interval_s: float | None) -> None:
        """Make a block every so many seconds from now on; `None` stops that."""
        self.interval_s = interval_s
        self._interval_changed.set()

    async def run_interval(self) -> None:
        """Make blocks by the interval until cancelled."""
        while True:
            self._interval_changed = anyio.Event()
            if self.interval_s is None:
                await self._interval_changed.wait()
                continue
            with anyio.move_on_after(self.interval_s):
                await self._interval_changed.wait()
                continue
            await self.mine()

    async def run_until_failure(self) -> None:
        """Wait until a write to disk fails, and raise that: the ledger takes nothing more until it is opened again."""
        await self._failed.wait()
        raise LedgerFailedError("a block could not be written")

    def pending(self) -> Soon[Executed]:
        """The block that would be made now."""
        moment = (self._version, self.next_timestamp())
        if self._pending is not None and self._pending[0] == moment:
            return self._pending[1]
        if self.pool.pending_gas > INLINE_GAS_MAX:
            return self._build_pending(moment)
        self._pending = (moment, self._build(self.ledger.head()))
        return self._pending[1]

    async def _build_pending(self, moment: tuple[int, int]) -> Executed:
        executed = await to_thread.run_sync(self._build, self.ledger.head())
        self._pending = (moment, executed)
        return executed

    def next_base_fee(self) -> Wei:
        """Base fee in wei of the block that would be made now."""
        return self._base_fee(self.ledger.head())

    def next_timestamp(self) -> int:
        """Timestamp of the block that would be made now."""
        return self.block_clock.peek(self._now(), self.ledger.head().timestamp)

    def start_over(self) -> None:
        """Forget what was set for blocks to come. Only while `exclusive` is held."""
        head = self.ledger.head()
        self.block_clock, self.next_block = BlockClock(step_s=self.block_clock.step_s), NextBlock()
        self.gas_limit, self.coinbase = head.gas_limit, ZERO_ADDRESS

    # ---- what only the holder of the lock does -------------------------------------------------------------------

    async def _mine_for(self, outcome: Outcome) -> Outcome:
        with anyio.CancelScope(shield=True):  # The transactions are in the pool already, also when the client hangs up.
            await self.mine_pending()
        return outcome

    async def _submit_with_others(self, submission: Submission) -> Outcome:
        """Wait for the lock; who gets it takes along whatever waits by then."""
        self._waiting.append(submission)
        with anyio.CancelScope(shield=True):  # A client that hangs up does not take the others' transactions along.
            async with self._lock:
                if submission.outcome is None:
                    await self._admit()
        if isinstance(submission.outcome, ZerogError):
            raise submission.outcome
        if submission.outcome is None:
            raise RuntimeError("a submission was left without an outcome")
        return submission.outcome

    async def _admit(self) -> None:
        """Take all submissions that wait into the pool, and mine what they bring."""
        submissions, self._waiting = self._waiting, []
        try:
            outcomes, made = await self._on_thread(partial(self._add_and_mine, submissions))
        except ZerogError as error:
            for submission in submissions:
                submission.outcome = error
            return
        for submission, outcome in zip(submissions, outcomes, strict=True):
            self._tell_arrivals(outcome)
            submission.outcome = outcome
        self._publish(made)

    def _add_and_mine(self, submissions: Sequence[Submission]) -> tuple[list[Outcome], list[BlockSummary]]:
        """Runs on a thread; the pace is taken here, because the way to the thread and back says nothing about the work."""
        begin_s = self.clock.monotonic_s()
        outcomes = [self._add(submission) for submission in submissions]
        made = self._drain() if self.automine else []
        self._keep_pace(begin_s, sum(len(submission.transactions) for submission in submissions))
        return outcomes, made

    async def _on_thread(self, work: Callable[[], T]) -> T:
        with self._noting_failure():
            return await to_thread.run_sync(work, limiter=self._thread)

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except LedgerFailedError:
            self._failed.set()
            raise

    def _add(self, submission: Submission) -> Outcome:
        self._version += 1
        return self.pool.add(self.ledger, submission.transactions, submission.impersonated)

    def _keep_pace(self, begin_s: float, transaction_count: int) -> None:
        took_s = (self.clock.monotonic_s() - begin_s) / max(transaction_count, 1)
        self._pace_s += PACE_WEIGHT * (took_s - self._pace_s)

    def _tell_arrivals(self, outcome: Outcome) -> None:
        self.feed.arrived([answer for answer in outcome if isinstance(answer, bytes)])

    def _drain(self) -> list[BlockSummary]:
        """Make blocks until the pool holds nothing that fits into one."""
        made: list[BlockSummary] = []
        while self.pool.counts()[0]:
            executed = self._build(self.ledger.head())
            if not executed.included:
                break  # What is left pays too little for now; the next block is built from the pool again.
            made.append(self._commit(executed))
        return made

    def _make_blocks(self, numbers: range, interval_s: int | None) -> list[BlockSummary]:
        """One block for each of `numbers`, which count from the first block that was asked for."""
        made: list[BlockSummary] = []
        for number in numbers:
            head = self.ledger.head()
            if number and interval_s is not None:
                self.block_clock.set_next(head.timestamp + max(interval_s, self.block_clock.step_s), head.timestamp)
            if number and not self.pool.counts()[0]:
                return made + self._make_empty(len(numbers) - len(made), head, interval_s)
            made.append(self._commit(self._build(head), in_batch=True))
        self.ledger.sync()
        return made

    def _make_empty(self, count: int, head: BlockSummary, interval_s: int | None) -> list[BlockSummary]:
        """Blocks without transactions, all at once. What was set for the next block alone is used up before."""
        made = self.ledger.make_empty(
            count,
            timestamp=self.block_clock.peek(self._now(), head.timestamp),
            interval=max((self.block_clock.interval_s or 0) if interval_s is None else interval_s, self.block_clock.step_s),
            gas_limit=self.gas_limit,
            beneficiary=self.coinbase,
            extra_data=EXTRA_DATA,
        )
        self._version += count
        self.block_clock.made(made[-1].timestamp, self._now())
        return made

    def _build(self, head: BlockSummary) -> Executed:
        return self.ledger.build(self._environment(head), self.pool)

    def _commit(self, executed: Executed, *, in_batch: bool = False) -> BlockSummary:
        summary = self.ledger.commit(executed, self.pool, in_batch)
        self._version += 1
        self.block_clock.made(summary.timestamp, self._now())
        self.next_block = NextBlock()
        return summary

    def _environment(self, head: BlockSummary) -> BlockEnv:
        number = head.number + 1
        return BlockEnv(
            timestamp=self.block_clock.peek(self._now(), head.timestamp),
            gas_limit=self.gas_limit,
            base_fee_per_gas=self._base_fee(head),
            beneficiary=self.coinbase,
            prev_randao=self.next_block.prev_randao or keccak256(head.hash + number.to_bytes(8, "big")),
            extra_data=EXTRA_DATA,
        )

    def _base_fee(self, head: BlockSummary) -> Wei:
        if self.next_block.base_fee_wei is not None:
            return Wei(self.next_block.base_fee_wei)
        return next_base_fee(head.base_fee_per_gas, head.gas_used, head.gas_limit)

    def _now(self) -> int:
        return int(self.clock.unix_s())

    def _publish(self, made: Sequence[BlockSummary]) -> None:
        if made:
            self.feed.mined(made)
