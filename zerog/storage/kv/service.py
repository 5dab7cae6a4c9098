"""The role: follows streams, fetches and applies their items, and answers for the keys in them."""

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, CapacityLimiter, create_task_group, to_thread
from anyio.abc import TaskGroup, TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.gate import Gate
from zerog.runtime.http.asgi import AsgiApplication
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve
from zerog.storage.following import ChainNotFollowedError, ChainView, Follower, FollowOptions, Identity, identify
from zerog.storage.kv.counters import Counters
from zerog.storage.kv.errors import KeyValueNodeStoppedError, StreamsNotKeptError
from zerog.storage.kv.fetch import Fetcher
from zerog.storage.kv.follower import StreamSink
from zerog.storage.kv.keeper import SLOW_READS_MAX, Keeper
from zerog.storage.kv.metrics import render_metrics
from zerog.storage.kv.proofs import Proofs
from zerog.storage.kv.replaying import Replay
from zerog.storage.kv.rpc import NAMESPACES
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.kv.sources import Sources
from zerog.storage.kv.store import KvStore, StoreFailedError

__all__ = ["KeyValueNode"]

STORE_FOLDER: Final = "store"
SWITCH_S: Final = 0.0005
"""How long the thread that applies items may keep the interpreter from the event loop that answers reads; Python's own time is 5 ms."""
LIMITS: Final = HttpLimits(body_bytes_max=32 << 20, requests_bytes_max=48 << 20, request_bytes_min=384 << 10)
"""The longest key has 16 MiB, a part of a value 256 KiB, and both are in base64."""

log = structlog.get_logger(__name__)


