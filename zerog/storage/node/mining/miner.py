"""The miner of a node: seals what is there, searches while its window is open, sends what it finds, and counts what that earned."""

import os
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog._kernel import MiningSearch, MiningWork, SealedLoads
from zerog.chain.client import AnswerError, NodeUnreachableError, ReceiptTimeoutError, RpcError
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.contracts.mine import PoraAnswer, WorkerContext
from zerog.primitives import DecodeError, Hash32
from zerog.runtime.gate import Gate
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.flow_reads import FlowReads
from zerog.storage.node.mining.contract import MiningContract
from zerog.storage.node.mining.counters import MiningCounters
from zerog.storage.node.mining.errors import UNKNOWN_MINER, MiningError, UnprovableError, reason_of
from zerog.storage.node.mining.identity import MinerIdentity
from zerog.storage.node.mining.proving import Found, Prover
from zerog.storage.node.mining.ranges import SealingRanges
from zerog.storage.node.mining.sealing import Sealing
from zerog.storage.node.mining.settings import MinerSettings
from zerog.storage.node.sync import FlowFollower
from zerog.storage.protocol.pora import EMPTY_DIGEST, NothingToMineError, RecallRange, quality_max
from zerog.storage.wire.mining import MinerStatus

__all__ = ["MinedNode", "Miner"]

