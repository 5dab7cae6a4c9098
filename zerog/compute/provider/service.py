"""The role: registers its service, answers requests with engines, charges for them, and settles what is owed."""

import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.compute.protocol.attestation import Enclave
from zerog.compute.provider.auth import Authenticator
from zerog.compute.provider.billing import Billing
from zerog.compute.provider.book import Book
from zerog.compute.provider.book.proofs import SettlementProofs
from zerog.compute.provider.book.sums import read_sums
from zerog.compute.provider.catalogue import Catalogue
from zerog.compute.provider.chain import ProviderChain
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.enclave import load_simulated_enclave
from zerog.compute.provider.engines import EnginePool, ExactEngine, ModelMissingError, PooledEngine
from zerog.compute.provider.errors import NotAcknowledgedError, NotKeptError, ProviderStoppedError
from zerog.compute.provider.limits import Limits
from zerog.compute.provider.metrics import render_metrics
from zerog.compute.provider.offer import offer_of, trust_of
from zerog.compute.provider.place import BOOK_FILE, Place, book_url, broker_name, find_place, folder_of
from zerog.compute.provider.publishing import Publisher, publishing
from zerog.compute.provider.routes.application import HTTP_LIMITS, ProviderApplication
from zerog.compute.provider.serving import serving
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.compute.provider.settler import Settler, SettlerOptions
from zerog.contracts.compute import ServiceParams
from zerog.primitives import Account
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.pages import RolePages
from zerog.runtime.server import serve

__all__ = ["ComputeProvider"]

log = structlog.get_logger(__name__)

SWITCH_S: Final = 0.0005
"""How long a busy event loop may keep the interpreter from the thread that writes the books; Python's own 5 ms would show."""
KEY_FILE: Final = "enclave.json"


