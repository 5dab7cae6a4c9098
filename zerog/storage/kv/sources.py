"""The storage nodes that data is fetched from: which there are, what each holds, and how long one that failed or lied is left alone."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.primitives import Hash32
from zerog.runtime.clock import Clock
from zerog.storage.client import (
    IndexerClient,
    NodeClient,
    PeerAnswerError,
    PeerError,
    PeerLimits,
    PeerRefusedError,
    PeerStatusError,
    Segment,
)
from zerog.storage.kv.counters import Counters
from zerog.storage.protocol.shards import Shard, ShardInvalidError
from zerog.storage.protocol.units import SEGMENT_SECTORS
from zerog.storage.wire.nodes import ShardedNode

__all__ = ["Source", "Sources"]

LIMITS: Final = PeerLimits(connect_s=3.0, answer_s=10.0)
BACKOFF_S_MIN: Final = 0.2
BACKOFF_S_MAX: Final = 30.0
"""How long a node is left alone after a failure; each one in a row doubles it."""
REFUSED_S_MAX: Final = 2.0
"""The same after a refusal in words, which may be meant for one item only."""
LOOK_S: Final = 10.0
"""Seconds between two looks at which nodes there are and what they hold."""
SOURCES_MAX: Final = 256
"""Nodes that are made use of; an indexer may list any number."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Placed(Protocol):
    """A file and its place on the flow."""

    @property
    def root(self) -> Hash32: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def start_sector(self) -> int: ...


@dataclass(slots=True, eq=False)
class Source:
    """One storage node, or a router that is as good as one."""

    url: str
    client: NodeClient
    shard: Shard | None = None
    """What it holds, once somebody has said so."""
    failures: int = 0
    """Failures in a row."""
    waits_until_s: float = 0.0
    cause: str | None = None
    """Why it is left alone."""


