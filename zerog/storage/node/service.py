"""The role: follows the flow, keeps files, serves them, and answers for itself."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

import anyio
import msgspec
import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskGroup, TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.contracts.storage import Extend, Submit
from zerog.primitives import Account
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.gate import Gate
from zerog.runtime.http.asgi import AsgiApplication
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import BULK_LIMITS
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve
from zerog.storage.following import ChainNotFollowedError, ChainView, Identity, identify
from zerog.storage.node.bulk import BULK_PATH, BulkRoutes
from zerog.storage.node.compacting import Compacting
from zerog.storage.node.counters import Counters
from zerog.storage.node.duty import Duty
from zerog.storage.node.errors import NodeStoppedError, NotKeptError
from zerog.storage.node.files import Files
from zerog.storage.node.flow_reads import FlowReads
from zerog.storage.node.growth import Coin, Growth, toss
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.live_shard import LiveShard
from zerog.storage.node.metrics import render_metrics
from zerog.storage.node.mining import MinedNode, Miner, miner_account, miner_settings, mining_contract
from zerog.storage.node.peers import Peers
from zerog.storage.node.pruning import Pruning, PruningOptions
from zerog.storage.node.reads import Reads
from zerog.storage.node.repair import Repair
from zerog.storage.node.reward_view import RewardView
from zerog.storage.node.rpc import ADMIN_NAMESPACES, MINER_NAMESPACE, NAMESPACES
from zerog.storage.node.scrubbing import Scrubbing
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.store import Store, StoreDamagedError, StoredSubmission, StoreFailedError, StoreOptions
from zerog.storage.node.sync import FlowFollower
from zerog.storage.node.upkeep import Upkeep
from zerog.storage.node.upload_cache import UploadCache
from zerog.storage.node.uploads import Uploads

__all__ = ["StorageNode"]

ADMIN_HOST: Final = "127.0.0.1"
STORE_FOLDER: Final = "store"
MINING_FOLDER: Final = "mining"
SEALED_FILES: Final = "sealed*"
"""What a copy of the node can do without: it is sealed again."""
SWITCH_S: Final = 0.0005
"""How long a busy event loop may keep the interpreter from the threads that verify and store; Python's own 5 ms halve the uploads."""
PROBE_FILES: Final = 16
"""Newest submissions among which the probe looks for a file to read back."""
GRPC_MODULE: Final = "zerog.storage.node.grpc"
LIMITS: Final = BULK_LIMITS
"""Ten segments of a Go client, which are 3.5 MB, and some more."""

log = structlog.get_logger(__name__)


