"""Nodes beyond the configured ones: peers of an own node, at the addresses where it saw them.

An address that a peer claims is looked at with the same limits as every node, and serves only data that its root proves.
Source: 0gfoundation/0g-storage-client, `indexer/node_manager.go`.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec
import structlog
from anyio import create_task_group

from zerog.runtime.http.guard import is_loopback_name
from zerog.storage.client.calls import Call
from zerog.storage.client.errors import PeerError
from zerog.storage.indexer.nodes import Node, NodeDirectory
from zerog.storage.indexer.upstream import Upstream
from zerog.storage.wire.nodes import ShardConfig

__all__ = ["Discovery"]

T = TypeVar("T")

log = structlog.get_logger(__name__)

REFRESH_S: Final = 600.0
FIND_COOLDOWN_S: Final = 3600.0
"""Between two requests that a node look for the holders of one file."""
REMEMBERED_MAX: Final = 100_000
ADMIN_S: Final = 3.0
PEERS_MAX: Final = 1_000
"""Of one answer; the rest is left out."""
CHECKS_MAX: Final = 32
"""Addresses that are looked at together."""


class _Peer(msgspec.Struct, frozen=True, rename="camel"):
    seen_ips: list[str] = []


class _Location(msgspec.Struct, frozen=True, rename="camel"):
    ip: str
    shard_config: ShardConfig


_PEERS: Final = msgspec.json.Decoder(dict[str, _Peer])
_LOCATIONS: Final["msgspec.json.Decoder[list[_Location] | None]"] = msgspec.json.Decoder(list[_Location] | None)
_ANYTHING: Final["msgspec.json.Decoder[object]"] = msgspec.json.Decoder(object)


class Discovery:
    """Asks own nodes for others."""

    def __init__(self, directory: NodeDirectory, admin_urls: Sequence[str], ports: Sequence[int]) -> None:
        self._directory: Final = directory
        self._admins: Final = [Upstream(url) for url in admin_urls]
        self._ports: Final = tuple(ports)
        self._asked_s: Final[dict[int, float]] = {}

    @property
    def is_possible(self) -> bool:
        return bool(self._admins)

    async def run(self) -> None:
        """Look for nodes again and again, until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(REFRESH_S)

    async def look(self) -> None:
        """Ask the first own node that answers for its peers, and keep those that are storage nodes."""
        peers = await self._ask(Call("admin_getPeers", (), _PEERS))
        if peers is None:
            return
        addresses = [peer.seen_ips[0] for peer in list(peers.values())[:PEERS_MAX] if peer.seen_ips]
        await self._keep_nodes(addresses)

    async def holders(self, seq: int) -> list[Node]:
        """Nodes of which an own node knows that they have the file of a submission, with what it takes to ask them."""
        found = await self._ask(Call("admin_getFileLocation", (seq, False), _LOCATIONS))
        await self._keep_nodes([location.ip for location in found or ()])
        urls = {url for location in found or () for url in self._urls(location.ip)}
        return [node for node in self._directory.discovered if node.is_live and node.url in urls]

    async def seek(self, seq: int) -> None:
        """Have an own node look for the holders of a file, at most once an hour."""
        now_s = anyio.current_time()
        if now_s - self._asked_s.get(seq, float("-inf")) < FIND_COOLDOWN_S:
            return
        if len(self._asked_s) >= REMEMBERED_MAX:
            self._asked_s.pop(next(iter(self._asked_s)))
        self._asked_s[seq] = now_s
        await self._ask(Call("admin_findFile", (seq,), _ANYTHING))

    def close(self) -> None:
        """Let go of all connections."""
        for admin in self._admins:
            admin.close()

    async def _keep_nodes(self, addresses: Sequence[str]) -> None:
        places = anyio.CapacityLimiter(CHECKS_MAX)

        async def check(node: Node) -> None:
            async with places:
                await node.check(fresh_s=REFRESH_S / 2)
            if not node.is_live and not node.trusted:
                self._directory.forget(node)

        async with create_task_group() as tasks:
            for address in dict.fromkeys(addresses):
                for url in self._urls(address):
                    tasks.start_soon(check, self._directory.discover(url), name="indexer.discover")

    def _urls(self, address: str) -> list[str]:
        """Where a node may be at an address; nowhere if the address is none that a peer on the internet can have."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return []
        if not parsed.is_global and not self._is_at_home:
            return []
        host = f"[{parsed}]" if parsed.version == 6 else str(parsed)
        return [f"http://{host}:{port}" for port in self._ports]

    @property
    def _is_at_home(self) -> bool:
        """Whether all own nodes are on this machine or network, so that peers may be too."""
        return all(_is_private(urlsplit(admin.url).hostname or "") for admin in self._admins)

    async def _ask(self, call: Call[T]) -> T | None:
        """What the first own node says that answers; `None` if none does."""
        for admin in self._admins:
            try:
                return await admin.call(call, limit_s=ADMIN_S)
            except PeerError as error:
                log.info("admin_call_failed", url=admin.url, method=call.method, cause=str(error))
        return None


def _is_private(host: str) -> bool:
    if is_loopback_name(host):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
