"""What is done at each step of a blob's way. Each function returns the event that it came to, or raises why it did not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio
import structlog
from anyio import CapacityLimiter, create_task_group, to_thread

from zerog.chain.wire.answers import ReceiptAnswer
from zerog.da.client.chain import CHAIN_FAILURES, DaChain, blob_events
from zerog.da.client.encoder import AsyncEncoderClient
from zerog.da.disperser.blob_files import BlobFiles
from zerog.da.disperser.chain_news import ChainNews
from zerog.da.disperser.errors import StepFailedError
from zerog.da.disperser.sender import Outcome, Sender
from zerog.da.disperser.signing import Certificate, Signers, SigningJob
from zerog.da.disperser.store import Store
from zerog.da.protocol.dispersal import (
    Action,
    Announced,
    BlockPlace,
    ConfirmationSent,
    Confirmed,
    Dispersal,
    Encoded,
    EncodingBegan,
    Event,
    SignaturesGathered,
    SignerSigned,
    SigningBegan,
    StepFailed,
    StepLimits,
    TakenBack,
)
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import oldest_kept_epoch
from zerog.primitives import Address, Hash32
from zerog.runtime.clock import Clock

__all__ = ["Carried", "Parts", "Steps"]

log = structlog.get_logger(__name__)

ENCODE_AT_ONCE: Final = 2
"""One is encoded while the next one's data travels."""
CONFIRM_TRIES_MAX: Final = 3
"""What the contract refuses so often it always refuses."""
GUARD_S: Final = 5.0

Tell: TypeAlias = "Callable[[Carried, Event], Awaitable[None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What carries blobs."""

    chain: DaChain
    store: Store
    files: BlobFiles
    encoder: AsyncEncoderClient
    sender: Sender
    signers: Signers
    news: ChainNews
    clock: Clock
    limits: StepLimits


@dataclass(eq=False, slots=True)
class Carried:
    """A blob that has not ended."""

    seq: int
    received_ns: int
    size_bytes: int
    machine: Dispersal
    failures: int = 0
    """Tries of the present step that did not succeed."""
    heard_of: int | None = None
    """A transaction that the next event makes known."""
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def name(self) -> BlobName:
        name = self.machine.state.name
        if name is None:
            raise RuntimeError("the blob was not announced")
        return name


