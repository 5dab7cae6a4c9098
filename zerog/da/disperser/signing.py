"""Asks the signers of a quorum for their signatures, checks each, and adds them up as soon as two thirds of the rows are signed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog._kernel import PointError, bls_aggregate_g1, bls_aggregate_g2, bls_verify, g1_from_flagged, g1_from_flagless
from zerog.contracts.da import G1, G2, CommitRootSubmission, SignerDetail
from zerog.da.client.chain import CHAIN_FAILURES, DaChain
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.client.sockets import SocketError, grpc_target
from zerog.da.disperser.blob_files import BlobFiles
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.messages import blob_digest
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import Quorum, rows_needed
from zerog.da.wire.signer import SignHead, SignPart, SignRequest
from zerog.primitives import Address
from zerog.runtime.grpc.errors import GrpcCallError, GrpcTimeoutError, GrpcUnreachableError

__all__ = ["Certificate", "Signers", "SigningJob", "SigningResult"]

log = structlog.get_logger(__name__)

PAUSE_S_MIN: Final = 0.1
PAUSE_S_MAX: Final = 2.0
"""Between two tries with one signer; each doubles it."""
SLICES_A_PART: Final = 24
"""About 800 KB."""
LINGER_S_MIN: Final = 1.0
LINGER_S_MAX: Final = 10.0
"""When enough have signed, those that are at work on their rows may end it for twice as long as the others took, within these bounds: what
they keep makes the blob outlast more losses."""
UPLOADS_OF_SIGNER: Final = 2
"""At once: a signer that is slow keeps no other one waiting, and no more than two blobs' rows at itself."""
CLIENTS_MAX: Final = 256
REFUSED_FOR_GOOD: Final = ("INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION")
"""What another try does not change: the signer does not accept the rows."""
VERIFIED_ALREADY: Final = "blob verified already"
"""Source: 0glabs/0g-da-node, grpc/ (BatchSign)."""
WORDS_MAX: Final = 200
G1_BYTES: Final = 64
G2_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Certificate:
    """What confirms a blob, beside its name."""

    commitment: bytes
    """As words, like all points here."""
    aggregate_key: bytes
    signature: bytes
    bitmap: bytes

    def to_bytes(self) -> bytes:
        return self.commitment + self.aggregate_key + self.signature + self.bitmap

    @classmethod
    def from_bytes(cls, data: bytes) -> "Certificate":
        key, signature, bitmap = G1_BYTES, G1_BYTES + G2_BYTES, 2 * G1_BYTES + G2_BYTES
        return cls(data[:key], data[key:signature], data[signature:bitmap], data[bitmap:])

    def submission(self, name: BlobName) -> CommitRootSubmission:
        """As the entrance takes it."""
        return CommitRootSubmission(
            data_root=name.root,
            epoch=name.epoch,
            quorum_id=name.quorum_id,
            erasure_commitment=G1.from_words(self.commitment),
            quorum_bitmap=self.bitmap,
            aggregate_key=G2.from_words(self.aggregate_key),
            signature=G1.from_words(self.signature),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningJob:
    """One blob that is to be signed."""

    name: BlobName
    received_ns: int
    """Names the file of its slices."""
    commitment: bytes
    """Flagless."""
    begin: Callable[[int], Awaitable[None]]
    """Is called before signers are asked, with the rows that are needed."""
    signed: Callable[[Address, int], bool]
    """Is told of each verified signature with the rows of its signer; whether they are enough."""
    seconds: float
    """Until it must be done."""


@dataclass(slots=True)
class SigningResult:
    """What came of it: a certificate, or that the chain has the blob already, or why neither."""

    certificate: Certificate | None = None
    is_confirmed: bool = False
    reason: str = ""


@dataclass(slots=True)
class _Round:
    """One blob with its quorum, and what signers have said."""

    job: SigningJob
    quorum: Quorum
    details: dict[Address, SignerDetail]
    digest: bytes
    words: bytes
    """The commitment."""
    signatures: dict[Address, bytes] = field(default_factory=dict)
    troubles: dict[Address, str] = field(default_factory=dict)
    began_s: float = field(default_factory=anyio.current_time)
    is_enough: bool = False
    is_confirmed: bool = False

    def settle(self, all_of_them: anyio.CancelScope) -> bool:
        """Whether nobody is to be asked again; those that are being asked get a time to end what they do, or none."""
        if self.is_confirmed:
            all_of_them.cancel()
        elif self.is_enough:
            now_s = anyio.current_time()
            linger_s = min(max(2 * (now_s - self.began_s), LINGER_S_MIN), LINGER_S_MAX)
            all_of_them.deadline = min(all_of_them.deadline, now_s + linger_s)
        return self.is_confirmed or self.is_enough


class Signers:
    """Knows the signers of one chain and talks to them. Close it in the end."""

    def __init__(self, chain: DaChain, files: BlobFiles, *, try_s: float) -> None:
        """`try_s` is how long one try with one signer may take."""
        self._chain: Final = chain
        self._files: Final = files
        self._try_s: Final = try_s
        self._clients: Final[dict[str, AsyncSignerClient]] = {}
        self._lanes: Final[dict[Address, CapacityLimiter]] = {}
        self._whole_only: Final[set[str]] = set()
        """Targets that know no stream: official nodes."""
        self.liars: Final[dict[Address, int]] = {}
        """How often a signer's signature was wrong."""

    async def close(self) -> None:
        """End all connections."""
        async with AsyncExitStack() as closing:
            for client in self._clients.values():
                closing.push_async_callback(client.close)
            self._clients.clear()

    async def gather(self, job: SigningJob) -> SigningResult:
        """Ask all signers at once until enough have signed, and the others that are at work on it have ended.

        Raises the chain's failures, and refusals of `DaChain`.
        """
        if await self._chain.is_confirmed(job.name):
            return SigningResult(is_confirmed=True)
        quorum = await self._chain.quorum(job.name.epoch, job.name.quorum_id)
        details = await self._chain.signers(quorum.signers)
        words = g1_from_flagless(job.commitment)
        digest = blob_digest(job.name.root, job.name.epoch, job.name.quorum_id, words)
        round_ = _Round(job, quorum, details, digest, words)
        await job.begin(rows_needed(quorum.total))
        with anyio.move_on_after(job.seconds):
            async with anyio.create_task_group() as tasks:
                for signer in quorum.signers:
                    tasks.start_soon(self._ask, round_, signer, tasks.cancel_scope, name=f"disperser.sign.{signer}")
        if round_.is_confirmed:
            return SigningResult(is_confirmed=True)
        if not round_.is_enough:
            return SigningResult(reason=_reason(round_))
        return SigningResult(await to_thread.run_sync(_certificate, round_))

    async def _ask(self, round_: _Round, signer: Address, all_of_them: anyio.CancelScope) -> None:
        """Ask one signer until it has signed, or refuses for good."""
        pause_s = PAUSE_S_MIN
        lane = self._lanes.setdefault(signer, CapacityLimiter(UPLOADS_OF_SIGNER))
        while True:
            async with lane:
                is_over = await self._try(round_, signer)
            if round_.settle(all_of_them) or is_over:
                return
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    async def _try(self, round_: _Round, signer: Address) -> bool:
        """One try; whether another one is of no use."""
        try:
            flagged = await self._signature(round_, signer)
            signature = await to_thread.run_sync(_checked, flagged, round_, signer)
        except PointError as error:
            return self._lied(round_, signer, str(error))
        except (GrpcUnreachableError, GrpcTimeoutError) as error:
            round_.troubles[signer] = f"does not answer at {round_.details[signer].socket} ({_shortened(error.details)})"
            await self._look_again(round_, signer)
            return False
        except GrpcCallError as error:
            return await self._refused(round_, signer, error)
        except (SocketError, FileNotFoundError) as error:
            round_.troubles[signer] = str(error)
            await self._look_again(round_, signer)
            return not isinstance(error, SocketError)
        if signature is None:
            return self._lied(round_, signer, "it is not over this blob, or not with its key")
        round_.signatures[signer] = signature
        round_.troubles.pop(signer, None)
        round_.is_enough = round_.job.signed(signer, len(round_.quorum.rows_of(signer)))
        return True

    async def _look_again(self, round_: _Round, signer: Address) -> None:
        """It may listen somewhere else by now: nodes tell the chain where once they have started, or once the chain has begun anew."""
        try:
            round_.details |= await self._chain.signers([signer])
        except (DaError, *CHAIN_FAILURES) as failure:
            log.debug("chain_not_asked", cause=str(failure))  # The next try asks again.

    def _lied(self, round_: _Round, signer: Address, cause: str) -> bool:
        self.liars[signer] = self.liars.get(signer, 0) + 1
        round_.troubles[signer] = f"sent a wrong signature: {cause}"
        log.warning("signature_wrong", signer=str(signer), blob=str(round_.job.name), cause=cause)
        return True

    async def _refused(self, round_: _Round, signer: Address, error: GrpcCallError) -> bool:
        round_.troubles[signer] = f"refuses: {_shortened(error.details)}"
        if VERIFIED_ALREADY in error.details:
            try:
                round_.is_confirmed = await self._chain.is_confirmed(round_.job.name)
            except CHAIN_FAILURES as failure:
                log.debug("chain_not_asked", cause=str(failure))  # The next try asks again.
        return error.status in REFUSED_FOR_GOOD

    async def _signature(self, round_: _Round, signer: Address) -> bytes:
        """What a signer answers: 64 bytes with flags, if it is honest."""
        job = round_.job
        target = await grpc_target(round_.details[signer].socket, allow_private=self._chain.is_own)
        client = await self._client(target)
        head = SignHead.of(job.name, job.commitment)
        rows = round_.quorum.rows_of(signer)
        if target not in self._whole_only:
            try:
                return await client.sign_parts(self._parts(job, head, rows), timeout_s=self._try_s)
            except GrpcCallError as error:
                if error.status != "UNIMPLEMENTED":
                    raise
                self._whole_only.add(target)
        slices = await to_thread.run_sync(self._files.read_slices, job.received_ns, rows)
        [signature] = await client.batch_sign([SignRequest(head=head, slices=slices)], timeout_s=self._try_s)
        return signature

    async def _parts(self, job: SigningJob, head: SignHead, rows: Sequence[int]) -> AsyncIterator[SignPart]:
        """The request in parts, read from the file as the signer takes them."""
        yield SignPart(head=head, slices=())
        for first in range(0, len(rows), SLICES_A_PART):
            some = rows[first : first + SLICES_A_PART]
            yield SignPart(head=None, slices=await to_thread.run_sync(self._files.read_slices, job.received_ns, some))

    async def _client(self, target: str) -> AsyncSignerClient:
        client = self._clients.get(target)
        if client is None:
            if len(self._clients) >= CLIENTS_MAX:
                oldest = next(iter(self._clients))
                await self._clients.pop(oldest).close()
            client = self._clients[target] = AsyncSignerClient(target)
        return client


def _checked(flagged: bytes, round_: _Round, signer: Address) -> bytes | None:
    """The signature as words if it holds, else nothing. Raises `PointError` for bytes that are no point."""
    signature = g1_from_flagged(flagged)
    return signature if bls_verify(round_.digest, signature, round_.details[signer].public_key_g2.words) else None


def _certificate(round_: _Round) -> Certificate:
    signers = list(round_.signatures)
    return Certificate(
        commitment=round_.words,
        aggregate_key=bls_aggregate_g2([round_.details[signer].public_key_g2.words for signer in signers]),
        signature=bls_aggregate_g1(list(round_.signatures.values())),
        bitmap=round_.quorum.bitmap(signers),
    )


def _reason(round_: _Round) -> str:
    """Who has signed, and why the others have not."""
    signed = round_.quorum.signed_rows(round_.signatures)
    missing = [signer for signer in round_.quorum.signers if signer not in round_.signatures]
    words = "; ".join(f"{signer} {round_.troubles.get(signer, 'has not answered in time')}" for signer in missing)
    return f"signers of {signed} of {round_.quorum.total} rows have signed, and two thirds are needed: {words}"


def _shortened(text: str) -> str:
    return text[:WORDS_MAX] or "no details"