class ComputeProvider:
    """One broker of a provider."""

    def __init__(
        self,
        settings: ComputeProviderSettings,
        clock: Clock | None = None,
        *,
        account: Account | None = None,
        enclave: Enclave | None = None,
        engines: Mapping[str, PooledEngine] | None = None,
        name: str = "compute",
    ) -> None:
        """`account` pays for transactions and is paid by settlements, by default the one of the settings; `enclave` keeps the signing
        key, by default a simulated one; `engines` answer in place of those of the settings. `name` is that of the control socket."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.url: str | None = None
        self._account: Final = account
        self._enclave: Final = enclave
        self._engines: Final = engines
        self._running: _Running | None = None

    @property
    def running(self) -> "_Running":
        """The parts of a provider that runs. Raises `ProviderStoppedError`."""
        if self._running is None:
            raise ProviderStoppedError
        return self._running

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, then settle what is owed. Reports its URL once it answers; a part that fails stops the whole provider.

        Raises `NodeUnreachableError` when no chain answers, `ProviderSettingsError`, `EnclaveKeyError`, `BookUnusableError`,
        `EngineSettingsError` and `PortInUseError`.
        """
        sys.setswitchinterval(SWITCH_S)
        settings = self.settings
        with folder_of(settings) as folder:
            enclave = self._enclave
            if enclave is None:
                enclave = await to_thread.run_sync(load_simulated_enclave, folder / KEY_FILE)
            async with (
                AsyncChainClient(settings.chain_url) as client,
                await Book.open(book_url(settings, folder), broker_id=broker_name(settings, folder), clock=self.clock) as book,
            ):
                place = await patiently(partial(find_place, client, settings, self._account))
                await book.bind(str(place))
                chain = ProviderChain(client, place.account, place.contract, chain_id=place.chain_id, clock=self.clock)
                options = SettlerOptions(force_s=settings.settle_interval_s, check_s=settings.settle_check_s)
                settler = Settler(book, chain, enclave.signer, self.clock, options)
                async with (
                    publishing(settings, book, chain, settler, self.clock) as publisher,
                    serving(settings, self._engines, role=self.name) as (pool, catalogue),
                ):
                    desk, app = self._assemble(place, catalogue, enclave, book, pool, chain)
                    await self._serve_all(_Running(place, desk, app, pool, chain, settler, publisher), task_status)

    async def _serve_all(self, running: "_Running", task_status: TaskStatus[str]) -> None:
        try:
            async with create_task_group() as parts:
                self.url = await parts.start(self._serve, running, name=f"{self.name}.http")
                self._running = running
                offer = running.offer(self.settings, self.url)
                await parts.start(running.chain.run, offer, name=f"{self.name}.chain")
                await parts.start(running.settler.run, name=f"{self.name}.settler")
                parts.start_soon(running.publisher.run, name=f"{self.name}.publisher")
                parts.start_soon(running.app.jobs.work, name=f"{self.name}.jobs")
                parts.start_soon(running.desk.run_giving_back, name=f"{self.name}.giving_back")
                log.info("provider_ready", url=self.url, provider=str(running.place.account.address), model=offer.model)
                task_status.started(self.url)
        finally:
            self._running, self.url = None, None

    def _assemble(
        self, place: Place, catalogue: Catalogue, enclave: Enclave, book: Book, pool: EnginePool, chain: ProviderChain
    ) -> tuple[Desk, ProviderApplication]:
        settings, address = self.settings, place.account.address

        async def is_acknowledged() -> bool:
            service = await chain.service()
            return service is not None and service.is_signer_acknowledged

        desk = Desk(
            address=address,
            address_header=str(address).encode(),
            catalogue=catalogue,
            limits=Limits(settings.limit_rules, self.clock),
            authenticator=Authenticator(address, chain, self.clock),
            book=book,
            engines=pool,
            billing=Billing(address, place.chain_id, enclave, self.clock),
            enclave=enclave,
            clock=self.clock,
            is_acknowledged=is_acknowledged,
            settlement_of=SettlementProofs(book, provider=address, contract=place.contract).shown_place_of,
            trust=trust_of(enclave),
            public_url=lambda: settings.public_url or self.url or "",
            jobs_waiting_max=settings.jobs_waiting,
            picture_rules=settings.picture_rules,
        )
        rules = AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, dev_methods=False)
        return desk, ProviderApplication(desk, Guard(rules), RolePages(probe=self.probe, metrics=self.metrics))

    async def _serve(self, running: "_Running", *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        await serve(running.app, self.settings.host, self.settings.port, limits=HTTP_LIMITS, task_status=task_status)

    def metrics(self) -> bytes:
        """What the provider counts, in the text format of Prometheus."""
        return render_metrics(self.running.desk, self.running.pool.engines.values())

    async def probe(self) -> Mapping[str, object]:
        """See that the service stands on chain with an acknowledged signer, and that its engines answer. Raises a `ZerogError`."""
        running = self.running
        service = await running.chain.service()
        if service is None or not service.is_signer_acknowledged:
            raise NotAcknowledgedError(by_user=False)
        models: dict[str, int] = {}
        for name, engine in running.pool.engines.items():
            models[name] = len(await engine.models())
        return {"provider": str(running.place.account.address), "model": service.params.model, "engines": models}

    @property
    def missing(self) -> ModelMissingError | None:
        """Why nothing can be answered, with what helps: there is no model. Raises `ProviderStoppedError`."""
        engines = self.running.pool.engines.values()
        return next((engine.missing for engine in engines if isinstance(engine, ExactEngine) and engine.missing is not None), None)

    @property
    def trouble(self) -> str | None:
        """The same in words; `None` where there is a model. Raises `ProviderStoppedError`."""
        missing = self.missing
        return None if missing is None else f"no model: {missing.remedy}"

    def release_models(self) -> None:
        """Let engines of this process give back the memory of their models, which nobody is expected to ask soon."""
        for engine in self.running.pool.engines.values():
            if isinstance(engine, ExactEngine):
                engine.release()

    def status(self) -> Mapping[str, object]:
        """What the provider knows about itself; JSON values only."""
        running = self.running
        desk = running.desk
        return {
            "url": self.url,
            "provider": str(running.place.account.address),
            "contract": str(running.place.contract),
            "chain_id": running.place.chain_id,
            "signer": str(desk.enclave.signer.address),
            "simulated": desk.enclave.is_simulated,
            "models": [model.id for model in desk.catalogue.models],
            "engines": sorted(running.pool.engines),
            "charged": desk.tally.charged,
            "refused": desk.tally.refused,
            "under_way": desk.limits.concurrent,
            "registered": running.chain.is_registered,
            "trouble": self.trouble or running.chain.trouble or running.chain.registration_trouble,
            "model_command": None if self.missing is None else self.missing.command,
            "settler": running.settler.status(),
            "publisher": running.publisher.status(),
        }

    async def books(self) -> Mapping[str, object]:
        """What was charged, paid and is owed in all; JSON values only. Raises `BookUnavailableError`."""
        sums = await self.running.desk.book.read(read_sums)
        return {"requests": sums.requests, "settled_wei": str(sums.settled_wei), "unsettled_wei": str(sums.unsettled_wei)}

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self.running.chain.wait_until_level()

    async def quiesce(self, block: int) -> None:  # noqa: ARG002 - what is charged does not wait for blocks.
        """Let those requests end that are under way; others wait. All that was answered is durable already."""
        await self.running.desk.gate.close()

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the books and of the enclave's key in `directory`. Raises `NotKeptError`."""
        folder = self.settings.data_dir
        if folder is None or self.settings.database is not None:
            raise NotKeptError
        await to_thread.run_sync(_copy, folder, directory)

    async def resume(self) -> None:
        """Take requests again."""
        self.running.desk.gate.open()


class _Running:
    """The parts of a provider, while it runs."""

    def __init__(
        self,
        place: Place,
        desk: Desk,
        app: ProviderApplication,
        pool: EnginePool,
        chain: ProviderChain,
        settler: Settler,
        publisher: Publisher,
    ) -> None:
        self.place: Final = place
        self.desk: Final = desk
        self.app: Final = app
        self.pool: Final = pool
        self.chain: Final = chain
        self.settler: Final = settler
        self.publisher: Final = publisher

    def offer(self, settings: ComputeProviderSettings, url: str) -> ServiceParams:
        """What the provider offers on chain; it listens at `url`."""
        desk = self.desk
        first = desk.catalogue.first
        engine, _ = self.pool.choose(first.service_type, first.id)
        return offer_of(
            desk.catalogue,
            desk.enclave,
            settings.public_url or url,
            engine.identity,
            indexer=settings.receipts_indexer,
            disperser=settings.receipts_disperser,
        )


def _copy(folder: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / BOOK_FILE)) as source, closing(sqlite3.connect(directory / BOOK_FILE)) as copy:
        source.backup(copy)
    if (folder / KEY_FILE).exists():
        shutil.copy2(folder / KEY_FILE, directory / KEY_FILE)
