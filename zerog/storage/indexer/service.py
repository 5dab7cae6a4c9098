"""The role: knows the nodes, answers where they and files are, and stands in front of them."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.asgi import AsgiApplication, Receive, Scope, Send
from zerog.runtime.http.errors import PathNotFoundError
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import BULK_LIMITS
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve
from zerog.storage.indexer.budget import ByteBudget
from zerog.storage.indexer.discovery import Discovery
from zerog.storage.indexer.errors import NoNodeError
from zerog.storage.indexer.files import FileFinder
from zerog.storage.indexer.locations import Locations
from zerog.storage.indexer.metrics import render_metrics
from zerog.storage.indexer.nodes import NodeDirectory, covers
from zerog.storage.indexer.router import Router
from zerog.storage.indexer.router.application import NODE_PATH, RouterApplication
from zerog.storage.indexer.router.methods import merged_status
from zerog.storage.indexer.router.uploads import Uploads
from zerog.storage.indexer.rpc import indexer
from zerog.storage.indexer.segments import SegmentReader
from zerog.storage.indexer.settings import IndexerSettings

__all__ = ["StorageIndexer"]

STATUS_PATH: Final = f"{NODE_PATH}/status"

log = structlog.get_logger(__name__)


class StorageIndexer:
    """One indexer with its router and gateway."""

    name: Final = "indexer"

    def __init__(
        self,
        settings: IndexerSettings,
        clock: Clock | None = None,
        dice: random.Random | None = None,
        *,
        near: Mapping[str, AsgiApplication] | None = None,
    ) -> None:
        """`near` are applications of trusted nodes in this very process, by their URLs: they are asked past all sockets."""
        self.settings = settings
        self.clock = clock or SystemClock()
        self.url: str | None = None
        self.directory: Final = NodeDirectory(settings.nodes, self.clock, near)
        self.finder: Final = FileFinder(self.directory)
        self.discovery: Final = Discovery(self.directory, settings.admin_urls, settings.discover_ports)
        self.locations: Final = Locations(self.directory, self.finder, self.discovery, dice or random.SystemRandom())
        reader = SegmentReader(self.directory, slow_s=settings.hedge_s)
        self.router: Final = Router(self.directory, self.finder, reader, Uploads(self.directory, self.finder))
        self._gateway: AsgiApplication | None = None
        self.budget: Final = ByteBudget(settings.buffer_bytes)
        self._dispatcher: Final = Dispatcher(self.locations, [indexer])
        self._node_app: Final = RouterApplication(self.router, body_bytes_max=settings.body_bytes_max)

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole indexer."""
        try:
            async with create_task_group() as parts:
                await self.directory.look()
                parts.start_soon(self.directory.watch, name="indexer.watch")
                if self.discovery.is_possible:
                    parts.start_soon(self.discovery.run, name="indexer.discovery")
                self.url = await parts.start(self._serve, name="indexer.http")
                if self.settings.router:
                    self.locations.router_url = (self.settings.public_url or self.url).rstrip("/") + NODE_PATH
                    self.locations.router_since = int(self.clock.unix_s())
                log.info("indexer_ready", url=self.url, nodes=len(self.settings.nodes))
                task_status.started(self.url)
        finally:
            self.url = None
            self.directory.close()
            self.discovery.close()

    async def _serve(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        settings = self.settings
        limits = replace(BULK_LIMITS, body_bytes_max=settings.body_bytes_max)
        guard = Guard(AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, dev_methods=False))
        mounts = {NODE_PATH: self._answer_node, "/file": self._answer_rest, "/files": self._answer_rest}
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        app = JsonRpcApplication(self._dispatcher, guard, pages=pages, limits=limits, mounts=mounts)
        await serve(app, settings.host, settings.port, limits=limits, task_status=task_status)

    @property
    def dispatchers(self) -> Mapping[str, Dispatcher]:
        """The methods that are answered here, by the part that answers them."""
        return {"indexer": self._dispatcher, "router": self._node_app.dispatcher}

    async def _answer_node(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is asked of the router; its path is also that of one of the REST routes."""
        if scope["path"] == STATUS_PATH and scope["method"] in ("GET", "HEAD"):
            await self._answer_rest(scope, receive, send)
        elif self.settings.router:
            await self._node_app(scope, receive, send)
        else:
            raise PathNotFoundError(scope["path"])

    async def _answer_rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette is imported once somebody asks for a file: it takes a tenth of a second."""
        if self._gateway is None:
            self._gateway = await to_thread.run_sync(self._make_gateway)
        await self._gateway(scope, receive, send)

    def _make_gateway(self) -> AsgiApplication:
        from zerog.storage.indexer.gateway.routes import make_gateway

        return make_gateway(self.router, self.locations, self.budget, folder_file_bytes_max=self.settings.folder_file_bytes_max)

    def metrics(self) -> bytes:
        """What the indexer counts, in the text format of Prometheus."""
        return render_metrics(self)

    async def probe(self) -> Mapping[str, object]:
        """See that the nodes that answer hold everything, and ask them how far they are. Raises `NoNodeError`."""
        nodes = await self.directory.live()
        if not covers(nodes):
            raise NoNodeError("every segment")
        status = await merged_status(self.router)
        return {"nodes": len(nodes), "block": status.log_sync_height, "files": status.next_tx_seq}

    def status(self) -> Mapping[str, object]:
        """What the indexer knows about itself; JSON values only."""
        directory = self.directory
        return {
            "url": self.url,
            "router": self.locations.router_url,
            "nodes": {node.url: str(node.shard) if node.shard is not None else None for node in directory.trusted},
            "discovered": {node.url: str(node.shard) if node.shard is not None else None for node in directory.discovered},
            "buffered_bytes": self.budget.used_bytes,
        }

    async def quiesce(self, block: int) -> None:
        """It keeps nothing, and the nodes answer for themselves."""

    async def checkpoint(self, directory: Path) -> None:
        """It keeps nothing."""

    async def resume(self) -> None:
        """It never stopped."""
