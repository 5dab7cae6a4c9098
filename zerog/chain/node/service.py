"""The role: opens the chain, makes its blocks, serves its RPC, and answers for itself."""

import shutil
import socket
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskGroup, TaskStatus

from zerog._kernel import Front, LedgerFailedError
from zerog.chain.client import AsyncChainClient
from zerog.chain.node.calls import QUICK_S_MAX
from zerog.chain.node.chain import Chain, open_chain
from zerog.chain.node.follow import Follower
from zerog.chain.node.metrics import render_metrics
from zerog.chain.node.rpc import NAMESPACES
from zerog.chain.node.rpc.web3 import client_version
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.chain.protocol.errors import ChainError
from zerog.networks import CLONE_SUFFIX, NetworkParams
from zerog.primitives import encode_data
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.front import plain_hosts
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve

__all__ = ["ChainNode", "NodeStoppedError", "NotKeptError"]

SWITCH_S: Final = 0.0005
"""How long a busy event loop may keep the interpreter from the thread that makes a block; Python's own 5 ms would be felt in each."""

FRONT_CONNECTIONS_MAX: Final = 256
"""Connections that are kept by the front; more are served without it."""

log = structlog.get_logger(__name__)


class NodeStoppedError(ChainError):
    """The node does not run, or not yet."""

    code = "node_stopped"
    remedy = "start the node and wait until it reports its URL"

    def __str__(self) -> str:
        return "the chain node is not running"


class NotKeptError(ChainError):
    """A chain in memory leaves nothing to copy."""

    code = "chain_not_kept"
    remedy = "give the node a data folder"

    def __str__(self) -> str:
        return "the chain is kept in memory only"


