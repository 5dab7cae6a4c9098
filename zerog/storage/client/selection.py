"""Which of the known nodes an upload goes to and a download comes from."""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from zerog.primitives import Hash32
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.errors import NoNodesError, PeerError, PeerRefusedError
from zerog.storage.client.indexer import IndexerClient
from zerog.storage.client.node import NodeClient
from zerog.storage.protocol.shards import Shard, ShardInvalidError, choose_replicas
from zerog.storage.wire.nodes import ShardedNode

__all__ = ["METHODS", "KnownNode", "Nodes", "in_order"]

METHODS: Final = ("min", "max", "random")


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node and what it holds."""

    client: NodeClient
    shard: Shard

    @property
    def url(self) -> str:
        return self.client.url


def in_order(nodes: Iterable[KnownNode], method: str, shuffle: Callable[[list[KnownNode]], None] = random.shuffle) -> list[KnownNode]:
    """As a method of the official clients wants them: `min` has large shards first, `max` small ones, `random` any; a number has only
    shards of which there are so many. Raises `ValueError` for another word."""
    found = list(nodes)
    if method.isdecimal():
        return [node for node in found if node.shard.count == int(method)]
    if method not in METHODS:
        raise ValueError(f"the method is one of {', '.join(METHODS)}, or a number of shards, not {method!r}")
    match method:
        case "random":
            shuffle(found)
        case "min":
            found.sort(key=lambda node: node.shard)
        case _:
            found.sort(key=lambda node: -node.shard.count)
    return found


class Nodes:
    """The nodes of a network, from an indexer or from a list of URLs. Connections to each are made once and kept."""

    def __init__(self, indexer: IndexerClient | None, urls: Sequence[str] = (), limits: PeerLimits | None = None) -> None:
        self._indexer: Final = indexer
        self._urls: Final = tuple(urls)
        self._limits: Final = limits
        self._lock: Final = threading.Lock()
        self._clients: Final[dict[str, NodeClient]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()
        if self._indexer is not None:
            self._indexer.close()

    def select(self, replicas: int, method: str, dropped: Sequence[str] = ()) -> list[KnownNode]:
        """Nodes that together hold each segment `replicas` times, without those at the URLs in `dropped`. Raises `NoNodesError`."""
        nodes, causes = self._known(dropped)
        chosen = choose_replicas(in_order(nodes, method), lambda node: node.shard, replicas)
        if chosen is None or not chosen:
            raise NoNodesError(replicas, tuple(causes))
        return chosen

    def holding(self, root: Hash32) -> list[KnownNode]:
        """Nodes that may have a file, the most likely first. Raises `NoNodesError` if there is no node at all."""
        if self._indexer is not None:
            try:
                found = self._as_known(self._indexer.file_locations(root))
            except PeerRefusedError:
                found = []  # It knows no place; the nodes may know more, while an upload is under way.
            if found:
                return found
        nodes, causes = self._known(())
        if not nodes:
            raise NoNodesError(1, tuple(causes))
        return in_order(nodes, "random")

    def known(self) -> list[KnownNode]:
        """All nodes that answer. Raises `NoNodesError` if none does."""
        nodes, causes = self._known(())
        if not nodes:
            raise NoNodesError(1, tuple(causes))
        return nodes

    def _known(self, dropped: Sequence[str]) -> tuple[list[KnownNode], list[str]]:
        if self._indexer is not None:
            listed = self._indexer.sharded_nodes().trusted
            return self._as_known(node for node in listed if node.url not in dropped), [f"{url} was given up" for url in dropped]
        nodes, causes = [], [f"{url} was given up" for url in dropped]
        for url in self._urls:
            if url in dropped:
                continue
            try:
                client = self._client(url)
                nodes.append(KnownNode(client, client.shard()))
            except PeerError as error:
                causes.append(str(error))
        return nodes, causes

    def _as_known(self, listed: Iterable[ShardedNode]) -> list[KnownNode]:
        """Whatever the indexer says of a node that cannot be is left out."""
        nodes = []
        for node in listed:
            try:
                nodes.append(KnownNode(self._client(node.url), node.config.to_shard()))
            except (ShardInvalidError, PeerError):
                continue  # No shard, or no URL: such a node is of no use to anybody.
        return nodes

    def _client(self, url: str) -> NodeClient:
        with self._lock:
            if url not in self._clients:
                self._clients[url] = NodeClient(url, self._limits)
            return self._clients[url]
