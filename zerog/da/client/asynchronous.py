"""A client of DA for programs with an event loop: disperses blobs, gets them back, and believes nobody about their bytes."""

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

import anyio
from anyio import to_thread

from zerog._kernel import amt_roots
from zerog.chain.client import AsyncChainClient
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.client.errors import (
    BlobNotFoundError,
    BlobRefusedError,
    BlobUnconfirmedError,
    BlobWrongError,
    DaServiceError,
    DaTimeoutError,
    DispersalFailedError,
    DispersalTimeoutError,
    NoServiceError,
    RequestUnknownError,
)
from zerog.da.client.failures import first_failure
from zerog.da.client.results import CheckedSample, Dispersal, DispersalProgress, ProgressCallback, WaitUntil
from zerog.da.client.retriever import AsyncRetrieverClient
from zerog.da.protocol.blob import check_blob_size
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobPage, BlobState, BlobStatus
from zerog.primitives import Hash32
from zerog.primitives.errors import DeadlineError
from zerog.runtime.deadlines import ONE_LOOK_S, TimeLimit, async_time_limit, pause_before_end
from zerog.runtime.grpc.errors import GrpcCallError, GrpcTimeoutError, GrpcUnreachableError

if TYPE_CHECKING:
    from zerog.da.client.confirmation import Confirmation
    from zerog.da.client.sampler import Sampler

__all__ = ["AsyncDaClient"]

WAIT_S: Final = 300.0
"""For a blob's way, where the caller does not say."""
CONFIRMATION_S: Final = 60.0
ROLLBACK_BLOCKS: Final = 64
"""So many blocks may be replaced by others while somebody waits."""
LOOK_S_MIN: Final = 0.05
LOOK_S_MAX: Final = 1.0
LOOK_GROWTH: Final = 1.3
"""Between two looks at a blob's way: often at first, since small blobs on quick chains are through in a second."""
KNOWN_MAX: Final = 10_000
WANTED: Final[dict[WaitUntil, tuple[BlobStatus, ...]]] = {
    "accepted": (BlobStatus.PROCESSING, BlobStatus.CONFIRMED, BlobStatus.FINALIZED),
    "confirmed": (BlobStatus.CONFIRMED, BlobStatus.FINALIZED),
    "finalized": (BlobStatus.FINALIZED,),
}


