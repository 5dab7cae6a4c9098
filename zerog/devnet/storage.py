"""Storage as a local network has it: its nodes, the indexer in front of them and a key-value node, as one role."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from zerog.devnet.chain_place import ChainPlace, find_chain
from zerog.devnet.storage_proof import prove_storage
from zerog.devnet.storage_settings import PORTS_PER_NODE, StorageServiceSettings
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import AsgiApplication
from zerog.runtime.ports import local_url, reserve_port
from zerog.runtime.settings import fill
from zerog.storage.indexer.service import StorageIndexer
from zerog.storage.indexer.settings import IndexerSettings
from zerog.storage.kv.service import KeyValueNode
from zerog.storage.kv.settings import ALL_STREAMS, KeyValueNodeSettings
from zerog.storage.node.service import StorageNode
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.protocol.shards import Shard

__all__ = ["StorageService"]

MINER_ACCOUNT: Final = 1
"""Which of the accounts of storage mines; the first one proves that storage is ready."""

log = structlog.get_logger(__name__)

KV_FOLDER: Final = "kv"
"""Of the key-value node, below that of storage."""


class ServiceStoppedError(RefusalError):
    """Storage does not run, or not yet."""

    code = "storage_stopped"
    remedy = "start it and wait until it reports its URL"
    http_status = 503

    def __str__(self) -> str:
        return "storage is not running"


class ShutdownAskedError(RefusalError):
    """Somebody asked a node to end, so all of this role ends; whoever supervises it brings it back."""

    code = "shutdown_asked"
    remedy = "stop a network with `zerog down`"

    def __str__(self) -> str:
        return "a storage node was asked to end by `admin_shutdown`"


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where one node listens."""

    rpc: int
    admin: int
    grpc: int