class ChainNode:
    """One chain with its RPC."""

    name: Final = "chain"

    def __init__(
        self,
        settings: ChainNodeSettings,
        network: NetworkParams,
        clock: Clock | None = None,
        *,
        others: bytes | None = None,
        supervisor: Path | None = None,
    ) -> None:
        """`others` is the genesis of a chain that others make; none for one of our own. `supervisor` is the control socket of whoever
        supervises the roles that follow the chain.

        Raises `SettingsError` when a copy of a public network, also one that is followed, would listen beyond this machine.
        """
        if network.is_clone:
            settings.check_stays_here(network.name.removesuffix(CLONE_SUFFIX))
        self.settings = settings
        self.network = network
        self.clock = clock or SystemClock()
        self.others = others
        self.supervisor = supervisor
        self.url: str | None = None
        self._chain: Chain | None = None
        self._dispatcher: Dispatcher | None = None
        self._front: Front | None = None
        self._parts: TaskGroup | None = None
        self._quiet_until: anyio.Event | None = None

    @property
    def chain(self) -> Chain:
        """The running chain. Raises `NodeStoppedError`."""
        if self._chain is None:
            raise NodeStoppedError
        return self._chain

    @property
    def dispatcher(self) -> Dispatcher:
        """The methods that the node answers. Raises `NodeStoppedError`."""
        if self._dispatcher is None:
            raise NodeStoppedError
        return self._dispatcher

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its URL once it answers; a part that fails stops the whole node."""
        sys.setswitchinterval(SWITCH_S)
        chain = self._chain = await to_thread.run_sync(open_chain, self.settings, self.network, self.clock, self.others)
        chain.supervisor = self.supervisor
        try:
            async with create_task_group() as self._parts:
                parts = self._parts
                parts.start_soon(chain.producer.run_interval, name="chain.interval")
                parts.start_soon(chain.producer.run_until_failure, name="chain.failure")
                parts.start_soon(_end_waits, chain, name="chain.end")
                if self.settings.follow is not None:
                    url = self.settings.follow
                    chain.follower = Follower(chain=chain, url=url, client=AsyncChainClient(url))
                    parts.start_soon(chain.follower.run, name="chain.follow")
                self.url = await parts.start(self._serve, name="chain.rpc")
                log.info("node_ready", url=self.url, chain_id=chain.ledger.chain_id, block=chain.head_number)
                task_status.started(self.url)
        finally:
            self._chain, self._parts, self._quiet_until, self._front, self.url = None, None, None, None, None
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(chain.ledger.close)

    async def _serve(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        settings = self.settings
        quick_s_max = min(QUICK_S_MAX, settings.call_time_s)
        quick_answer = partial(self.chain.ledger.quick_answer, gas_cap=CALL_GAS_MAX, time_limit_s=quick_s_max)
        self._dispatcher = Dispatcher(self.chain, NAMESPACES, quick_answer=quick_answer)
        rules = AccessRules(
            bind_host=settings.host,
            allowed_hosts=settings.allowed_host_names,
            dev_methods=settings.dev_methods,
            token=settings.dev_token,
        )
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        guard = Guard(rules)
        app = JsonRpcApplication(self._dispatcher, guard, pages=pages)

        def open_front(listener: socket.socket, wake: socket.socket, limits: HttpLimits) -> Front:
            self._front = self.chain.ledger.open_front(
                listener=listener.fileno(),
                wake=wake.fileno(),
                hosts=plain_hosts(guard, listener.getsockname()[1]),
                idle_s=limits.idle_s,
                connections_max=FRONT_CONNECTIONS_MAX,
                gas_cap=CALL_GAS_MAX,
                time_limit_s=quick_s_max,
            )
            return self._front

        has_front = sys.platform != "win32"
        await serve(app, settings.host, settings.rpc_port, open_front=open_front if has_front else None, task_status=task_status)

    def metrics(self) -> bytes:
        """What the node counts, in the text format of Prometheus."""
        if self._dispatcher is not None and self._front is not None:
            for method, calls, seconds in self._front.take_counts():
                self._dispatcher.count(method, calls, seconds)
        return render_metrics(self.chain, self._dispatcher)

    async def probe(self) -> Mapping[str, object]:
        """Make the first block of a fresh chain; on any other read back the newest one and what it holds. Raises `ZerogError`."""
        chain = self.chain
        if chain.head_number == 0 and self._quiet_until is None and not chain.producer.is_closed:
            await chain.producer.mine()
        head = chain.ledger.head()
        if chain.ledger.block_json(head.hash, True) is None or chain.ledger.receipts_json(head.hash) is None:
            raise LedgerFailedError(f"block {head.number} cannot be read back")
        found = {"block": head.number, "hash": encode_data(head.hash), "client": client_version(chain)}
        follower = chain.follower
        return found if follower is None else {**found, "follows": follower.url, "behind": follower.behind, "hears": follower.is_connected}

    def status(self) -> Mapping[str, object]:
        """What the node knows about itself; JSON values only."""
        chain = self.chain
        head = chain.ledger.head()
        executable, waiting = chain.pool.counts()
        return {
            "url": self.url,
            "network": self.network.name,
            "chain_id": chain.ledger.chain_id,
            "genesis": encode_data(chain.ledger.genesis_hash),
            "block": head.number,
            "block_hash": encode_data(head.hash),
            "block_timestamp": head.timestamp,
            "pool_executable": executable,
            "pool_waiting": waiting,
            "automine": chain.producer.automine,
            "interval_s": chain.producer.interval_s,
            "follows": None if chain.follower is None else chain.follower.url,
            "behind": None if chain.follower is None else chain.follower.behind,
            "quiesced": self._quiet_until is not None,
            "ledger": chain.ledger.statistics(),
        }

    async def quiesce(self, block: int) -> None:
        """Make blocks up to number `block` if it is not there yet, then none until `resume`. All that was answered is durable already."""
        if self._quiet_until is not None:
            return
        chain = self.chain
        if self._parts is None:
            raise NodeStoppedError
        if (missing := block - chain.head_number) > 0:
            await chain.producer.mine(missing)
        self._quiet_until = anyio.Event()
        await self._parts.start(chain.producer.hold, self._quiet_until, name="chain.quiet")

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the ledger's files in `directory`. Raises `NotKeptError` when the node keeps its chain in memory."""
        if self.settings.data_dir is None:
            raise NotKeptError
        await to_thread.run_sync(_copy_ledger, self.chain, self.settings.data_dir, directory)

    async def resume(self) -> None:
        """Make blocks again."""
        if self._quiet_until is not None:
            self._quiet_until.set()
            self._quiet_until = None


async def _end_waits(chain: Chain) -> None:
    """Once the node is to stop, let nobody wait for a block: the server lets requests finish, and a follower asks all the time."""
    try:
        await anyio.sleep_forever()
    finally:
        chain.feed.end()


def _copy_ledger(chain: Chain, source: Path, directory: Path) -> None:
    chain.ledger.checkpoint()
    shutil.copytree(source, directory, dirs_exist_ok=True)