class Steps:
    """All steps of all blobs."""

    def __init__(self, parts: Parts, tell: Tell) -> None:
        """`tell` gives a machine an event that comes while a step is done, and keeps where the blob is."""
        self._parts: Final = parts
        self._tell: Final = tell
        self._encoding: Final = CapacityLimiter(ENCODE_AT_ONCE)

    async def work(self, blob: Carried) -> Event:
        """Do what is next. Raises `StepFailedError`, refusals of DA and of gRPC, and the chain's failures."""
        match blob.machine.next_action:
            case Action.ENCODE:
                return await self._encode(blob)
            case Action.ANNOUNCE:
                return await self._announce(blob)
            case Action.SIGN:
                return await self._sign(blob)
            case Action.CONFIRM:
                return await self._confirm(blob)
        raise RuntimeError(f"nothing is to be done for a blob at the step {blob.machine.state.step}")

    def _seconds_left(self, blob: Carried) -> float:
        return max(0.0, blob.machine.seconds_left(self._parts.clock.unix_s()))

    # Encoding.

    async def _encode(self, blob: Carried) -> Event:
        async with self._encoding:
            await self._tell(blob, EncodingBegan())
            root, commitment = await self._fetch_slices(blob, self._seconds_left(blob))
        return Encoded(root, commitment)

    async def _fetch_slices(self, blob: Carried, timeout_s: float) -> tuple[Hash32, bytes]:
        """Have the data encoded, and put the slices into a file as they come; returns root and commitment."""
        files = self._parts.files
        data = await to_thread.run_sync(files.read, blob.received_ns)
        draft = await to_thread.run_sync(files.draft_slices, blob.received_ns)
        head = None
        try:
            async with self._parts.encoder.encode_stream(data, timeout_s=timeout_s) as replies:
                async for part in replies:
                    head = part.head or head
                    await to_thread.run_sync(draft.write, part.slices)
            await to_thread.run_sync(draft.finish)
        except ValueError as error:
            raise StepFailedError(f"the encoder's answer is none: {error}") from None
        finally:
            draft.discard()
        if head is None:
            raise StepFailedError("the encoder has sent slices without saying of what")
        return head.root, head.commitment

    async def _encode_again(self, blob: Carried) -> None:
        """The slices went with the process that had them: they are made anew, and are the same."""
        async with self._encoding:
            root, commitment = await self._fetch_slices(blob, self._parts.limits.encode_s)
        if (root, commitment) != (blob.machine.state.root, blob.machine.state.commitment):
            raise StepFailedError("the encoder makes another commitment of it than before: it has other parameters now", is_hopeless=True)

    # Announcing.

    async def _announce(self, blob: Carried) -> Event:
        root = blob.machine.state.root
        if root is None:
            raise RuntimeError("the blob was not encoded")
        outcome = await self._within_limit(blob, lambda: self._parts.sender.announce(blob.seq, root))
        event = _announced(root, outcome.receipt)
        blob.heard_of = outcome.transaction_id
        return event

    async def _within_limit(self, blob: Carried, call: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """What the sender says, unless the blob's time is over before."""
        with anyio.move_on_after(self._seconds_left(blob)):
            return await call()
        sender, news = self._parts.sender, self._parts.news
        raise StepFailedError(
            f"the chain has not taken it in time: {sender.trouble or news.trouble or 'no block has it'}", is_hopeless=True
        )

    async def announcement_lost(self, root: Hash32, place: BlockPlace) -> Event | None:
        """Nothing where the announcement stands, else where it is now, or that it is gone. Raises the chain's failures."""
        if await self._parts.news.stands(place):
            return None
        receipt = await self._parts.chain.client.receipt(place.transaction)
        return TakenBack(is_announced=False) if receipt is None or not receipt.succeeded else _announced(root, receipt)

    # Signing.

    async def _sign(self, blob: Carried) -> Event:
        """Gather signatures; stop where the chain takes back the announcement."""
        state = blob.machine.state
        if state.root is None or state.announced is None:
            raise RuntimeError("the blob was not announced")
        lost = await self.announcement_lost(state.root, state.announced)
        if lost is not None:
            return lost
        if await self._is_over(blob.name.epoch):
            log.info("epoch_over", blob=blob.seq, epoch=blob.name.epoch)
            return TakenBack(is_announced=False)
        if not self._parts.files.has_slices(blob.received_ns):
            await self._encode_again(blob)
        events: list[Event] = []

        async def guard(root: Hash32, place: BlockPlace) -> None:
            events.append(await self._wait_for_loss(root, place))
            tasks.cancel_scope.cancel()

        async with create_task_group() as tasks:
            tasks.start_soon(guard, state.root, state.announced, name="disperser.guard")
            events.append(await self._gather(blob))
            tasks.cancel_scope.cancel()
        return events[0]

    async def _is_over(self, epoch: int) -> bool:
        """Whether signers no longer keep rows of an epoch: a blob that waited so long for their signatures needs another quorum."""
        chain = self._parts.chain
        return epoch < oldest_kept_epoch(await chain.epoch_number(), await chain.epoch_window())

    async def _gather(self, blob: Carried) -> Event:
        machine = blob.machine

        async def begin(rows: int) -> None:
            await self._tell(blob, SigningBegan(rows))

        def signed(signer: Address, rows: int) -> bool:
            machine.receive(SignerSigned(signer, rows), self._parts.clock.unix_s())
            return machine.is_signed_enough

        commitment = machine.state.commitment
        if commitment is None:
            raise RuntimeError("the blob was not encoded")
        job = SigningJob(
            name=blob.name,
            received_ns=blob.received_ns,
            commitment=commitment,
            begin=begin,
            signed=signed,
            seconds=self._seconds_left(blob),
        )
        result = await self._parts.signers.gather(job)
        if result.is_confirmed:
            return Confirmed(await self._parts.news.newest())
        if result.certificate is not None:
            return SignaturesGathered(result.certificate.to_bytes())
        return StepFailed(result.reason, is_hopeless=True)

    async def _wait_for_loss(self, root: Hash32, place: BlockPlace) -> Event:
        """Return when the chain went back and the announcement is no longer where it was."""
        news = self._parts.news
        seen = news.turns_back
        while True:
            await news.wait_for_news(GUARD_S)
            if news.turns_back == seen:
                continue
            try:
                lost = await self.announcement_lost(root, place)
            except CHAIN_FAILURES as error:
                log.debug("chain_not_asked", cause=str(error))
                continue
            if lost is not None:
                return lost
            seen = news.turns_back

    # Confirming.

    async def _confirm(self, blob: Carried) -> Event:
        certificate = blob.machine.state.certificate
        if certificate is None:
            raise RuntimeError("the blob was not signed")
        await self._tell(blob, ConfirmationSent())
        submission = Certificate.from_bytes(certificate).submission(blob.name)
        try:
            outcome = await self._within_limit(blob, lambda: self._parts.sender.confirm(blob.seq, submission))
        except StepFailedError as error:
            return await self._not_confirmed(blob, error)
        blob.heard_of = outcome.transaction_id
        receipt = outcome.receipt
        # The contract passes over what it has already, so a receipt without an event of this blob is as good.
        return Confirmed(BlockPlace(int(receipt.block_number), receipt.block_hash, receipt.transaction_hash))

    async def _not_confirmed(self, blob: Carried, error: StepFailedError) -> Event:
        """A refusal: because the chain no longer has what was signed for, because it has the blob already, or for good."""
        if error.is_hopeless:
            raise error
        if await self._parts.chain.is_confirmed(blob.name):
            return Confirmed(await self._parts.news.newest())
        place = blob.machine.state.announced
        if place is not None and not await self._parts.news.stands(place):
            return TakenBack(is_announced=False)
        return StepFailed(error.reason, is_hopeless=blob.failures + 1 >= CONFIRM_TRIES_MAX)


def _announced(root: Hash32, receipt: ReceiptAnswer) -> Event:
    """Which quorum a root has, as the receipt's log says. Raises `StepFailedError`."""
    for event in blob_events(receipt.logs):
        if not event.is_verified and event.blob.root == root:
            return Announced(event.blob, BlockPlace(event.block_number, event.block_hash, event.transaction_hash))
    raise StepFailedError(f"transaction {receipt.transaction_hash} does not announce the blob")
