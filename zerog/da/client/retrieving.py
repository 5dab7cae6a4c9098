"""Gets a blob back from the signers of its quorum: many at once, each row held against the blob's root, whoever lies named and left out.

Source of the way (rows of the blob itself first, then any): 0glabs/0g-da-retriever, `server/src/`. It checks nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, create_task_group, to_thread
from anyio.abc import TaskGroup

from zerog._kernel import amt_row_path
from zerog.contracts.da import SignerDetail
from zerog.da.client.chain import CHAIN_FAILURES, DaChain, EpochUnknownError, QuorumUnknownError
from zerog.da.client.reassembly import ClaimedRows, Reassembled, are_roots_of, reassemble, search
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.client.sockets import SocketError, grpc_target
from zerog.da.protocol.constants import BLOB_ROWS, ROW_BYTES
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import Quorum
from zerog.da.protocol.retrieval import Ask, RetrievalPlan
from zerog.da.wire.signer import RetrieveRequest, StreamedRows
from zerog.primitives import Address
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["BlobUnrecoverableError", "RetrievalOptions", "RetrievedBlob", "SignersUnavailableError", "retrieve_blob"]

log = structlog.get_logger(__name__)

UNIMPLEMENTED: Final = "UNIMPLEMENTED"
PATH_BYTES: Final = 320


@dataclass(eq=False)
class SignersUnavailableError(DaError):
    """Nobody can say who has the rows."""

    cause: str

    code = "da_signers_unavailable"
    remedy = "check epoch and quorum, and that the chain node answers"
    http_status = 404
    grpc_status = "NOT_FOUND"

    def __str__(self) -> str:
        return f"failed get signers from block chain: {self.cause}"


@dataclass(eq=False)
class BlobUnrecoverableError(DaError):
    """The rows that signers gave do not make the blob."""

    blob: BlobName
    cause: str
    liars: tuple[Address, ...] = ()
    silent: tuple[Address, ...] = ()
    """Signers who did not answer, or have nothing."""

    code = "da_blob_unrecoverable"
    remedy = "try again once more signers answer, or ask the disperser, which keeps blobs for a while"
    http_status = 404
    grpc_status = "NOT_FOUND"

    def __str__(self) -> str:
        who = [f"wrong rows from {', '.join(map(str, self.liars))}"] if self.liars else []
        who += [f"nothing from {', '.join(map(str, self.silent))}"] if self.silent else []
        return "; ".join([f"fail to recover slice: {self.cause}", *who])


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """How patient a retrieval is."""

    late_s: float = 2.0
    """A signer that takes longer for its rows is not counted on: others are asked for as many."""
    call_s: float = 30.0
    """A signer that takes longer is given up."""
    total_s: float = 120.0
    """For everything."""
    calls_max: int = 64
    """Signers that are asked at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedBlob:
    """A blob, which is what its root says."""

    data: bytes = field(repr=False)
    liars: tuple[Address, ...]
    """Signers whose rows were not those of the blob."""
    silent: tuple[Address, ...]
    """Signers who were asked and did not answer, or have nothing."""


async def retrieve_blob(blob: BlobName, chain: DaChain, options: RetrievalOptions | None = None) -> RetrievedBlob:
    """Raises `SignersUnavailableError`, `SignerUnknownError`, `BlobUnrecoverableError`."""
    options = options or RetrievalOptions()
    try:
        quorum = await chain.quorum(blob.epoch, blob.quorum_id)
        details = await chain.signers(quorum.signers)
    except (*CHAIN_FAILURES, EpochUnknownError, QuorumUnknownError) as error:
        raise SignersUnavailableError(str(error) or type(error).__name__) from error
    retrieval = _Retrieval(blob, quorum, details, options, allow_private=chain.is_own)
    try:
        with anyio.fail_after(options.total_s):
            return await retrieval.run()
    except TimeoutError:
        raise retrieval.failure(f"{options.total_s:g} s are over") from None


class _LieError(Exception):
    """What a signer sent is not of the blob."""


