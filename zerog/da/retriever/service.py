"""The role: gets blobs back for whoever asks, so many at once, and answers for itself.

Source: 0glabs/0g-da-retriever, `server/src/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.da.client.chain import DaChain
from zerog.da.client.retrieving import RetrievalOptions, retrieve_blob
from zerog.da.protocol.names import BlobName
from zerog.da.retriever.errors import BlobRequestError, RetrieverStoppedError
from zerog.da.retriever.settings import DaRetrieverSettings
from zerog.da.wire.retriever import FILE, RETRIEVE_BLOB, BlobReply, BlobRequest
from zerog.primitives import Hash32
from zerog.runtime.gate import Gate
from zerog.runtime.grpc.methods import Caller, CallPool, ServerCounters, served_unary
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.pages import RolePages
from zerog.runtime.http.side import serve_side_pages

__all__ = ["DaRetriever"]

log = structlog.get_logger(__name__)

ROOT_BYTES: Final = 32
BLOB_BYTES: Final = 200 << 20
"""What one blob takes on its way: rows as they come and as they are kept, the blob, and the reply."""


@dataclass(slots=True)
class RetrieveCounters:
    """Sums since the start."""

    retrieved: int = 0
    retrieved_bytes: int = 0
    failed: int = 0
    lies: int = 0
    """Signers that gave wrong rows, once a blob."""


class DaRetriever:
    """One retriever. It keeps nothing."""

    def __init__(self, settings: DaRetrieverSettings, *, name: str = "da-retriever") -> None:
        """`name` is that of the control socket."""
        self.name: Final = name
        self.settings: Final = settings
        self.counters: Final = RetrieveCounters()
        self.address: str | None = None
        """Host and port of gRPC."""
        self.http_url: str | None = None
        self._server: Final = ServerCounters()
        self._pool: Final = CallPool(settings.max_ongoing_retrieve_request)
        self._gate: Final = Gate()
        self._chain: DaChain | None = None

    @property
    def chain(self) -> DaChain:
        """The contracts that a running retriever reads. Raises `RetrieverStoppedError`."""
        if self._chain is None:
            raise RetrieverStoppedError
        return self._chain

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports host and port of gRPC once it answers; a part that fails stops the whole retriever.

        Raises `NodeUnreachableError` when no chain answers, `EntranceUnknownError` and `PortInUseError`.
        """
        settings = self.settings
        try:
            async with AsyncChainClient(settings.chain_url) as client:
                self._chain = await patiently(partial(DaChain.find, client, settings.entrance_address))
                async with create_task_group() as parts:
                    limits = GrpcLimits(memory_bytes_max=settings.max_ongoing_retrieve_request * BLOB_BYTES)
                    methods = [served_unary(RETRIEVE_BLOB, self._retrieve, pool=self._pool, memory_bytes=BLOB_BYTES)]
                    serve_all = partial(serve_grpc, methods, [FILE], settings.host, settings.port, limits=limits, counters=self._server)
                    self.address = await parts.start(serve_all, name=f"{self.name}.grpc")
                    self.http_url = await parts.start(self._serve_pages, name=f"{self.name}.http")
                    log.info("retriever_ready", address=self.address, http=self.http_url)
                    task_status.started(self.address)
        finally:
            self._chain, self.address, self.http_url = None, None, None

    async def _retrieve(self, request: BlobRequest, _caller: Caller) -> BlobReply:
        if len(request.data_root) != ROOT_BYTES:
            raise BlobRequestError("storage root")
        blob = BlobName(Hash32(request.data_root), request.epoch, request.quorum_id)
        settings = self.settings
        options = RetrievalOptions(
            late_s=settings.late_s, call_s=settings.signer_timeout_s, total_s=settings.timeout_s, calls_max=settings.signers_at_once
        )
        async with self._gate.passing():
            try:
                found = await retrieve_blob(blob, self.chain, options)
            except BaseException:
                self.counters.failed += 1
                raise
        self.counters.retrieved += 1
        self.counters.retrieved_bytes += len(found.data)
        self.counters.lies += len(found.liars)
        log.info("blob_retrieved", blob=str(blob), bytes=len(found.data), liars=[str(liar) for liar in found.liars])
        return BlobReply(data=found.data, liars=[str(liar) for liar in found.liars])

    async def _serve_pages(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        settings = self.settings
        access = AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, dev_methods=False)
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        await serve_side_pages(pages, access, settings.http_port, task_status=task_status)

    def metrics(self) -> bytes:
        """What the retriever counts, in the text format of Prometheus."""
        counters = self.counters
        figures = [
            ("retrieved_total", "counter", "Blobs that came back.", counters.retrieved),
            ("retrieved_bytes_total", "counter", "Their length together.", counters.retrieved_bytes),
            ("failed_total", "counter", "Blobs that did not.", counters.failed),
            ("lies_total", "counter", "Signers that gave wrong rows, once a blob.", counters.lies),
            ("under_way", "gauge", "Blobs on their way back.", self._pool.calls),
        ]
        lines = [
            f"# HELP zerog_da_retriever_{name} {meaning}\n# TYPE zerog_da_retriever_{name} {kind}\nzerog_da_retriever_{name} {value}\n"
            for name, kind, meaning, value in figures
        ]
        return "".join(lines).encode()

    async def probe(self) -> Mapping[str, object]:
        """See that the chain answers. Adds nothing. Raises a `ZerogError`."""
        return {"epoch": await self.chain.epoch_number(), "entrance": str(self.chain.entrance)}

    def status(self) -> Mapping[str, object]:
        """What the retriever knows about itself; JSON values only."""
        return {
            "address": self.address,
            "http_url": self.http_url,
            "entrance": str(self.chain.entrance),
            "chain_id": self.chain.chain_id,
            "retrieved": self.counters.retrieved,
            "failed": self.counters.failed,
            "lies": self.counters.lies,
            "under_way": self._pool.calls,
        }

    async def quiesce(self, block: int) -> None:  # noqa: ARG002 - what is retrieved does not wait for blocks.
        """Let those retrievals end that are under way; others wait."""
        await self._gate.close()

    async def checkpoint(self, directory: Path) -> None:
        """There is nothing to copy."""

    async def resume(self) -> None:
        """Go on."""
        self._gate.open()