class AsyncDaClient:
    """Talks to the services of one network. Belongs to one event loop. Close it, or use it in an `async with` block.

    What it does not get it says with a `DaError`. Bytes are held against the blob's root before they are given out: what a service
    computes is computed again, unless the same root was seen before.

    `timeout_s` is how long a method may take as a whole, and ends it with a `DeadlineError`; each says what it has without it.
    """

    def __init__(
        self,
        *,
        disperser: str | None = None,
        retriever: str | None = None,
        gateway: str | None = None,
        chain_url: str | None = None,
        development: bool = False,
    ) -> None:
        """Addresses as `host:port`, those of the gateway and of a node of the chain as URLs. What is not known cannot be asked.

        `development` is for networks of the small blobs that tests use.
        """
        self._disperser: Final = None if disperser is None else AsyncDisperserClient(disperser)
        self._retriever: Final = None if retriever is None else AsyncRetrieverClient(retriever)
        self._gateway: Final = gateway
        self._chain: Final = None if chain_url is None else AsyncChainClient(chain_url)
        self._development: Final = development
        self._sampler: Sampler | None = None
        self._digests: Final[OrderedDict[Hash32, bytes]] = OrderedDict()
        """Of blobs whose roots were computed here, by these: a later look at the same blob costs one hash."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections."""
        with anyio.CancelScope(shield=True):
            for part in (self._disperser, self._retriever, self._sampler, self._chain):
                if part is not None:
                    await part.close()

    # ---- in ------------------------------------------------------------------------------------------------------

    async def put(
        self,
        data: bytes,
        *,
        wait_until: WaitUntil = "finalized",
        timeout_s: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> Dispersal:
        """Disperse a blob and wait until it is as far as `wait_until` says, up to 300 s by default, with the time to hand it over.

        The root that comes back is computed here as well. A disperser that goes away meanwhile is waited for. Raises `BlobRefusedError`,
        `DispersalFailedError`, `DispersalTimeoutError` with the request by which `wait` goes on, `DaTimeoutError` where the disperser did
        not even take the blob, `BlobWrongError`, `DaServiceError`, `BlobEmptyError`, `BlobTooLargeError`.
        """
        check_blob_size(len(data))
        way = _Way()
        try:
            async with async_time_limit(WAIT_S if timeout_s is None else timeout_s, way.late), anyio.create_task_group() as work:
                if wait_until != "accepted":
                    work.start_soon(self._root_of, data, name="da.root")  # While the others encode and sign.
                way.request_id = request_id = await self._disperse(data)
                state = await self._until(way, wait_until, size_bytes=len(data), progress=progress)
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        if state.name is not None:
            await self._check(data, state.name.root, "the disperser")
        return Dispersal(request_id=request_id, size_bytes=len(data), status=state.status, name=state.name)

    async def _disperse(self, data: bytes) -> str:
        disperser = self._known_disperser
        try:
            return (await disperser.disperse(data)).decode(errors="replace")
        except (GrpcUnreachableError, GrpcTimeoutError) as error:
            raise DaServiceError(disperser.address, error.details or error.status) from None
        except GrpcCallError as error:
            raise BlobRefusedError(error.details or error.status) from None

    async def wait(
        self,
        request_id: str,
        *,
        wait_until: WaitUntil = "finalized",
        timeout_s: float | None = None,
        size_bytes: int = 0,
        progress: ProgressCallback | None = None,
    ) -> BlobState:
        """Until a blob is as far as `wait_until` says, up to 300 s by default.

        Raises `DispersalFailedError`, `DispersalTimeoutError`, `RequestUnknownError`.
        """
        way = _Way(request_id)
        async with async_time_limit(WAIT_S if timeout_s is None else timeout_s, way.late):
            return await self._until(way, wait_until, size_bytes=size_bytes, progress=progress)

    async def _until(self, way: "_Way", wait_until: WaitUntil, *, size_bytes: int, progress: ProgressCallback | None) -> BlobState:
        look_s, told = LOOK_S_MIN, None
        while True:
            state = way.state = await self._state_soon(way.request_id, way.state)
            if progress is not None and state != told:
                told = state
                progress(DispersalProgress(state, size_bytes))
            if state.status in (BlobStatus.FAILED, BlobStatus.INSUFFICIENT_SIGNATURES):
                raise DispersalFailedError(way.request_id, state.reason)
            if state.status in WANTED[wait_until]:
                return state
            await anyio.sleep(pause_before_end(look_s))
            look_s = min(look_s * LOOK_GROWTH, LOOK_S_MAX)

    async def _state_soon(self, request_id: str, before: BlobState) -> BlobState:
        """The state now; where the disperser is away, that of the look before."""
        try:
            return await self._status(request_id)
        except DaServiceError:
            return before

    async def status(self, request_id: str, *, timeout_s: float | None = None) -> BlobState:
        """Where a blob is; the disperser has 30 s by default. Raises `RequestUnknownError`, `DaServiceError`."""
        async with _within(timeout_s, "the disperser has not told where the blob is"):
            return await self._status(request_id)

    async def _status(self, request_id: str) -> BlobState:
        disperser = self._known_disperser
        try:
            return await disperser.status(request_id.encode(errors="replace"))
        except (GrpcUnreachableError, GrpcTimeoutError) as error:
            raise DaServiceError(disperser.address, error.details or error.status) from None
        except GrpcCallError as error:
            raise RequestUnknownError(request_id, error.details or error.status) from None

    async def blobs(
        self, cursor: str = "", *, status: BlobStatus = BlobStatus.UNKNOWN, limit: int = 100, timeout_s: float | None = None
    ) -> BlobPage:
        """A page of the blobs that the disperser has or had, the newest first, for which it has 30 s by default.

        Official dispersers have no such list.
        """
        disperser = self._known_disperser
        try:
            async with _within(timeout_s, "the disperser has not listed its blobs"):
                return await disperser.blobs(status, cursor=cursor, limit=limit)
        except GrpcCallError as error:
            raise DaServiceError(disperser.address, error.details or error.status) from None

    # ---- out -----------------------------------------------------------------------------------------------------

    async def get(self, name: BlobName, *, timeout_s: float | None = None) -> bytes:
        """The bytes of a blob: from the disperser while it has them, then from the signers; each has 180 s by default.

        Raises `BlobNotFoundError`, `BlobWrongError`, `NoServiceError`, `DaTimeoutError`.
        """
        async with _within(timeout_s, f"nobody has given blob {name}"):
            return await self._get(name)

    async def _get(self, name: BlobName) -> bytes:
        sources = [("the disperser", self._disperser), ("the retriever", self._retriever)]
        causes: list[str] = []
        lie: BlobWrongError | None = None
        for source, service in sources:
            if service is None:
                continue
            try:
                data = await service.retrieve(name)
                await self._check(data, name.root, source)
            except BlobWrongError as error:
                lie = error
            except GrpcCallError as error:
                causes.append(str(error))
            else:
                return data
        if not causes and lie is None:
            raise NoServiceError("disperser or the retriever")
        raise lie or BlobNotFoundError(name, tuple(causes))

    async def sample(
        self,
        root: Hash32,
        row_index: int,
        subline_index: int,
        *,
        epoch: int | None = None,
        quorum_id: int | None = None,
        timeout_s: float | None = None,
    ) -> CheckedSample:
        """A kibibyte of a blob by way of the gateway, from the signer of its row, held against the root.

        Without epoch and quorum the gateway finds the newest ones of this root on chain. It has 60 s by default. Raises
        `SampleInvalidError`, `SamplePositionError`, `DaServiceError`, `DaTimeoutError`.
        """
        if self._sampler is None:
            if self._gateway is None:
                raise NoServiceError("gateway")
            from zerog.da.client.sampler import Sampler  # httpx takes a tenth of a second, and few need it.

            self._sampler = Sampler(self._gateway)
        async with _within(timeout_s, "the gateway has not given the sample"):
            return await self._sampler.sample(root, row_index, subline_index, epoch=epoch, quorum_id=quorum_id)

    # ---- the chain -----------------------------------------------------------------------------------------------

    async def confirmation(self, root: Hash32, *, timeout_s: float | None = None) -> "Confirmation":
        """What the chain says of a blob: which quorum confirmed it, who signed, and in which transaction.

        Waits for it up to 60 s by default; with a `timeout_s` of 0 it looks once. Raises `BlobUnconfirmedError`, `NoServiceError` where no
        node of the chain is known, and what such a node answers wrong.
        """
        from zerog.da.client.chain import DaChain
        from zerog.da.client.confirmation import find_confirmation

        if self._chain is None:
            raise NoServiceError("chain")
        allowed_s = CONFIRMATION_S if timeout_s is None else timeout_s
        async with async_time_limit(allowed_s or ONE_LOOK_S, lambda _limit: BlobUnconfirmedError(root)):
            chain, look_s, first = await DaChain.find(self._chain), LOOK_S_MIN, 0
            head = await self._chain.block_number()
            while (found := await find_confirmation(chain, root, first=first)) is None:
                if not allowed_s:
                    raise BlobUnconfirmedError(root)
                first = max(head - ROLLBACK_BLOCKS, 0)  # What is older was looked through.
                head = await self._chain.block_number()
                await anyio.sleep(pause_before_end(look_s))
                look_s = min(look_s * LOOK_GROWTH, LOOK_S_MAX)
            return found

    # ---- roots ---------------------------------------------------------------------------------------------------

    @property
    def _known_disperser(self) -> AsyncDisperserClient:
        if self._disperser is None:
            raise NoServiceError("disperser")
        return self._disperser

    async def _check(self, data: bytes, root: Hash32, source: str) -> None:
        known = self._digests.get(root)
        if known is not None and known == await to_thread.run_sync(_digest, data):
            return
        found = await self._root_of(data)
        if found != root:
            raise BlobWrongError(root, found, source)

    async def _root_of(self, data: bytes) -> Hash32:
        root, digest = await to_thread.run_sync(_root_and_digest, data, self._development, abandon_on_cancel=True)
        self._digests[root] = digest
        while len(self._digests) > KNOWN_MAX:
            self._digests.popitem(last=False)
        return root


class _Way:
    """How far a blob is known to be, for whoever stops waiting."""

    def __init__(self, request_id: str = "") -> None:
        self.request_id = request_id
        """Empty while no disperser has taken it."""
        self.state = BlobState(status=BlobStatus.PROCESSING)

    def late(self, limit: TimeLimit) -> DeadlineError:
        if not self.request_id:
            return DaTimeoutError("the disperser has not taken the blob", limit.timeout_s)
        return DispersalTimeoutError(self.request_id, self.state.status, self.state.step, limit.timeout_s)


def _within(timeout_s: float | None, what: str) -> AbstractAsyncContextManager[None]:
    """Everything in the block ends after so many seconds with a `DaTimeoutError`, which says what is still so."""
    return async_time_limit(timeout_s, lambda limit: DaTimeoutError(what, limit.timeout_s))


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def _root_and_digest(data: bytes, development: bool) -> tuple[Hash32, bytes]:
    root, _cosets = amt_roots(data, development=development)
    return Hash32(root), _digest(data)
