"""Carries blobs along their ways: does what each one's machine says, tells it what came of that, and keeps every step in the books."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, create_task_group, to_thread

from zerog.da.client.chain import CHAIN_FAILURES
from zerog.da.disperser.errors import StepFailedError
from zerog.da.disperser.steps import Carried, Parts, Steps
from zerog.da.disperser.store import BlobRow
from zerog.da.protocol.dispersal import (
    Action,
    BlockPlace,
    Confirmed,
    Dispersal,
    Event,
    Finalized,
    Resumed,
    Step,
    StepFailed,
    TakenBack,
)
from zerog.da.protocol.errors import DaError
from zerog.runtime.gate import Gate
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["Carrier"]

log = structlog.get_logger(__name__)

PAUSE_S_MIN: Final = 0.1
PAUSE_S_MAX: Final = 3.0
"""Between two tries of a step; each doubles it."""
NEWS_S: Final = 1.0


class Carrier:
    """Works while `run` runs."""

    def __init__(self, parts: Parts, *, at_once: int, on_step: Callable[[Carried], Awaitable[None]] | None = None) -> None:
        """`on_step` is called after each event that is kept."""
        self._parts: Final = parts
        self._on_step: Final = on_step
        self._steps: Final = Steps(parts, self._receive)
        self._slots: Final = CapacityLimiter(at_once)
        self._waiting: Final[deque[Carried]] = deque()
        self._came = anyio.Event()
        self._watched: Final[dict[int, Carried]] = {}
        self.gate: Final = Gate()
        """Closed, no blob takes another step."""
        self.blobs: Final[dict[int, Carried]] = {}
        """All that have not ended, by their numbers."""
        self.finalized = 0
        self.failed = 0
        """Sums since the start, both."""

    @property
    def pending_bytes(self) -> int:
        """Of blobs that are not confirmed, and so not with the signers yet."""
        return sum(blob.size_bytes for blob in self.blobs.values() if blob.machine.next_action is not Action.WATCH)

    def take(self, row: BlobRow, *, resumed: bool = False) -> Carried:
        """Carry a blob from now on, from wherever it is."""
        machine = Dispersal(row.state, self._parts.limits)
        if resumed:
            machine.receive(Resumed(), self._parts.clock.unix_s())
        blob = Carried(row.seq, row.received_ns, row.size_bytes, machine)
        self.blobs[row.seq] = blob
        self._put(blob)
        return blob

    def _put(self, blob: Carried) -> None:
        if blob.machine.next_action is Action.WATCH:
            self._watched[blob.seq] = blob
        else:
            self._waiting.append(blob)
            self._came.set()

    async def run(self) -> None:
        """Carry until cancelled. What is under way then goes on in the next process."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._watch, name="disperser.watch")
            while True:
                while self._waiting:
                    blob = self._waiting[0]
                    await self._slots.acquire_on_behalf_of(blob)
                    self._waiting.popleft()
                    tasks.start_soon(self._carry, blob, name=f"disperser.blob.{blob.seq}")
                self._came = anyio.Event()
                await self._came.wait()

    async def _carry(self, blob: Carried) -> None:
        """Bring a blob to its confirmation, or to its end."""
        try:
            while blob.machine.next_action not in (Action.WATCH, Action.NOTHING):
                await self._step(blob)
        finally:
            self._slots.release_on_behalf_of(blob)
        if blob.machine.next_action is Action.WATCH:
            self._watched[blob.seq] = blob

    async def _step(self, blob: Carried) -> None:
        step = blob.machine.state.step
        try:
            event = await self._steps.work(blob)
        except StepFailedError as error:
            event = StepFailed(error.reason, is_hopeless=error.is_hopeless)
        except (DaError, GrpcCallError, *CHAIN_FAILURES) as error:
            event = StepFailed(str(error) or type(error).__name__)
        if not isinstance(event, StepFailed):
            blob.failures = 0
            await self._receive(blob, event)
            return
        blob.failures += 1
        await self._receive(blob, event)
        if not blob.machine.state.step.is_last:
            log.info("dispersal_step_failed", blob=blob.seq, step=str(step), reason=event.reason)
            pause_s = min(PAUSE_S_MIN * 2 ** min(blob.failures - 1, 10), PAUSE_S_MAX)
            await anyio.sleep(max(0.0, min(pause_s, blob.machine.seconds_left(self._parts.clock.unix_s()))))

    async def _receive(self, blob: Carried, event: Event) -> None:
        """Tell the machine, and keep where it is now."""
        async with self.gate.passing():
            before = blob.machine.state
            blob.machine.receive(event, self._parts.clock.unix_s())
            state = blob.machine.state
            heard_of, blob.heard_of = blob.heard_of, None
            if state != before or heard_of is not None:
                await self._parts.store.keep(blob.seq, state, heard_of=heard_of)
            if state.step is not before.step:
                await self._arrived(blob, before.step)
        if self._on_step is not None:
            await self._on_step(blob)

    async def _arrived(self, blob: Carried, before: Step) -> None:
        """Tidy up behind a blob."""
        state = blob.machine.state
        if state.step in (Step.SIGNED, Step.CONFIRMED, Step.FAILED):
            await to_thread.run_sync(self._parts.files.remove_slices, blob.received_ns)
        if state.step is Step.FAILED:
            self.failed += 1
            log.warning("dispersal_failed", blob=blob.seq, after=str(before), reason=state.reason)
            await to_thread.run_sync(self._parts.files.remove, blob.received_ns)
        if state.step is Step.FINALIZED:
            self.finalized += 1
            log.info("blob_finalized", blob=blob.seq, name=str(state.name))
        if state.step.is_last:
            self.blobs.pop(blob.seq, None)
            blob.ended.set()

    # Finality.

    async def _watch(self) -> None:
        """See confirmed blobs become final, or send them back where the chain goes back."""
        while True:
            if self._watched:
                try:
                    await self._look()
                except CHAIN_FAILURES as error:
                    log.debug("chain_not_asked", cause=str(error))
            await self._parts.news.wait_for_news(NEWS_S)

    async def _look(self) -> None:
        final = await self._parts.news.final_number()
        stand: dict[BlockPlace, bool] = {}
        for blob in list(self._watched.values()):
            place = blob.machine.state.confirmed
            if place is None:
                raise RuntimeError("a blob is watched that was not confirmed")
            if place not in stand:
                stand[place] = await self._parts.news.stands(place)
            if stand[place] and place.number > final:
                continue
            await self._receive(blob, Finalized() if stand[place] else await self._where_now(blob, place))
            if blob.machine.next_action is not Action.WATCH:
                del self._watched[blob.seq]
                if blob.machine.next_action is not Action.NOTHING:
                    self._put(blob)

    async def _where_now(self, blob: Carried, place: BlockPlace) -> Event:
        """The chain took back the block of a confirmation: it may stand in another one by now."""
        receipt = await self._parts.chain.client.receipt(place.transaction)
        if receipt is not None and receipt.succeeded:
            return Confirmed(BlockPlace(int(receipt.block_number), receipt.block_hash, receipt.transaction_hash))
        if await self._parts.chain.is_confirmed(blob.name):
            return Confirmed(await self._parts.news.newest())
        return TakenBack(is_announced=True)
