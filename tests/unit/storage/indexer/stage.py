"""A chain, storage nodes, doors in front of them that can be shut or slowed down, and indexers: all in this process, on real sockets."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import httpx
from anyio.from_thread import BlockingPortal

from tests.unit.storage.node.network import Chain, File, Network, Node, Talker
from zerog.runtime.server import serve
from zerog.storage.client.node import NodeClient
from zerog.storage.indexer.service import StorageIndexer
from zerog.storage.indexer.settings import IndexerSettings

__all__ = ["Door", "Indexer", "Stage"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Door:
    """A server in front of a node that passes on what it is asked, and can be made to fail."""

    node_url: str
    delay_s: float = 0.0
    """Before an answer that has data of files."""
    spoil: Callable[[bytes], bytes] | None = None
    """What to do to data of files."""
    is_shut: bool = False
    """Cut every connection."""
    asked: list[str] = field(default_factory=list)
    """Targets of requests for data of files."""
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_shut:
            return  # The server cuts the connection.
        body = b""
        while (message := await receive()).get("more_body", False):
            body += message["body"]
        body += message.get("body", b"")
        target = scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        has_data = scope["method"] == "GET" or b'"zgs_download' in body[:200]
        if has_data:
            self.asked.append(target)
        async with httpx.AsyncClient(base_url=self.node_url, timeout=30, verify=False) as client:  # noqa: S501 - it speaks plain HTTP.
            answer = await client.request(scope["method"], target, content=body)
        content = answer.content
        if has_data:
            await anyio.sleep(self.delay_s)
            content = self.spoil(content) if self.spoil is not None else content
        headers = [(b"content-type", answer.headers["content-type"].encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Indexer(Talker):
    """An indexer that serves."""

    def __init__(self, service: StorageIndexer, url: str, http: httpx.Client) -> None:
        super().__init__(url, http)
        self.service: Final = service
        self.router: Final = Talker(f"{url}/node", http)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: object) -> httpx.Response:
        """A REST route."""
        params: dict[str, Any] = query
        return self.http.get(f"{self.url}{path}", params=params or None, headers=headers, timeout=60)

    def node_client(self) -> NodeClient:
        """The router as a node."""
        return NodeClient(f"{self.url}/node")

    def metric(self, name: str) -> float:
        """A figure of `/metrics`, summed over its labels."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)


class Stage:
    """Starts what a test needs, and stops it all."""

    def __init__(self, network: Network, chain: Chain, cleanup: ExitStack) -> None:
        self.network: Final = network
        self.chain: Final = chain
        self._cleanup: Final = cleanup

    @property
    def portal(self) -> BlockingPortal:
        return self.network.portal

    def nodes(self, *shards: str, **changes: Any) -> list[Node]:
        """A node for each shard."""
        return [self.network.node(self.chain, shard=shard, **changes) for shard in shards]

    def indexer(self, *nodes: str, near: Sequence[Node] = (), **changes: Any) -> Indexer:
        """An indexer of nodes; of those that are `near` it is given the applications."""
        settings: dict[str, Any] = {"port": 0, "nodes": nodes} | changes
        applications = {node.url: node.node.application for node in near if node.node.application is not None}
        service = StorageIndexer(IndexerSettings(**settings), near=applications)
        future, url = self.portal.start_task(service.run)
        self._cleanup.callback(future.cancel)
        return Indexer(service, url, self.network.http)

    def door(self, node_url: str, **faults: Any) -> Door:
        """A door in front of a node."""
        door = Door(node_url, **faults)

        async def run(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            await serve(door, "127.0.0.1", 0, task_status=task_status, grace_s=0.1)

        future, door.url = self.portal.start_task(run)
        self._cleanup.callback(future.cancel)
        return door

    def stored(self, file: File, indexer: Indexer, *nodes: Node) -> int:
        """Submit a file and upload it through an indexer's router; returns its number once it is whole."""
        [seq] = self.chain.submit(file.submission())
        for node in nodes:
            node.wait_for_seq(seq)
        with indexer.node_client() as client:
            for index in range(0, len(file.segments), 16):
                [outcome] = client.upload_binary([file.bulk(file.segments[index : index + 16], seq)])
                assert outcome.code is None, outcome
        assert indexer.router.rpc("zgs_getFileInfoByTxSeq", seq)["finalized"]
        return seq
