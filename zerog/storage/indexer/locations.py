"""Where clients find nodes and files: what the `indexer_*` methods answer."""

import random
from collections.abc import Collection
from typing import Final

import anyio

from zerog.primitives import Hash32
from zerog.storage.indexer.discovery import Discovery
from zerog.storage.indexer.errors import FileUnknownError, SelectionError
from zerog.storage.indexer.files import FileFinder, FoundFile
from zerog.storage.indexer.nodes import Node, NodeDirectory, covers, listed
from zerog.storage.indexer.selection import select_nodes
from zerog.storage.protocol.shards import EVERYTHING
from zerog.storage.wire.nodes import ShardConfig, ShardedNode, ShardedNodes

__all__ = ["Locations"]

CACHED_MAX: Final = 100_000
CACHED_S: Final = 24 * 3600.0
"""How long it is remembered which discovered nodes have a file. Source: 0gfoundation/0g-storage-client, `indexer/`."""


class Locations:
    """Looks nodes and files up."""

    def __init__(self, directory: NodeDirectory, finder: FileFinder, discovery: Discovery, dice: random.Random) -> None:
        self._directory: Final = directory
        self._finder: Final = finder
        self._discovery: Final = discovery
        self._dice: Final = dice
        self._cached: Final[dict[int, tuple[float, list[Node]]]] = {}
        self.router_url: str | None = None
        """Where all nodes are presented as one, if they are."""
        self.router_since = 0

    async def nodes(self) -> ShardedNodes:
        """All nodes that live, as clients are told of them: the router stands for the trusted ones where these hold everything."""
        return ShardedNodes(trusted=await self._trusted(), discovered=await self._discovered())

    async def select(self, replicas: int, method: str, *, full_trusted: bool, dropped: Collection[str]) -> ShardedNodes:
        """Nodes that hold everything `replicas` times. Raises `SelectionError`.

        The router counts once: who wants more replicas, or has dropped it, is given nodes.
        """
        discovered = await self._discovered()
        for trusted in (await self._trusted(), await self._real()):
            listed = ShardedNodes(trusted=trusted, discovered=discovered)
            try:
                return select_nodes(listed, replicas, method, full_trusted=full_trusted, dropped=dropped, dice=self._dice)
            except SelectionError:
                continue
        raise SelectionError

    async def file(self, root: Hash32) -> list[ShardedNode] | None:
        """Nodes that together have all of a file; `None` where they are not known yet. Raises `FileUnknownError`."""
        found = await self._finder.find(root, in_part=True)
        if found is None:
            raise FileUnknownError
        router = await self._router()
        if router is not None and found.info.finalized:
            return [router]
        holders = found.holders
        if not covers(holders):
            holders += await self.beyond(found)
        if covers(holders):
            return listed(holders)
        await self._discovery.seek(found.info.tx.seq)
        return None

    async def beyond(self, found: FoundFile) -> list[Node]:
        """Discovered nodes that have all of a file that they have to hold."""
        if not self._discovery.is_possible:
            return []
        seq = found.info.tx.seq
        now_s = anyio.current_time()
        cached = self._cached.get(seq)
        if cached is not None and now_s < cached[0]:
            return [node for node in cached[1] if node.is_live]
        nodes = await self._discovery.holders(seq)
        theirs = await self._finder.find(seq, nodes=nodes) if nodes else None
        holders = theirs.holders if theirs is not None else []
        if holders:
            if len(self._cached) >= CACHED_MAX:
                self._cached.pop(next(iter(self._cached)))
            self._cached[seq] = (now_s + CACHED_S, holders)
        return holders

    async def _trusted(self) -> list[ShardedNode]:
        router = await self._router()
        return [router] if router is not None else await self._real()

    async def _real(self) -> list[ShardedNode]:
        return listed(await self._directory.live())

    async def _discovered(self) -> list[ShardedNode]:
        return listed(await self._directory.live(discovered=True))

    async def _router(self) -> ShardedNode | None:
        """The router as a node; `None` where there is none, or where the nodes that live do not hold everything."""
        nodes = await self._directory.live()
        if self.router_url is None or not covers(nodes):
            return None
        latency = max(round(node.latency_s * 1000) for node in nodes)
        return ShardedNode(url=self.router_url, config=ShardConfig.of(EVERYTHING), latency=latency, since=self.router_since)