class StorageNode:
    """One storage node with its RPC."""

    def __init__(
        self,
        settings: StorageNodeSettings,
        clock: Clock | None = None,
        *,
        coin: Coin = toss,
        name: str = "storage",
        miner: Account | None = None,
        on_shutdown: Callable[[], None] | None = None,
    ) -> None:
        """`coin` says which half of its shard the node keeps when it splits; `name` tells several nodes of one network apart. `miner` is
        the account that mines, if the settings ask for it; by default that of their key file.

        `admin_shutdown` calls `on_shutdown`; by default it ends `run`."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.url: str | None = None
        self.admin_url: str | None = None
        self.grpc_address: str | None = None
        """Known a moment after `url`."""
        self.application: AsgiApplication | None = None
        """What is served at `url`, for who is in the same process."""
        self._coin: Final = coin
        self._miner: Final = miner
        self._on_shutdown: Final = on_shutdown
        self._keeper: Keeper | None = None
        self._dispatchers: tuple[Dispatcher, ...] = ()
        self._gate = Gate()
        self._is_quiet = False

    @property
    def keeper(self) -> Keeper:
        """All parts of the running node. Raises `NodeStoppedError`."""
        if self._keeper is None:
            raise NodeStoppedError
        return self._keeper

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole node.

        Raises `NodeUnreachableError` when a first start finds no chain, `ForeignChainError`, `FlowUnknownError`, `FlowMismatchError`,
        `PortInUseError`, `StorageSettingsError` for a miner without an account or a contract, and what opening the store raises.
        """
        sys.setswitchinterval(SWITCH_S)
        miner = self._miner_account()
        async with AsyncChainClient(self.settings.chain_url) as client:
            identity = await identify(client, data_dir=self.settings.data_dir, flow=self.settings.flow_address)
            data_dir = self.settings.data_dir
            options = StoreOptions(disk_bytes_max=self.settings.disk_bytes_max)
            folder = None if data_dir is None else data_dir / STORE_FOLDER
            store = await to_thread.run_sync(partial(Store.open, folder, options=options))
            try:
                async with create_task_group() as parts:
                    keeper = self._assemble(store, identity, client, self._on_shutdown or parts.cancel_scope.cancel, miner)
                    self._keeper = keeper
                    parts.start_soon(keeper.follower.run, name=f"{self.name}.follow")
                    parts.start_soon(keeper.uploads.run_expiry, self.settings.cache_s, name=f"{self.name}.expiry")
                    parts.start_soon(keeper.peers.run, name=f"{self.name}.peers")
                    parts.start_soon(keeper.upkeep.run, keeper.follower, name=f"{self.name}.upkeep")
                    if keeper.miner is not None:
                        parts.start_soon(keeper.miner.run, name=f"{self.name}.miner")
                    await self._start_surfaces(keeper, parts)
                    log.info("node_ready", url=self.url, admin=self.admin_url, shard=str(keeper.shard), submissions=store.next_seq)
                    task_status.started(self.url or "")
            finally:
                with anyio.CancelScope(shield=True):
                    if self._keeper is not None:
                        _note_progress(self._keeper)
                    self._keeper, self._dispatchers, self.application = None, (), None
                    await to_thread.run_sync(store.close)
                    self.url, self.admin_url, self.grpc_address = None, None, None

    def _miner_account(self) -> Account | None:
        """Who mines; nobody if nobody asked for it. Raises `StorageSettingsError` where the account is not known."""
        if not self.settings.mine:
            return None
        return self._miner or miner_account(self.settings)

    def _assemble(
        self, store: Store, identity: Identity, client: AsyncChainClient, stop: Callable[[], None], miner: Account | None
    ) -> Keeper:
        settings, clock, counters = self.settings, self.clock, Counters()
        shard = LiveShard.of(settings.data_dir, settings.own_shard)
        files = Files(store, shard.shard)
        cache = UploadCache(bytes_max=settings.cache_bytes_max, files_max=settings.cache_files_max, kept_s=settings.cache_s)
        uploads = Uploads(
            files,
            cache,
            self._gate,
            clock,
            counters,
            verify_threads=settings.verify_threads,
            cached_file_bytes_max=settings.cached_file_bytes_max,
        )
        peers = Peers(files, self._gate, settings, clock, counters)

        async def announce(submissions: Sequence[StoredSubmission]) -> None:
            await uploads.announced(submissions)
            peers.announced(submissions, are_new=follower.is_synced)

        view = ChainView(client, identity.flow, interval_s=settings.sync_interval_s, topics=(Submit.TOPIC, Extend.TOPIC))
        follower = FlowFollower(view, files, settings, clock, counters, announce)
        reads = Reads(store, counters)
        flow_reads = FlowReads(store, reads, follower)
        node = MinedNode(files=files, reads=flow_reads, follower=follower, counters=counters)
        rewards = RewardView(client, identity.flow, identity.chain_id, chunk_sectors=settings.pricing_chunk_sectors)
        return Keeper(
            settings=settings,
            chain_id=identity.chain_id,
            flow=identity.flow,
            store=store,
            files=files,
            uploads=uploads,
            reads=reads,
            flow_reads=flow_reads,
            follower=follower,
            peers=peers,
            upkeep=self._upkeep(files, shard, peers, counters, rewards),
            counters=counters,
            miner=None if miner is None else self._make_miner(miner, node, client, identity),
            stop=stop,
        )

    def _make_miner(self, account: Account, node: MinedNode, client: AsyncChainClient, identity: Identity) -> Miner:
        """Raises `StorageSettingsError` where the contract is not known."""
        folder = (self.settings.data_dir or node.files.store.folder) / MINING_FOLDER
        settings = miner_settings(self.settings, identity, account, folder)
        return Miner(settings, mining_contract(settings, client, identity), node, self._gate)

    def _upkeep(self, files: Files, shard: LiveShard, peers: Peers, counters: Counters, rewards: RewardView) -> Upkeep:
        settings, clock = self.settings, self.clock
        options = PruningOptions(
            is_on=not settings.keep_expired,
            grace_s=settings.prune_grace_s,
            skew_s_max=settings.clock_skew_s,
            interval_s=settings.upkeep_interval_s,
        )
        pruning = Pruning(files, self._gate, clock, counters, rewards, options, peers.order)
        growth = Growth(
            files,
            self._gate,
            clock,
            counters,
            shard,
            data_dir=settings.data_dir,
            bytes_max=settings.shard_bytes_max,
            interval_s=settings.upkeep_interval_s,
            coin=self._coin,
        )
        compacting = Compacting(
            files.store,
            clock,
            dead_share=settings.dead_share,
            bytes_s=settings.compaction_bytes_s,
            interval_s=settings.upkeep_interval_s,
        )
        scrubbing = Scrubbing(files.store, clock, counters, mib_s=settings.scrub_mib_s, interval_s=settings.scrub_interval_s)
        repair = Repair(files, peers, clock, counters, orphans_kept_s=settings.orphans_kept_s)
        duty = Duty(files, clock, settings.upkeep_interval_s)
        return Upkeep(pruning=pruning, growth=growth, compacting=compacting, scrubbing=scrubbing, repair=repair, duty=duty)

    async def _start_surfaces(self, keeper: Keeper, parts: TaskGroup) -> None:
        """Every port of the node, the one that everybody asks last."""
        settings = self.settings
        is_one_port = settings.admin_port == settings.rpc_port != 0
        for_operators = ADMIN_NAMESPACES if keeper.miner is None else (*ADMIN_NAMESPACES, MINER_NAMESPACE)
        public = Dispatcher(keeper, (*NAMESPACES, *for_operators) if is_one_port else NAMESPACES)
        self._dispatchers = (public,)
        if not is_one_port:
            admin = Dispatcher(keeper, for_operators)
            self._dispatchers = (public, admin)
            app = JsonRpcApplication(admin, self._guard(ADMIN_HOST), is_anywhere=True)
            self.admin_url = await parts.start(serve, app, ADMIN_HOST, settings.admin_port, name=f"{self.name}.admin")
        app = self.application = JsonRpcApplication(
            public,
            self._guard(settings.host),
            pages=RolePages(probe=self.probe, metrics=self.metrics),
            limits=LIMITS,
            mounts={BULK_PATH: BulkRoutes(keeper)},
            is_anywhere=True,
        )

        async def serve_public(*, task_status: TaskStatus[str]) -> None:
            await serve(app, settings.host, settings.rpc_port, limits=LIMITS, task_status=task_status)

        self.url = await parts.start(serve_public, name=f"{self.name}.rpc")
        if is_one_port:
            self.admin_url = self.url
        parts.start_soon(self._serve_grpc, keeper, name=f"{self.name}.grpc")

    async def _serve_grpc(self, keeper: Keeper) -> None:
        """gRPC is loaded when everything else answers, because it takes a tenth of a second and no published client uses it."""
        module = await to_thread.run_sync(import_module, GRPC_MODULE)
        async with create_task_group() as parts:
            address = await parts.start(module.serve_grpc, keeper.uploads, self.settings.host, self.settings.grpc_port)
            self.grpc_address = address
            log.info("grpc_ready", address=address)

    def _guard(self, host: str) -> Guard:
        return Guard(AccessRules(bind_host=host, allowed_hosts=self.settings.allowed_host_names, token=self.settings.token))

    def metrics(self) -> bytes:
        """What the node counts, in the text format of Prometheus."""
        return render_metrics(self.keeper, *self._dispatchers)

    async def probe(self) -> Mapping[str, object]:
        """Read back a segment of the newest complete file, and say how far the chain was read. Raises `ZerogError`."""
        keeper = self.keeper
        if keeper.store.failure is not None:
            raise keeper.store.failure
        if keeper.follower.trouble is not None:
            raise ChainNotFollowedError(keeper.follower.trouble)
        next_seq = keeper.store.next_seq
        for submission in reversed(keeper.store.submissions(max(0, next_seq - PROBE_FILES), PROBE_FILES)):
            required = keeper.files.required(submission)
            if keeper.files.is_finalized(submission) and len(required):
                if await keeper.reads.with_proof(submission, required[0]) is None:
                    raise StoreDamagedError(keeper.store.folder, f"segment {required[0]} of {submission.root} cannot be read back")
                return {**keeper.follower.status(), "read_back": submission.seq}
        return {**keeper.follower.status(), "read_back": None}

    def status(self) -> Mapping[str, object]:
        """What the node knows about itself; JSON values only."""
        keeper = self.keeper
        return {
            "url": self.url,
            "admin_url": self.admin_url,
            "grpc_address": self.grpc_address,
            "chain_url": self.settings.chain_url,
            "chain_id": keeper.chain_id,
            "flow": str(keeper.flow),
            "shard": str(keeper.shard),
            **keeper.follower.status(),
            "cached_files": len(keeper.uploads.cache),
            "peers": {peer.url: peer.status(keeper.peers.now_s()) for peer in keeper.peers.all},
            "files_wanted": len(keeper.peers.wanted),
            "quiesced": self._is_quiet,
            "upkeep": keeper.upkeep.status(),
            "store": dict(keeper.store.statistics()),
            "miner": None if keeper.miner is None else msgspec.to_builtins(keeper.miner.status(), enc_hook=str),
        }

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self.keeper.follower.wait_until_level()

    async def quiesce(self, block: int) -> None:
        """Read the chain up to `block` (or its tip), then take nothing until `resume`. All that was answered is durable already."""
        keeper = self.keeper
        self._is_quiet = True
        keeper.follower.limit(block)
        await keeper.follower.wait_until_read(block)
        await self._gate.close()

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the node's files in `directory`. Raises `NotKeptError` for a node in a temporary folder."""
        if self.settings.data_dir is None:
            raise NotKeptError
        await to_thread.run_sync(_copy_node, self.keeper.store, self.settings.data_dir, directory)

    async def resume(self) -> None:
        """Take work again."""
        self._is_quiet = False
        self.keeper.follower.limit(None)
        self._gate.open()


def _note_progress(keeper: Keeper) -> None:
    """What is not noted is read again at the next start, so a disk that fails now costs nothing but that."""
    try:
        keeper.follower.note()
    except StoreFailedError as error:
        log.warning("progress_not_noted", cause=str(error))


def _copy_node(store: Store, source: Path, directory: Path) -> None:
    """The store copies itself, as of one moment; all other files are small."""
    shutil.copytree(source, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("lock", STORE_FOLDER, SEALED_FILES))
    store.copy_to(directory / STORE_FOLDER)