class KeyValueNode:
    """One key-value node with its RPC."""

    def __init__(self, settings: KeyValueNodeSettings, clock: Clock | None = None, *, name: str = "kv") -> None:
        """`name` tells several nodes of one network apart."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.url: str | None = None
        self.application: AsgiApplication | None = None
        """What is served at `url`, for who is in the same process."""
        self._keeper: Keeper | None = None
        self._dispatcher: Dispatcher | None = None
        self._gate = Gate()
        self._is_quiet = False

    @property
    def keeper(self) -> Keeper:
        """All parts of the running node. Raises `KeyValueNodeStoppedError`."""
        if self._keeper is None:
            raise KeyValueNodeStoppedError
        return self._keeper

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole node.

        Raises `NodeUnreachableError` when a first start finds no chain, `ForeignChainError`, `FlowUnknownError`, `PortInUseError`, and
        what opening the store raises.
        """
        sys.setswitchinterval(SWITCH_S)
        settings = self.settings
        async with AsyncChainClient(settings.chain_url) as client:
            identity = await identify(client, data_dir=settings.data_dir, flow=settings.flow_address)
            folder = None if settings.data_dir is None else settings.data_dir / STORE_FOLDER
            store = await to_thread.run_sync(partial(KvStore.open, folder, follow_all=settings.follows_all, streams=settings.streams))
            try:
                async with create_task_group() as parts:
                    keeper = self._keeper = self._assemble(store, identity, client)
                    parts.start_soon(keeper.sources.run, name=f"{self.name}.sources")
                    parts.start_soon(keeper.follower.run, name=f"{self.name}.follow")
                    parts.start_soon(keeper.fetcher.run, name=f"{self.name}.fetch")
                    parts.start_soon(keeper.replay.run, name=f"{self.name}.replay")
                    await self._start_surface(keeper, parts)
                    log.info("kv_node_ready", url=self.url, submissions=store.next_seq, follows_all=settings.follows_all)
                    task_status.started(self.url or "")
            finally:
                with anyio.CancelScope(shield=True):
                    if self._keeper is not None:
                        await _note_progress(self._keeper)
                    self._keeper, self._dispatcher, self.application = None, None, None
                    await to_thread.run_sync(store.close)
                    self.url = None

    def _assemble(self, store: KvStore, identity: Identity, client: AsyncChainClient) -> Keeper:
        settings, clock, counters = self.settings, self.clock, Counters()
        chain = ChainView(client, identity.flow, interval_s=settings.sync_interval_s)
        sources = Sources(indexer=settings.indexer_url, nodes=settings.nodes, clock=clock, counters=counters, threads=2 * settings.fetches)
        replay = Replay(store, self._gate, counters)
        fetcher = Fetcher(store, sources, settings, self._gate, clock, counters, replay.order)

        async def announce(first_seq: int) -> None:
            replay.order()
            await fetcher.look(first_seq)

        async def took_back() -> None:
            replay.order()
            await fetcher.begin_anew()

        sink = StreamSink(chain, store, announce, took_back)
        options = FollowOptions(first_block=settings.first_block, confirmations=settings.confirmations, page_blocks=settings.page_blocks)
        return Keeper(
            settings=settings,
            chain_id=identity.chain_id,
            flow=identity.flow,
            store=store,
            sink=sink,
            follower=Follower(chain, sink, options, clock, counters, retry_on=(StoreFailedError,)),
            sources=sources,
            fetcher=fetcher,
            replay=replay,
            proofs=Proofs(store, chain, sources, settings.keys),
            counters=counters,
            slow_reads=CapacityLimiter(SLOW_READS_MAX),
        )

    async def _start_surface(self, keeper: Keeper, parts: TaskGroup) -> None:
        settings = self.settings
        dispatcher = self._dispatcher = Dispatcher(keeper, NAMESPACES)
        rules = AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, token=settings.token)
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        app = self.application = JsonRpcApplication(dispatcher, Guard(rules), pages=pages, limits=LIMITS, is_anywhere=True)

        async def serve_all(*, task_status: TaskStatus[str]) -> None:
            await serve(app, settings.host, settings.port, limits=LIMITS, task_status=task_status)

        self.url = await parts.start(serve_all, name=f"{self.name}.rpc")

    def metrics(self) -> bytes:
        """What the node counts, in the text format of Prometheus. Raises `KeyValueNodeStoppedError`."""
        keeper = self.keeper
        if self._dispatcher is None:
            raise KeyValueNodeStoppedError
        return render_metrics(keeper, self._dispatcher)

    async def probe(self) -> Mapping[str, object]:
        """Read back the first key of the first stream, and say how far the chain was read. Raises `ZerogError`."""
        keeper = self.keeper
        if keeper.store.failure is not None:
            raise keeper.store.failure
        if keeper.follower.trouble is not None:
            raise ChainNotFollowedError(keeper.follower.trouble)
        read_back = await to_thread.run_sync(_read_back, keeper.store)
        return {**keeper.follower.status(), "applied_seq": keeper.store.progress().applied_seq, "read_back": read_back}

    def status(self) -> Mapping[str, object]:
        """What the node knows about itself; JSON values only."""
        keeper = self.keeper
        progress = keeper.store.progress()
        return {
            "url": self.url,
            "chain_url": self.settings.chain_url,
            "chain_id": keeper.chain_id,
            "flow": str(keeper.flow),
            **keeper.follower.status(),
            "follows_all": self.settings.follows_all,
            "applied_seq": progress.applied_seq,
            "first_seq": progress.first_seq,
            "items_waiting": progress.waiting_items,
            "items_settled": progress.settled_items,
            "items_missing": len(keeper.fetcher.wishes),
            "nodes": {source.url: source.cause or "in use" for source in keeper.sources.all},
            "nodes_trouble": keeper.sources.trouble,
            "replay_trouble": keeper.replay.trouble,
            "quiesced": self._is_quiet,
            "store": dict(keeper.store.statistics()),
        }

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self.keeper.follower.wait_until_level()

    async def quiesce(self, block: int) -> None:
        """Read the chain up to `block` (or its tip), apply what is here, then change nothing until `resume`."""
        keeper = self.keeper
        self._is_quiet = True
        keeper.follower.limit(block)
        await keeper.follower.wait_until_read(block)
        await self._gate.close()
        await keeper.replay.settle()

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the node's files in `directory`. Raises `StreamsNotKeptError` for a node in a temporary folder."""
        if self.settings.data_dir is None:
            raise StreamsNotKeptError
        await to_thread.run_sync(_copy_node, self.keeper.store, self.settings.data_dir, directory)

    async def resume(self) -> None:
        """Take work again."""
        self._is_quiet = False
        self.keeper.follower.limit(None)
        self._gate.open()


def _read_back(store: KvStore) -> str | None:
    """The stream of which a key could be read; `None` where there is none yet."""
    streams, _ = store.list_streams(None, 1)
    if not streams:
        return None
    found = store.first(streams[0].stream, None)
    if found is not None:
        store.read(found, 0, min(found.size, 1))
    return str(streams[0].stream)


async def _note_progress(keeper: Keeper) -> None:
    """What is not noted is read again at the next start, so a disk that fails now costs nothing but that."""
    read = keeper.follower.read
    if read is None or keeper.follower.is_kept:
        return
    try:
        await keeper.sink.keep_mark(read)
    except StoreFailedError as error:
        log.warning("progress_not_noted", cause=str(error))


def _copy_node(store: KvStore, source: Path, directory: Path) -> None:
    """The store copies itself, as of one moment; all other files are small."""
    shutil.copytree(source, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lock", STORE_FOLDER))
    store.copy_to(directory / STORE_FOLDER)