class _Retrieval:
    """One way of a blob back."""

    def __init__(
        self,
        blob: BlobName,
        quorum: Quorum,
        details: Mapping[Address, SignerDetail],
        options: RetrievalOptions,
        *,
        allow_private: bool,
    ) -> None:
        self._blob: Final = blob
        self._details: Final = details
        self._options: Final = options
        self._allow_private: Final = allow_private
        self._plan: Final = RetrievalPlan(quorum)
        self._rows: Final = ClaimedRows()
        self._limiter: Final = CapacityLimiter(options.calls_max)
        self._under_way = 0
        self._news = anyio.Event()
        self._liars: Final[list[Address]] = []
        self._silent: Final[dict[Address, str]] = {}
        self._wanted: Final[dict[Ask, frozenset[int]]] = {}

    async def run(self) -> RetrievedBlob:
        """Raises `BlobUnrecoverableError`."""
        async with create_task_group() as tasks:
            self._start(tasks, self._plan.begin())
            found = await self._reassembled(tasks)
            tasks.cancel_scope.cancel()
        if isinstance(found, str):
            raise self.failure(found)
        self._liars.extend(found.liars)
        return RetrievedBlob(data=found.data, liars=tuple(self._liars), silent=tuple(self._silent))

    async def _reassembled(self, tasks: TaskGroup) -> Reassembled | str:
        """The blob, or why it does not come."""
        while not self._plan.is_complete:
            if self._plan.is_hopeless:
                return f"{self._plan.reachable_count} rows are left, and {BLOB_ROWS} are needed"
            await self._news.wait()
        data = await to_thread.run_sync(reassemble, self._rows.copy(), self._blob.root)
        return Reassembled(data) if data is not None else await self._search(tasks)

    def failure(self, cause: str) -> BlobUnrecoverableError:
        """Why it came to nothing."""
        return BlobUnrecoverableError(self._blob, cause, tuple(self._liars), tuple(self._silent))

    async def _search(self, tasks: TaskGroup) -> Reassembled | str:
        """Somebody who sends no paths lied, and nobody knows who: ask for all there is, and try without one after the other."""
        if not self._rows.claimed:
            return "the rows are those that the root names, and make no blob: it was encoded wrongly"
        self._start(tasks, self._plan.everything())
        while self._under_way:
            await self._news.wait()
        found = await to_thread.run_sync(search, self._rows.copy(), self._blob.root)
        return found or "rows of signers that send no proofs lead to another root"

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def _start(self, tasks: TaskGroup, asks: Sequence[Ask]) -> None:
        for ask in asks:
            self._under_way += 1
            tasks.start_soon(self._carry_out, tasks, ask, name=f"da.retrieve.{ask.signer}")

    async def _carry_out(self, tasks: TaskGroup, ask: Ask) -> None:
        """Ask one signer, and tell the plan how it went."""
        more: list[Ask] = []
        ended = anyio.Event()
        tasks.start_soon(self._mind_the_time, tasks, ask.signer, ended, name=f"da.late.{ask.signer}")
        try:
            async with self._limiter:
                await self._ask(ask)
            more = self._plan.ended(ask)
        except _LieError as lie:
            log.warning("signer_lies", signer=str(ask.signer), root=str(self._blob.root), cause=str(lie))
            if ask.signer not in self._liars:
                self._liars.append(ask.signer)
            more = self._without(ask.signer)
        except (GrpcCallError, SocketError) as error:
            self._silent[ask.signer] = str(error)
            more = self._plan.failed(ask.signer)
        ended.set()
        self._under_way -= 1
        self._start(tasks, more)
        self._wake()

    async def _mind_the_time(self, tasks: TaskGroup, signer: Address, ended: anyio.Event) -> None:
        with anyio.move_on_after(self._options.late_s):
            await ended.wait()
            return
        self._start(tasks, self._plan.late(signer))

    async def _ask(self, ask: Ask) -> None:
        """Raises `_LieError`, `GrpcCallError`, `SocketError`."""
        target = await grpc_target(self._details[ask.signer].socket, allow_private=self._allow_private)
        request = RetrieveRequest.of(self._blob, ask.rows)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncSignerClient(target))
            try:
                async with client.retrieve(request, timeout_s=self._options.call_s) as parts:
                    async for part in parts:
                        await self._take(ask, part)
            except GrpcCallError as error:
                if error.status != UNIMPLEMENTED:
                    raise
                await self._ask_plainly(client, ask, request)

    async def _take(self, ask: Ask, part: StreamedRows) -> None:
        """Rows with their paths."""
        if part.coset_roots:
            self._take_roots(part.coset_roots)
        roots = self._rows.coset_roots
        if roots is None:
            raise _LieError("rows without the roots of their cosets")
        wanted = self._wanted.setdefault(ask, frozenset(ask.rows))
        if any(row.index not in wanted or len(row.data) != ROW_BYTES or len(row.path) != PATH_BYTES for row in part.rows):
            raise _LieError("rows that nobody asked for, or of another length")
        if not await to_thread.run_sync(self._are_proven, part, roots):
            raise _LieError("a row that the blob does not have")
        if ask.signer in self._liars:
            return  # Another request to it has told.
        self._rows.proven |= {row.index: row.data for row in part.rows}
        self._plan.came(ask.signer, [row.index for row in part.rows])
        self._wake()

    def _are_proven(self, part: StreamedRows, roots: tuple[bytes, bytes, bytes]) -> bool:
        return all(amt_row_path(row.data, row.index, row.path, roots, self._blob.root) for row in part.rows)

    async def _ask_plainly(self, client: AsyncSignerClient, ask: Ask, request: RetrieveRequest) -> None:
        """A node of others: rows alone, which nobody can check before they are all together."""
        [rows] = await client.batch_retrieve([request], timeout_s=self._options.call_s)
        if rows.coset_roots:
            self._take_roots(rows.coset_roots)
        self._rows.claimed.setdefault(ask.signer, {}).update(zip(ask.rows, rows.rows, strict=True))
        self._plan.came(ask.signer, ask.rows)
        self._wake()

    def _take_roots(self, coset_roots: Sequence[bytes]) -> None:
        """Raises `_LieError` for roots that do not make the blob's."""
        if not are_roots_of(coset_roots, self._blob.root):
            raise _LieError("roots of cosets that do not make the blob's root")
        first, second, third = coset_roots
        self._rows.coset_roots = (first, second, third)

    def _without(self, liar: Address) -> list[Ask]:
        """Rows of a liar that a path proved are true, whoever sent them; those that it only claims go."""
        return self._plan.lied(liar) if self._rows.claimed.pop(liar, None) else self._plan.failed(liar)
