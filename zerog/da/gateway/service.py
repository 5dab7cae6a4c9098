"""The role: takes payloads of rollups, gives them back, and takes samples of blobs for whoever asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.da.client.asynchronous import AsyncDaClient
from zerog.da.client.chain import DaChain
from zerog.da.gateway.alt_da import AltDaRoutes
from zerog.da.gateway.application import http_limits, make_application
from zerog.da.gateway.book import Book
from zerog.da.gateway.chunks import PendingMessages
from zerog.da.gateway.errors import GatewayStoppedError
from zerog.da.gateway.metrics import render_metrics
from zerog.da.gateway.nitro import Provider, daprovider
from zerog.da.gateway.payloads import Payloads
from zerog.da.gateway.routes import ReadRoutes
from zerog.da.gateway.samples import Samples
from zerog.da.gateway.settings import DaGatewaySettings, GatewaySettingsError
from zerog.primitives import Address
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve

__all__ = ["DaGateway"]

BOOK: Final = "gateway.sqlite"
DEFAULT_CHAIN: Final = "http://127.0.0.1:8545"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """All parts of a gateway that runs."""

    da: AsyncDaClient
    book: Book
    chain: DaChain
    payloads: Payloads
    samples: Samples
    dispatcher: Dispatcher


class DaGateway:
    """One gateway."""

    def __init__(self, settings: DaGatewaySettings, clock: Clock | None = None, *, name: str = "gateway") -> None:
        self.name: Final = name
        self.settings: Final = settings
        self.url: str | None = None
        self._clock: Final = clock or SystemClock()
        self._parts: _Running | None = None

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole gateway.

        Raises `GatewaySettingsError`, `PortInUseError`, `EntranceUnknownError`, and what the chain answers wrong.
        """
        settings = self.settings
        book = await to_thread.run_sync(_open_book, settings.data_dir)
        try:
            async with (
                AsyncDaClient(disperser=settings.disperser, retriever=settings.retriever) as da,
                AsyncChainClient(settings.chain_url or DEFAULT_CHAIN) as client,
            ):
                chain = await patiently(partial(DaChain.find, client, _address(settings.entrance)))
                samples = Samples(chain, book, allow_private=settings.private_sockets or chain.is_own)
                payloads = Payloads(da, book, settings, samples.is_signed)
                pending = PendingMessages(settings.payload_bytes_max, self._clock)
                provider = Provider(payloads=payloads, pending=pending, falls_back=settings.nitro_fallback)
                dispatcher = Dispatcher(provider, [daprovider])
                self._parts = _Running(da=da, book=book, chain=chain, payloads=payloads, samples=samples, dispatcher=dispatcher)
                try:
                    await self._serve(self._parts, task_status)
                finally:
                    await samples.close()
        finally:
            self._parts = self.url = None
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(book.close)

    async def _serve(self, parts: _Running, task_status: TaskStatus[str]) -> None:
        settings = self.settings
        limits = http_limits(settings)
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        app = make_application(parts.dispatcher, AltDaRoutes(parts.payloads), ReadRoutes(parts.samples, parts.da), settings, pages)
        async with create_task_group() as tasks:
            self.url = await tasks.start(_start_http, app, settings, limits, name="gateway.http")
            log.info("gateway_ready", url=self.url, disperser=settings.disperser, retriever=settings.retriever)
            task_status.started(self.url)

    def metrics(self) -> bytes:
        """What the gateway counts, in the text format of Prometheus."""
        parts = self._running
        return render_metrics(parts.payloads.counters, parts.samples, parts.dispatcher)

    async def probe(self) -> Mapping[str, object]:
        """See that the disperser and the chain answer. Raises what they answer wrong."""
        parts = self._running
        await parts.da.blobs(limit=1)
        return {"epoch": await parts.chain.epoch_number()}

    def status(self) -> Mapping[str, object]:
        """What the gateway knows about itself; JSON values only."""
        counters = self._running.payloads.counters
        return {
            "url": self.url,
            "disperser": self.settings.disperser,
            "retriever": self.settings.retriever,
            "payloads_stored": counters.stored,
            "payloads_given": counters.given,
            "samples": self._running.samples.given,
        }

    async def quiesce(self, block: int) -> None:
        """It holds nothing back: what it has written down is on disk, and payloads on their way are the disperser's."""

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the book in `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        await to_thread.run_sync(self._running.book.copy_to, directory / BOOK)

    async def resume(self) -> None:
        """It never stopped."""

    @property
    def _running(self) -> _Running:
        if self._parts is None:
            raise GatewayStoppedError
        return self._parts


async def _start_http(
    app: JsonRpcApplication, settings: DaGatewaySettings, limits: HttpLimits, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED
) -> None:
    await serve(app, settings.host, settings.port, limits=limits, task_status=task_status)


def _open_book(folder: Path | None) -> Book:
    if folder is None:
        return Book(None)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Book(folder / BOOK)


def _address(text: str | None) -> Address | None:
    try:
        return None if text is None else Address.from_json(text)
    except ValueError as error:
        raise GatewaySettingsError(f"the setting `entrance` is an address, not {text!r}: {error}") from None
