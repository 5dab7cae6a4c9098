"""The nodes that an indexer knows: which of them live, what they hold, and how quick they usually are."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import anyio
import structlog

from zerog.runtime.clock import Clock
from zerog.runtime.http.asgi import AsgiApplication
from zerog.storage.client import calls
from zerog.storage.client.errors import PeerError, PeerUnreachableError
from zerog.storage.indexer.upstream import NearUpstream, Upstream
from zerog.storage.protocol.shards import Shard, ShardInvalidError, choose_replicas
from zerog.storage.wire.nodes import ShardConfig, ShardedNode

__all__ = ["Node", "NodeDirectory", "covers", "listed"]

log = structlog.get_logger(__name__)

PROBE_S: Final = 3.0
"""How long a node may take to name its shard; later it counts as dead. Source: 0gfoundation/0g-storage-client, `indexer/`."""
WATCH_S: Final = 1.0
"""Between two looks at every node."""
FRESH_S: Final = 0.25
"""A node that answered so recently is not asked again before it is named to a client."""
AVOID_S: Final = 5.0
"""How long a node that failed to give data is asked last."""
DISTRUST_S: Final = 300.0
"""How long a node that gave wrong data is asked last."""
SAMPLES: Final = 64
SAMPLES_MIN: Final = 8
"""With fewer answers than this nobody knows what is usual."""
USUAL_SHARE: Final = 0.95
SLOW_S_MIN: Final = 0.02
"""No node is called slow before this, however quick it usually is."""


class Node:
    """One storage node."""

    def __init__(self, url: str, *, trusted: bool, since: int, near: AsgiApplication | None = None) -> None:
        """`near` is the node's own application, where the node is in this very process."""
        self.url: Final = url
        self.trusted: Final = trusted
        self.since: Final = since
        """Seconds since 1970: when it came to be known."""
        self.upstream: Final = Upstream(url) if near is None else NearUpstream(url, near)
        self.shard: Shard | None = None
        """What it holds; none while it does not answer."""
        self.latency_s = 0.0
        self.speaks_binary: bool | None = None
        """Whether it has our binary routes; none until it was asked."""
        self.reads_under_way = 0
        self.wrong_answers = 0
        """Segments that were not what their root says."""
        self._checked_s = float("-inf")
        self._avoid_until_s = float("-inf")
        self._seconds: Final[deque[float]] = deque(maxlen=SAMPLES)
        self._probe: anyio.Event | None = None

    @property
    def is_live(self) -> bool:
        return self.shard is not None

    @property
    def is_avoided(self) -> bool:
        """Whether it failed lately; then others are asked first."""
        return anyio.current_time() < self._avoid_until_s

    def slow_s(self, longest_s: float) -> float:
        """Seconds after which an answer is later than usual, at most `longest_s`."""
        if len(self._seconds) < SAMPLES_MIN:
            return longest_s
        usual_s = sorted(self._seconds)[int(len(self._seconds) * USUAL_SHARE)]
        return min(longest_s, max(SLOW_S_MIN, usual_s))

    @property
    def usual_s(self) -> float:
        """Seconds that it takes to give data, in the middle."""
        return sorted(self._seconds)[len(self._seconds) // 2] if self._seconds else 0.0

    def took(self, seconds: float) -> None:
        """It gave data in so many seconds, or has not given it after them."""
        self._seconds.append(seconds)

    def failed(self, cause: object) -> None:
        """It did not give what it should have; for a while others are asked first."""
        log.info("node_failed", url=self.url, cause=str(cause))
        self._avoid_until_s = max(self._avoid_until_s, anyio.current_time() + AVOID_S)

    def lied(self, cause: object) -> None:
        """It gave data that is not what its root says."""
        self.wrong_answers += 1
        log.warning("node_gave_wrong_data", url=self.url, cause=str(cause))
        self._avoid_until_s = anyio.current_time() + DISTRUST_S

    def gone(self, cause: object) -> None:
        """It does not answer at all."""
        if self.is_live:
            log.info("node_gone", url=self.url, cause=str(cause))
        self.shard = None

    async def check(self, *, fresh_s: float) -> None:
        """Ask it for its shard, unless it answered less than `fresh_s` ago. Who comes while it is being asked waits for the same answer."""
        if anyio.current_time() - self._checked_s < fresh_s:
            return
        if self._probe is not None:
            await self._probe.wait()
            return
        done = self._probe = anyio.Event()
        try:
            await self._ask_for_shard()
        finally:
            self._probe = None
            done.set()

    async def _ask_for_shard(self) -> None:
        began_s = anyio.current_time()
        try:
            shard = (await self.upstream.call(calls.shard(), limit_s=PROBE_S, is_urgent=True)).to_shard()
        except (PeerError, ShardInvalidError) as error:
            if not (isinstance(error, PeerUnreachableError) and self.upstream.answered_s >= began_s):
                self.gone(error)  # Else it is busy: it answered somebody else meanwhile.
        else:
            if shard != self.shard:
                log.info("node_found", url=self.url, shard=str(shard))
            self.shard = shard
            self._checked_s = anyio.current_time()
            self.latency_s = self._checked_s - began_s


class NodeDirectory:
    """All nodes of an indexer."""

    def __init__(self, trusted: Sequence[str], clock: Clock, near: Mapping[str, AsgiApplication] | None = None) -> None:
        """`near` are the applications of nodes in this process, by their URLs."""
        self._clock: Final = clock
        self._near: Final = dict(near or {})
        self.trusted: Final = [self._made(url, trusted=True) for url in trusted]
        self._discovered: Final[dict[str, Node]] = {}

    @property
    def discovered(self) -> list[Node]:
        """Nodes that trusted ones know, in the order in which they were found."""
        return list(self._discovered.values())

    def discover(self, url: str) -> Node:
        """Remember a node that another one named."""
        known = next((node for node in self.trusted if node.url == url), None) or self._discovered.get(url)
        if known is None:
            known = self._discovered[url] = self._made(url, trusted=False)
        return known

    def forget(self, node: Node) -> None:
        """Let go of a discovered node."""
        self._discovered.pop(node.url, None)
        node.upstream.close()

    async def live(self, *, discovered: bool = False) -> list[Node]:
        """Trusted nodes that answer now, in their order; or those that were discovered.

        Dead ones are not waited for: `watch` looks at them.
        """
        nodes = self.discovered if discovered else self.trusted
        await _check([node for node in nodes if node.is_live], fresh_s=FRESH_S)
        return [node for node in nodes if node.is_live]

    def sole(self) -> Node | None:
        """The only trusted node, where there is one and it holds everything; it is also the one that is asked when it does not answer."""
        if len(self.trusted) != 1:
            return None
        (node,) = self.trusted
        return node if node.shard is None or node.shard.count == 1 else None

    async def look(self) -> None:
        """Look at every trusted node once."""
        await _check(self.trusted, fresh_s=0.0)

    async def watch(self) -> None:
        """Look at all nodes again and again, until cancelled."""
        while True:
            await anyio.sleep(WATCH_S)
            await _check([*self.trusted, *self.discovered], fresh_s=WATCH_S / 2)

    def close(self) -> None:
        """Let go of all connections."""
        for node in (*self.trusted, *self.discovered):
            node.upstream.close()

    def _made(self, url: str, *, trusted: bool) -> Node:
        return Node(url.rstrip("/"), trusted=trusted, since=int(self._clock.unix_s()), near=self._near.get(url) if trusted else None)


def listed(nodes: Iterable[Node]) -> list[ShardedNode]:
    """As clients see nodes; those that do not live are left out."""
    return [
        ShardedNode(url=node.url, config=ShardConfig.of(node.shard), latency=round(node.latency_s * 1000), since=node.since)
        for node in nodes
        if node.shard is not None
    ]


def covers(nodes: Iterable[Node]) -> bool:
    """Whether nodes hold every segment among them."""
    return choose_replicas([node.shard for node in nodes if node.shard is not None], lambda shard: shard, 1) is not None


async def _check(nodes: Iterable[Node], *, fresh_s: float) -> None:
    async with anyio.create_task_group() as tasks:
        for node in nodes:
            tasks.start_soon(_check_one, node, fresh_s, name="indexer.check")


async def _check_one(node: Node, fresh_s: float) -> None:
    await node.check(fresh_s=fresh_s)