TICK_S: Final = 0.05
"""Between two looks for what the search found."""
SEALING_S: Final = 0.05
"""How long the miner seals between two such looks."""
ROUND_S: Final = 60.0
"""After so long all loads are looked at though nothing is known to have changed: segments can be damaged or pruned."""
ROUND_TIMES: Final = 20
"""And after so many times what a round took, so that rounds over much data are rare."""
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 10.0
"""Between two tries after a failure; each doubles the wait."""
SENT_MAX: Final = 4_096
"""Answers that are remembered, so that none is sent twice."""
SEALED_FILE: Final = "sealed"
LOW_BALANCE_ANSWERS: Final = 10
"""Below what so many answers cost, the account is said to run low."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedNode:
    """What a miner needs of its node."""

    files: Files
    """Tell the shard, which may change."""
    reads: FlowReads
    follower: FlowFollower
    counters: Counters


@dataclass(slots=True)
class _Round:
    """A look at all loads."""

    stamp: object = None
    """What was known when it began; when that changes, there is something to seal or to forget."""
    began_s: float = float("-inf")
    took_s: float = 0.0
    is_under_way: bool = False


class _Rig:
    """All that is of one miner id: made anew when the id is another."""

    def __init__(self, miner: "Miner", miner_id: Hash32, loads: SealedLoads) -> None:
        settings, reads = miner.settings, miner.node.reads
        self.miner_id: Final = miner_id
        self.search: Final = MiningSearch(loads, threads=settings.threads, share=settings.share)
        self.sealing: Final = Sealing(reads, loads, miner.ranges, settings, miner_id=miner_id, counters=miner.counters)
        self.prover: Final = Prover(reads, loads, miner_id)
        self.round = _Round()


class Miner:
    """Off until it runs; then it can be stopped and started again."""

    def __init__(self, settings: MinerSettings, contract: MiningContract, node: MinedNode, gate: Gate) -> None:
        self.settings: Final = settings
        self.contract: Final = contract
        self.node: Final = node
        self.ranges: Final = SealingRanges(contract)
        self.counters: Final = MiningCounters()
        self.identity: Final = MinerIdentity(contract, settings.account.address, settings.folder)
        self.is_on = True
        self.start_sector = 0
        self.state = "starting"
        """What it does, in a word or two."""
        self.trouble: str | None = None
        self.worker: WorkerContext | None = None
        self.rig: _Rig | None = None
        self._gate: Final = gate
        self._changed = anyio.Event()
        self._recall: RecallRange | None = None
        self._work: tuple[object, ...] | None = None
        self._seen: object = None
        self._looked_s = self._turned_s = 0.0
        self._reorganizations = 0
        self._sent: Final[deque[tuple[Hash32, int]]] = deque(maxlen=SENT_MAX)
        self._pending: tuple[Hash32, PoraAnswer] | None = None
        """An answer that waits for a block."""
        self._is_warned = False
        self._searched_s = self._rest_until_s = 0.0
        self._sending: Final = anyio.Lock()

    # What the methods of the node call.

    def start(self) -> None:
        """Mine, from now on."""
        self.is_on = True
        self._wake()

    def stop(self) -> None:
        """Search for nothing more. What is sealed stays."""
        self.is_on = False
        self._wake()

    def set_start(self, sector: int) -> None:
        """Begin the range at a sector; it counts on flows that are longer than a range may be."""
        self.start_sector = int(sector)
        self._work = None

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def withdraw(self) -> ReceiptAnswer:
        """Have what was earned paid out, between two answers: each transaction needs its own nonce."""
        async with self._sending:
            return await self.contract.withdraw()

    @property
    def seals_s(self) -> float:
        """Seals that were weighed in a second of search."""
        return self.tally()[2] / self._searched_s if self._searched_s else 0.0

    def tally(self) -> tuple[int, int, int, int]:
        """Nonces tried, loads and seals weighed, hits."""
        return (0, 0, 0, 0) if self.rig is None else self.rig.search.tally()

    def status(self) -> MinerStatus:
        """What the miner knows of itself."""
        nonces, loads, seals, hits = self.tally()
        rig, counters = self.rig, self.counters
        return MinerStatus(
            on=self.is_on,
            state=self.state,
            trouble=self.trouble,
            account=self.settings.account.address,
            mine=self.settings.mine,
            miner_id=self.identity.known if rig is None else rig.miner_id,
            start_position=self.start_sector,
            epoch=None if self.worker is None else self.worker.context.epoch,
            loads_held=0 if rig is None else rig.sealing.load_count,
            seals_held=0 if rig is None else rig.sealing.seal_count,
            is_full=rig is not None and rig.sealing.is_full,
            nonces=nonces,
            loads=loads,
            seals=seals,
            hits=hits,
            seals_per_second=self.seals_s,
            answers_sent=counters.answers_sent,
            answers_accepted=counters.answers_accepted,
            answers_refused=dict(counters.answers_refused),
            earned_wei=str(counters.earned_wei),
        )

    # The work.

    async def run(self) -> None:
        """Mine until cancelled, through all failures of chain and disk."""
        pause_s = RETRY_S_MIN
        while True:
            if not self.is_on:
                self.state = "stopped"
                await self._changed.wait()
                continue
            try:
                await self._mine()
                pause_s = RETRY_S_MIN
            except (NodeUnreachableError, AnswerError, RpcError, DecodeError, MiningError, ReceiptTimeoutError, OSError) as error:
                self.counters.failures += 1
                self.trouble, self.state = str(error), "in trouble"
                log.warning("mining_interrupted", cause=self.trouble, again_in_s=pause_s)
                with anyio.move_on_after(pause_s):
                    await self._changed.wait()
                pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _mine(self) -> None:
        """With one miner id, until it is another or mining is switched off."""
        await self._await_a_block()
        async with self._gate.passing():
            miner_id = await self.identity.get()
        path = self.settings.folder / SEALED_FILE
        loads = await to_thread.run_sync(partial(SealedLoads, path, miner_id, self.settings.loads_max))
        rig = self.rig = await to_thread.run_sync(_Rig, self, miner_id, loads)
        try:
            while self.is_on and await self._is_still(miner_id):
                async with self._gate.passing():
                    await self._turn(rig)
                self.trouble = None
                with anyio.move_on_after(TICK_S):
                    await self._changed.wait()
        finally:
            self.rig, self._work, self.worker, self._searched_s = None, None, None, 0.0
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(rig.search.stop)

    async def _await_a_block(self) -> None:
        """An id is made of the hash of the block before, and block 0 has none; a chain on demand may stay there for long."""
        self.state = "waiting for the first block"
        while self.is_on and ((read := self.node.follower.read) is None or read.number < 1):
            with anyio.move_on_after(TICK_S):
                await self._changed.wait()

    async def _is_still(self, miner_id: Hash32) -> bool:
        """Whether the id is still ours; asked when the chain went back."""
        went_back = self.node.counters.reorganizations
        if went_back == self._reorganizations:
            return True
        self._reorganizations = went_back
        self.identity.doubt()
        self.ranges.forget()
        self._work = self._seen = None
        if self.rig is not None:
            self.rig.search.set_work(None, _nonce())
            self.rig.sealing.doubt()
        async with self._gate.passing():
            return await self.identity.get() == miner_id

    async def _turn(self, rig: _Rig) -> None:
        """Look at the chain if it moved, seal for a moment, search for what is wanted, and send what was found."""
        now_s, read = anyio.current_time(), self.node.follower.read
        if self._work is not None:
            self._searched_s += now_s - self._turned_s
        self._turned_s = now_s
        if read != self._seen or now_s - self._looked_s >= self.settings.interval_s:
            self._seen, self._looked_s = read, now_s
            self.worker = await self.contract.worker(rig.miner_id)
            await self._settle_pending()
        worker = self.worker
        if worker is None:
            return
        if worker.context.digest == EMPTY_DIGEST:  # Nothing can be sealed either with a block that the chain forgot.
            self._search(rig, worker)
            return
        sectors = min(worker.context.flow_length, self.node.follower.tree.sectors)
        await self.ranges.reach(sectors)
        await self._seal(rig, min(sectors, self.ranges.end), now_s)
        self._search(rig, worker)
        while self._may_answer(now_s) and (hit := rig.search.take()) is not None:
            await self._answer(rig, worker, Found(Hash32(hit[0]), *hit[1:]))

    async def _seal(self, rig: _Rig, sectors: int, now_s: float) -> None:
        """Begin a round over all loads when something changed, at most one in an interval; and go on with the one under way."""
        counters, round_ = self.node.counters, rig.round
        stored = (counters.segments_stored, counters.segments_fetched, counters.segments_shed, counters.reorganizations)
        stamp = (sectors, self.node.files.shard, *stored)
        age_s = now_s - round_.began_s
        if not round_.is_under_way:
            is_due = age_s >= max(ROUND_S, ROUND_TIMES * round_.took_s)
            if not is_due and (stamp == round_.stamp or age_s < min(self.settings.interval_s, ROUND_TIMES * round_.took_s)):
                return
            await to_thread.run_sync(rig.sealing.begin, self.node.files.shard, sectors)
            rig.round = round_ = _Round(stamp=stamp, began_s=now_s, took_s=round_.took_s, is_under_way=True)
        round_.is_under_way = await to_thread.run_sync(partial(rig.sealing.work, budget_s=SEALING_S))
        round_.took_s = anyio.current_time() - round_.began_s

    def _may_answer(self, now_s: float) -> bool:
        """Not while an answer waits for a block, after one was refused a moment ago, or when the chain has to be looked at first."""
        return self._seen is not None and self._work is not None and self._pending is None and now_s >= self._rest_until_s

    def _search(self, rig: _Rig, worker: WorkerContext) -> None:
        """Give the search its work, if that changed."""
        shard = self.node.files.shard
        try:
            recall = RecallRange.of(shard, worker.context.flow_length, self.start_sector, chunk_sectors=self.settings.pricing_chunk_sectors)
        except NothingToMineError:
            recall = None
        self.state = self._state(rig, worker, recall)
        wanted = None
        if recall is not None and self.state == "searching":
            wanted = (worker.context.digest, worker.subtask_digest, worker.pora_target, recall)
        if wanted == self._work:
            return
        self._work, self._recall = wanted, recall
        work = None
        if wanted is not None and recall is not None:
            work = MiningWork(
                miner_id=rig.miner_id,
                subtask_digest=worker.subtask_digest,
                start_sector=recall.start_sector,
                sectors=recall.sectors,
                shard_id=recall.shard_id,
                shard_mask=recall.shard_mask,
                quality_max=quality_max(worker.pora_target, worker.context.flow_length, recall.shards),
            )
        rig.search.set_work(work, _nonce())

    def _state(self, rig: _Rig, worker: WorkerContext, recall: RecallRange | None) -> str:
        if recall is None:
            return "nothing to mine yet"
        if recall.shards > worker.max_shards:
            return "too many shards"
        if worker.context.digest == EMPTY_DIGEST:
            return "waiting for an epoch"
        if self.node.follower.tree.sectors < worker.context.flow_length:
            return "following the chain"
        if not rig.sealing.load_count:
            return "nothing sealed yet"
        if self._pending is not None:
            return "waiting for a block"
        if not worker.pora_target:
            return "waiting for a window"
        return "searching"

    async def _answer(self, rig: _Rig, worker: WorkerContext, found: Found) -> None:
        """Prove and send what was found, unless it was sent before or can no longer be accepted."""
        if self._recall is None or (found.nonce, found.sector) in self._sent:
            return
        try:
            answer = await rig.prover.prove(found, worker, self._recall)
        except UnprovableError as error:
            self._refused("unprovable", str(error))
            await to_thread.run_sync(rig.sealing.drop, found.load)
            return
        self._sent.append((found.nonce, found.sector))
        try:
            async with self._sending:
                receipt = await self.contract.submit(answer)
        except RpcError as error:
            self._refused(reason := reason_of(error.message), error.message)
            if reason == UNKNOWN_MINER:
                self.identity.doubt()
                self._reorganizations = -1
            self._seen = None
            self._rest_until_s = anyio.current_time() + self.settings.interval_s
            if reason == "balance":
                self._warn_of_balance(balance_wei=await self.contract.balance_wei())
            return
        except ReceiptTimeoutError as error:
            self.counters.answers_sent += 1
            self._pending = (error.transaction_hash, answer)
            return
        self.counters.answers_sent += 1
        await self._settle(answer, receipt)

    async def _settle(self, answer: PoraAnswer, receipt: ReceiptAnswer) -> None:
        """Count what became of an answer, and look at the chain again: the epoch may have enough."""
        if receipt.succeeded:
            earned_wei = self.contract.credited_wei(receipt, await self.contract.reward())
            self.counters.answers_accepted += 1
            self.counters.earned_wei += earned_wei
            log.info("answer_accepted", sector=answer.recall_position, earned_wei=earned_wei, transaction=str(receipt.transaction_hash))
            await self._check_balance(receipt)
        else:
            message = await self.contract.why(answer, receipt.block_number)
            self._refused(reason_of(message), message)
        self._seen = None
        self.worker = None

    async def _settle_pending(self) -> None:
        """See what became of an answer that found no block: none is sent beside it, for it would have to wait as well."""
        if self._pending is None:
            return
        transaction, answer = self._pending
        receipt = await self.contract.receipt(transaction)
        if receipt is not None:
            self._pending = None
            await self._settle(answer, receipt)
        elif not await self.contract.is_known(transaction):
            self._pending = None
            self._refused("dropped", f"the chain forgot transaction {transaction}")

    async def _check_balance(self, receipt: ReceiptAnswer) -> None:
        """Say once that the account runs low."""
        cost_wei = receipt.gas_used * receipt.effective_gas_price
        balance_wei = await self.contract.balance_wei()
        if balance_wei < LOW_BALANCE_ANSWERS * cost_wei:
            self._warn_of_balance(balance_wei=balance_wei, answer_costs_wei=cost_wei)
        else:
            self._is_warned = False

    def _warn_of_balance(self, **facts: int) -> None:
        if not self._is_warned:
            log.warning("miner_balance_low", account=str(self.settings.account.address), **facts)
        self._is_warned = True

    def _refused(self, reason: str, message: str) -> None:
        self.counters.answers_refused[reason] += 1
        log.info("answer_refused", reason=reason, cause=message)


def _nonce() -> Hash32:
    """Where a search begins: at random, so that no two miners of one id try the same. Its last 16 bytes are counters."""
    return Hash32(os.urandom(16) + bytes(16))