class StorageService:
    """All nodes of one network, their indexer, and a key-value node that follows every stream. Every storage node knows the others, and
    fetches from them what its shard must hold."""

    name: Final = "storage"

    def __init__(self, settings: StorageServiceSettings, state_folder: Path) -> None:
        self._settings: Final = settings
        self._state_folder: Final = state_folder
        self._nodes: list[StorageNode] = []
        self._places: list[NodePlace] = []
        self._indexer: StorageIndexer | None = None
        self._kv: KeyValueNode | None = None
        self._chain: ChainPlace | None = None
        self._url: str | None = None
        self._indexer_port = 0
        self._kv_port = 0
        self._shutdown = anyio.Event()

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports the indexer's URL once all of it answers; a part that fails stops the whole role.

        Raises `ChainNotFoundError`, `ShutdownAskedError`, and whatever a node or the indexer raises.
        """
        self._shutdown = anyio.Event()
        async with anyio.create_task_group() as parts:
            with ExitStack() as reserved:
                self._reserve_ports(reserved)
                of_nodes = [self._node_settings(index) for index in range(self._settings.node_count)]
                of_indexer, of_kv = self._indexer_settings(), self._kv_settings()
                chain = self._chain = await find_chain(self._state_folder, self._settings.chain_url)
                kv = self._kv = KeyValueNode(replace(of_kv, chain_url=chain.url))
                await self._start_nodes([replace(settings, chain_url=chain.url) for settings in of_nodes], kv, parts)
                indexer = self._indexer = StorageIndexer(of_indexer, near=self._applications())
                self._url = await parts.start(indexer.run, name="storage.indexer")
            log.info("storage_ready", url=self._url, nodes=len(self._nodes))
            task_status.started(self._url)
            await self._shutdown.wait()
            raise ShutdownAskedError

    async def probe(self) -> Mapping[str, object]:
        """Store a small file through the router and read it back, write a key and read it back; what is there already is only read.

        Raises `ZerogError`.
        """
        if self._indexer is None or self._kv is None or self._chain is None or self._url is None:
            raise ServiceStoppedError
        found = await self._indexer.probe()
        proof = await prove_storage(self._chain, f"{self._url}/node", self._kv_url)
        return {**found, **proof}

    def status(self) -> Mapping[str, object]:
        """Where its parts are, and how far each node is; JSON values only."""
        if self._url is None:
            raise ServiceStoppedError
        return {
            "url": self._url,
            "router": f"{self._url}/node",
            "chain_url": None if self._chain is None else self._chain.url,
            "shards": self._settings.shards,
            "replicas": self._settings.replicas,
            "block": self._read_block(),
            "ports": dict(self._ports()),
            "endpoints": {"indexer": self._url, "kv": self._kv_url, "nodes": [self._endpoints_of(place) for place in self._places]},
            "nodes": {str(index): node.status() for index, node in enumerate(self._nodes)},
            "indexer": None if self._indexer is None else self._indexer.status(),
            "kv": None if self._kv is None else self._kv.status(),
        }

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        for role in self._keepers():  # Each follows by itself, so to ask one after the other costs little.
            await role.follow()

    async def quiesce(self, block: int) -> None:
        """Until every node has read the chain up to `block` and holds what it has acknowledged; then none takes more."""
        async with anyio.create_task_group() as nodes:
            for node in self._keepers():
                nodes.start_soon(node.quiesce, block)

    async def checkpoint(self, directory: Path) -> None:
        """Each node into its own folder below `directory`."""
        for index, node in enumerate(self._nodes):
            await node.checkpoint(directory / _folder_name(index))
        if self._kv is not None:
            await self._kv.checkpoint(directory / KV_FOLDER)

    async def resume(self) -> None:
        """Take work again."""
        for node in self._keepers():
            await node.resume()

    # How it is put together.

    def _reserve_ports(self, reserved: ExitStack) -> None:
        """Choose every port that the system may choose, since nodes are told where the others are before any of them listens."""
        settings = self._settings

        def chosen(port: int) -> int:
            return port or reserve_port(reserved, settings.host)

        given = iter((settings.rpc_port, settings.admin_port, settings.grpc_port, *settings.further_ports))
        self._places = [NodePlace(*(chosen(next(given, 0)) for _ in range(PORTS_PER_NODE))) for _ in range(settings.node_count)]
        self._indexer_port = chosen(settings.indexer_port)
        self._kv_port = chosen(settings.kv_port)

    async def _start_nodes(self, of_nodes: Sequence[StorageNodeSettings], kv: KeyValueNode, parts: TaskGroup) -> None:
        """All at once. Raises what any of them raises."""
        miner = None if self._chain is None else self._chain.role_account("storage", MINER_ACCOUNT)
        self._nodes = [
            StorageNode(settings, name=_folder_name(index), miner=miner, on_shutdown=self._shutdown.set)
            for index, settings in enumerate(of_nodes)
        ]
        async with anyio.create_task_group() as starts:
            for node in self._nodes:
                starts.start_soon(partial(parts.start, node.run, name=f"storage.{node.name}"), name=f"storage.start.{node.name}")
            starts.start_soon(partial(parts.start, kv.run, name="storage.kv"), name="storage.start.kv")

    def _node_settings(self, index: int) -> StorageNodeSettings:
        """All but the chain, which may still be starting."""
        place = self._places[index]
        flags = ["--host", self._settings.host]
        flags += ["--rpc-port", str(place.rpc), "--admin-port", str(place.admin), "--grpc-port", str(place.grpc)]
        flags += ["--shard", str(Shard(self._settings.shards, index % self._settings.shards))]
        flags += ["--data-dir", str(self._state_folder / "storage" / _folder_name(index))]
        if self._settings.mine and not index:  # One account cannot send for several nodes at once.
            flags.append("--mine")
        for other in self._places:
            if other is not place:
                flags += ["--peers", self._local_url(other.rpc)]
        return fill(StorageNodeSettings, flags, command=("storage", "run"), state_folder=self._state_folder)

    def _indexer_settings(self) -> IndexerSettings:
        flags = ["--host", self._settings.host, "--port", str(self._indexer_port)]
        for place in self._places:
            flags += ["--nodes", self._local_url(place.rpc)]
        return fill(IndexerSettings, flags, command=("storage", "indexer"), state_folder=self._state_folder)

    def _kv_settings(self) -> KeyValueNodeSettings:
        """All but the chain."""
        flags = ["--host", self._settings.host, "--port", str(self._kv_port), "--stream", ALL_STREAMS]
        flags += ["--data-dir", str(self._state_folder / "storage" / KV_FOLDER)]
        for place in self._places:
            flags += ["--nodes", self._local_url(place.rpc)]
        return fill(KeyValueNodeSettings, flags, command=("kv", "run"), state_folder=self._state_folder)

    def _keepers(self) -> Sequence[StorageNode | KeyValueNode]:
        """All that keep something."""
        return self._nodes if self._kv is None else [*self._nodes, self._kv]

    @property
    def _kv_url(self) -> str:
        return self._local_url(self._kv_port)

    def _applications(self) -> dict[str, AsgiApplication]:
        """Of the nodes, by their URLs: the indexer asks them without a socket in between."""
        pairs = zip(self._places, self._nodes, strict=True)
        return {self._local_url(place.rpc): node.application for place, node in pairs if node.application is not None}

    def _local_url(self, port: int) -> str:
        return local_url(self._settings.host, port)

    def _read_block(self) -> int | None:
        """The newest block that all nodes have read."""
        blocks = [node.keeper.follower.read for node in self._nodes]
        return min((block.number for block in blocks if block is not None), default=None)

    def _endpoints_of(self, place: NodePlace) -> dict[str, str]:
        return {"rpc": self._local_url(place.rpc), "admin": local_url("127.0.0.1", place.admin)}

    def _ports(self) -> Iterator[tuple[str, int]]:
        """By the names under which the network keeps them."""
        yield "indexer", self._indexer_port
        yield "kv", self._kv_port
        for index, place in enumerate(self._places):
            suffix = f".{index}" if index else ""
            yield from ((f"rpc{suffix}", place.rpc), (f"admin{suffix}", place.admin), (f"grpc{suffix}", place.grpc))


def _folder_name(index: int) -> str:
    return f"node-{index}"