class Sources:
    """All of them. Belongs to one event loop; the asking is done in threads."""

    def __init__(self, *, indexer: str | None, nodes: Iterable[str], clock: Clock, counters: Counters, threads: int) -> None:
        self._indexer: Final = None if indexer is None else IndexerClient(indexer, LIMITS)
        self._clock: Final = clock
        self._counters: Final = counters
        self._limiter: Final = CapacityLimiter(threads)
        self._sources: Final = {url: Source(url, NodeClient(url, LIMITS)) for url in nodes}
        self._turn = 0
        self._wanted = anyio.Event()
        self.trouble: str | None = None
        """Why nobody knows which nodes there are."""

    @property
    def all(self) -> list[Source]:
        """Every node that was told of."""
        return list(self._sources.values())

    async def run(self) -> None:
        """Keep looking which nodes there are, until cancelled."""
        pause_s = BACKOFF_S_MIN
        try:
            while True:
                wanted = self._wanted = anyio.Event()
                await self._look()
                is_served = self.trouble is None and any(not source.failures for source in self.all)
                pause_s = LOOK_S if is_served else min(2 * pause_s, LOOK_S)
                with anyio.move_on_after(pause_s):
                    await wanted.wait()
                    await anyio.sleep(BACKOFF_S_MIN)  # Whoever fails next within it is looked at together with the first.
                    pause_s = BACKOFF_S_MIN
        finally:
            for source in self.all:
                source.client.close()
            if self._indexer is not None:
                self._indexer.close()

    def of_segment(self, segment: int) -> list[Source]:
        """Nodes whose shard has a segment of the flow and that are not left alone, the best first; equally good ones take turns."""
        found = [source for source in self._sources.values() if self._is_free(source) and source.shard and source.shard.holds(segment)]
        if not found:
            return []
        self._turn += 1
        turn = self._turn % len(found)
        return sorted(found[turn:] + found[:turn], key=lambda source: source.failures)

    async def ask(self, source: Source, question: Callable[[], T]) -> T:
        """The answer, from a thread; whoever fails is left alone for a while. Raises `PeerError`."""
        try:
            answer = await to_thread.run_sync(question, limiter=self._limiter, abandon_on_cancel=True)
        except PeerError as error:
            self._blame(source, error)
            raise
        source.failures, source.cause = 0, None
        return answer

    async def segments(self, file: Placed, indexes: Sequence[int], *, tx_seq: int) -> dict[int, Segment]:
        """Those of some segments of a file that the nodes send, each held against the root; in few requests where they are neighbours."""
        found: dict[int, Segment] = {}
        for number, index in enumerate(indexes):
            if index in found:
                continue
            count = next((ahead for ahead in range(1, len(indexes) - number) if indexes[number + ahead] != index + ahead), 0)
            for source in self.of_segment(file.start_sector // SEGMENT_SECTORS + index):
                found.update(await self._segments(source, file, index, count or len(indexes) - number, tx_seq))
                if index in found:
                    break
        return found

    async def _segments(self, source: Source, file: Placed, first: int, count: int, tx_seq: int) -> dict[int, Segment]:
        ask = partial(source.client.segments, file.root, size_bytes=file.size_bytes, first=first, count=count, tx_seq=tx_seq)
        try:
            return {segment.index: segment for segment in await self.ask(source, ask)}
        except PeerError as error:
            log.debug("segments_not_sent", node=source.url, seq=tx_seq, cause=str(error))
            return {}

    def _is_free(self, source: Source) -> bool:
        return source.waits_until_s <= self._clock.monotonic_s()

    async def _look(self) -> None:
        if self._indexer is not None:
            await self._look_at_indexer(self._indexer)
        else:
            for source in self.all:
                if self._is_free(source):
                    await self._look_at(source)

    async def _look_at(self, source: Source) -> None:
        try:
            source.shard = await self.ask(source, source.client.shard)
        except PeerError as error:
            self.trouble = str(error)
        else:
            self.trouble = None

    async def _look_at_indexer(self, indexer: IndexerClient) -> None:
        """What the indexer lists; past its router and others that failed last, if there is more behind."""
        avoided = [source.url for source in self.all if source.failures]

        def look() -> list[ShardedNode]:
            listed = indexer.sharded_nodes()
            found = [*listed.trusted, *listed.discovered]
            if avoided and all(node.url in avoided for node in found):
                with suppress(PeerRefusedError):  # It knows no others.
                    found += indexer.selected_nodes(dropped=avoided).trusted
            return found

        try:
            listed = await to_thread.run_sync(look, limiter=self._limiter, abandon_on_cancel=True)
        except PeerError as error:
            if self.trouble is None:
                log.warning("indexer_not_reached", indexer=indexer.url, cause=str(error))
            self.trouble = str(error)
            return
        self.trouble = None if listed else f"{indexer.url} lists no nodes"
        self._take(listed, avoided)

    def _take(self, listed: Iterable[ShardedNode], avoided: Iterable[str]) -> None:
        """Those that are no longer listed go, but for those that failed, so that they are not forgiven."""
        found: dict[str, Shard] = {}
        for node in listed:
            try:
                found[node.url] = node.config.to_shard()
            except ShardInvalidError:
                continue  # Nobody can say what it holds.
            if len(found) >= SOURCES_MAX:
                break
        for url, shard in found.items():
            if url not in self._sources:
                try:
                    self._sources[url] = Source(url, NodeClient(url, LIMITS))
                except PeerError:
                    continue  # It is no URL.
            self._sources[url].shard = shard
        for url in self._sources.keys() - found.keys() - set(avoided):
            self._sources.pop(url).client.close()

    def _blame(self, source: Source, error: PeerError) -> None:
        """Count what a node did, leave it alone for a while, and look whether there are others."""
        reason = _reason(error)
        self._counters.nodes_refused[reason] += 1
        source.cause = str(error)
        pause_s = min(BACKOFF_S_MIN * 2**source.failures, REFUSED_S_MAX if isinstance(error, PeerRefusedError) else BACKOFF_S_MAX)
        source.failures = min(source.failures + 1, 32)
        source.waits_until_s = self._clock.monotonic_s() + pause_s
        log.warning("node_left_alone", node=source.url, reason=reason, cause=str(error), pause_s=pause_s)
        self._wanted.set()


def _reason(error: PeerError) -> str:
    """A short name for the metrics."""
    match error:
        case PeerAnswerError():
            return "wrong_answer"
        case PeerRefusedError() | PeerStatusError():
            return "refused"
    return "unreachable"
