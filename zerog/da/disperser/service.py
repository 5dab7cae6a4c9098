"""The role: takes blobs, carries them to a quorum, and gives them back."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.da.client.chain import CHAIN_FAILURES, DaChain
from zerog.da.client.encoder import AsyncEncoderClient
from zerog.da.client.retriever import AsyncRetrieverClient
from zerog.da.disperser.account import ChainAccount
from zerog.da.disperser.blob_files import BlobFiles
from zerog.da.disperser.carrier import Carrier
from zerog.da.disperser.chain_news import ChainNews
from zerog.da.disperser.errors import DisperserDataError, DisperserStoppedError
from zerog.da.disperser.metrics import render_metrics
from zerog.da.disperser.place import BOOKS_FILE, account_of, entrance_of, folder_of
from zerog.da.disperser.rpc import serve_disperser
from zerog.da.disperser.running import Running
from zerog.da.disperser.sender import Sender
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.disperser.signing import Signers
from zerog.da.disperser.steps import Carried, Parts
from zerog.da.disperser.store import Store
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.quorum import Quorum, rows_needed
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Account, Address
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.pages import RolePages
from zerog.runtime.http.side import serve_side_pages

__all__ = ["DaDisperser"]

log = structlog.get_logger(__name__)

PLACE_FACT: Final = "place"
STATES: Final = (BlobStatus.PROCESSING, BlobStatus.CONFIRMED, BlobStatus.FINALIZED, BlobStatus.FAILED)
"""Those that blobs can be in, in the order of their way."""
QUORUM_S_MAX: Final = 1.0
"""How long the chain is asked who signs."""


class DaDisperser:
    """One disperser with its gRPC server."""

    def __init__(
        self,
        settings: DaDisperserSettings,
        clock: Clock | None = None,
        *,
        account: Account | None = None,
        on_step: Callable[[Carried], Awaitable[None]] | None = None,
        name: str = "disperser",
    ) -> None:
        """`account` pays for transactions, by default the one of the settings. `on_step` is told of each step that a blob has taken, after
        it is in the books."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.address: str | None = None
        """`host:port` of gRPC, while it runs."""
        self.http_url: str | None = None
        self._account: Final = account
        self._on_step: Final = on_step
        self._running: Running | None = None

    @property
    def running(self) -> Running:
        """The parts of a disperser that runs. Raises `DisperserStoppedError`."""
        if self._running is None:
            raise DisperserStoppedError
        return self._running

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its address (`host:port`) once it answers; a part that fails stops the whole disperser.

        Raises `NodeUnreachableError` when a first start finds no chain, `EntranceUnknownError`, `DisperserSettingsError`,
        `DisperserDataError`, `LockHeldError` and `PortInUseError`.
        """
        with folder_of(self.settings) as folder:
            async with AsyncExitStack() as closing:
                self._running = await self._open(folder, closing)
                try:
                    await self._serve_all(self._running, task_status)
                finally:
                    self._running, self.address, self.http_url = None, None, None

    async def _serve_all(self, running: Running, task_status: TaskStatus[str]) -> None:
        settings, parts = self.settings, running.parts
        await parts.sender.load()
        for row in await parts.store.open_blobs():
            running.carrier.take(row, resumed=True)
        async with create_task_group() as tasks:
            if settings.http_port is not None:
                pages = RolePages(probe=self.probe, metrics=self.metrics)
                access = AccessRules(bind_host=settings.host, dev_methods=False)
                self.http_url = await tasks.start(serve_side_pages, pages, access, settings.http_port)
            tasks.start_soon(parts.news.run, name=f"{self.name}.news")
            tasks.start_soon(parts.sender.run, name=f"{self.name}.sender")
            tasks.start_soon(running.carrier.run, name=f"{self.name}.carrier")
            tasks.start_soon(running.forget_old, name=f"{self.name}.forgetting")
            self.address = await tasks.start(self._serve, name=f"{self.name}.grpc")
            log.info("disperser_ready", address=self.address, resumed=len(running.carrier.blobs))
            task_status.started(self.address)

    async def _open(self, folder: Path, closing: AsyncExitStack) -> Running:
        settings = self.settings
        store = await Store.open(folder / BOOKS_FILE)
        closing.push_async_callback(_shielded, store.close)
        client = await closing.enter_async_context(AsyncChainClient(settings.chain_url))
        chain = await self._find_chain(client, store, folder)
        account = self._account or account_of(settings, chain)
        files = BlobFiles(folder)
        await to_thread.run_sync(files.open, await store.kept_files())
        encoder = await closing.enter_async_context(AsyncEncoderClient(settings.encoder))
        retriever = await closing.enter_async_context(AsyncRetrieverClient(settings.retriever))
        news = ChainNews(client, chain.entrance, finalized_blocks=settings.finalized_blocks)
        signers = Signers(chain, files, try_s=settings.sign_try_s)
        closing.push_async_callback(_shielded, signers.close)
        parts = Parts(
            chain=chain,
            store=store,
            files=files,
            encoder=encoder,
            sender=Sender(ChainAccount(chain, account), store, news, self.clock),
            signers=signers,
            news=news,
            clock=self.clock,
            limits=settings.limits,
        )
        carrier = Carrier(parts, at_once=settings.at_once, on_step=self._on_step)
        return Running(settings, parts, carrier, retriever)

    async def _find_chain(self, client: AsyncChainClient, store: Store, folder: Path) -> DaChain:
        """The chain that the books belong to. One that has been started before does without it until it answers."""
        kept = await store.fact(PLACE_FACT)
        find = partial(DaChain.find, client, entrance_of(self.settings))
        try:
            chain = await (patiently(find) if kept is None else find())
        except CHAIN_FAILURES as error:
            if kept is None:
                raise
            log.warning("chain_unreachable_at_start", cause=str(error))
            return _chain_of(client, kept)
        found = json.dumps({"chain_id": chain.chain_id, "entrance": str(chain.entrance), "is_own": chain.is_own})
        if kept is not None and json.loads(kept) != json.loads(found):
            raise DisperserDataError(folder, f"its blobs are on their way on {kept}, and the chain node is of {found}")
        await store.keep_fact(PLACE_FACT, found)
        return chain

    async def _serve(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        await serve_disperser(self, task_status=task_status)

    def metrics(self) -> bytes:
        """What the disperser counts, in the text format of Prometheus."""
        return render_metrics(self.running)

    async def probe(self) -> Mapping[str, object]:
        """Disperse a few bytes the first time, and read them back. Raises a `ZerogError`."""
        return await self.running.probe()

    def status(self) -> Mapping[str, object]:
        """What the disperser knows about itself; JSON values only."""
        running = self.running
        parts = running.parts
        return {
            "address": self.address,
            "chain_id": parts.chain.chain_id,
            "entrance": str(parts.chain.entrance),
            "chain_head": parts.news.number,
            "open_blobs": len(running.carrier.blobs),
            "pending_bytes": running.carrier.pending_bytes,
            "received": running.received,
            "finalized": running.carrier.finalized,
            "failed": running.carrier.failed,
            "transactions": parts.sender.sent,
            "wrong_signatures": {str(signer): count for signer, count in parts.signers.liars.items()},
            "trouble": parts.sender.trouble or parts.news.trouble,
        }

    async def books(self) -> Mapping[str, object]:
        """How many blobs there are of each state, and who signs new ones: `None` where the chain does not say. JSON values only."""
        parts = self.running.parts
        counts = await parts.store.counts()
        quorum: Quorum | None = None
        with suppress(DaError, *CHAIN_FAILURES):
            with anyio.move_on_after(QUORUM_S_MAX):
                quorum = await parts.chain.quorum(await parts.chain.epoch_number(), 0)
        return {"blobs": {status.name.lower(): counts.get(status, 0) for status in STATES}, "quorum": _shown(quorum)}

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self.running.parts.news.wait_until_level()

    async def quiesce(self, block: int) -> None:  # noqa: ARG002 - what a blob has reached is in the books, whatever the block.
        """Take no blob and no step. What is under way outside goes on, and is heard of after `resume`."""
        await self.running.gate.close()
        await self.running.carrier.gate.close()

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the books in `directory`, and the blobs as hard links."""
        parts = self.running.parts
        await parts.store.copy_to(directory / BOOKS_FILE)
        await to_thread.run_sync(parts.files.link_to, directory)

    async def resume(self) -> None:
        """Go on."""
        self.running.carrier.gate.open()
        self.running.gate.open()


async def _shielded(close: Callable[[], Awaitable[None]]) -> None:
    with anyio.CancelScope(shield=True):
        await close()


def _shown(quorum: Quorum | None) -> dict[str, object] | None:
    if quorum is None:
        return None
    rows = {str(signer): len(owned) for signer, owned in quorum.rows_by_signer.items()}
    return {"epoch": quorum.epoch, "rows": quorum.total, "rows_needed": rows_needed(quorum.total), "rows_by_signer": rows}


def _chain_of(client: AsyncChainClient, kept: str) -> DaChain:
    fact = json.loads(kept)
    return DaChain(client, Address.from_json(fact["entrance"]), chain_id=int(fact["chain_id"]), is_own=bool(fact["is_own"]))
