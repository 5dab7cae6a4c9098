"""Fetches what this node must hold and does not from other nodes, proof by proof; who sends rubbish is left alone for a while."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.client import (
    NodeClient,
    PeerAnswerError,
    PeerError,
    PeerLimits,
    PeerRefusedError,
    PeerStatusError,
    Segment,
)
from zerog.storage.node.counters import Counters
from zerog.storage.node.files import Files
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.store import SegmentWrite, StoredSubmission, StoreFailedError
from zerog.storage.node.wanted import FileState, FileWish, Wanted
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_SECTORS
from zerog.storage.wire.files import Availability

__all__ = ["Peer", "Peers"]

BACKOFF_S_MIN: Final = 1.0
BACKOFF_S_MAX: Final = 300.0
"""How long a peer is left alone after a failure; each one in a row doubles it."""
FILES_AT_ONCE: Final = 64
"""Files that one peer is asked for between two looks at what has changed."""
SEGMENTS_AT_ONCE: Final = 16
"""Segments of one request: 4 MiB."""
MISSING_MAX: Final = 4_096
"""Missing segments of a file that are looked for in one turn."""
SCAN_SUBMISSIONS: Final = 200

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Peer:
    """One other node, by its URL."""

    url: str
    client: NodeClient
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    shard: Shard | None = None
    """What it holds, once it has said so."""
    is_connected: bool = False
    """Whether it answered what it was asked last."""
    seen_s: float | None = None
    """When it answered last, by the clock that never goes back."""
    failures: int = 0
    """In a row."""
    waits_until_s: float = 0.0
    cause: str | None = None
    """Of the last failure."""


class Peers:
    """All peers of a node, and the files that it looks for."""

    def __init__(self, files: Files, gate: Gate, settings: StorageNodeSettings, clock: Clock, counters: Counters) -> None:
        self._files: Final = files
        self._gate: Final = gate
        self._clock: Final = clock
        self._counters: Final = counters
        self._interval_s: Final = settings.peer_interval_s
        limits = PeerLimits(answer_s=settings.peer_timeout_s, grace_s=settings.peer_timeout_s)
        self.all: Final = [Peer(url, NodeClient(url, limits)) for url in settings.peers]
        self.wanted: Final = Wanted()
        self._changed = anyio.Event()
        self._is_scanned = False

    @property
    def connected_count(self) -> int:
        """Peers that answered what they were asked last."""
        return sum(peer.is_connected for peer in self.all)

    @property
    def has_caught_up(self) -> bool:
        """Whether all files have been looked at since the start, and none misses a segment."""
        return self._is_scanned and not len(self.wanted)

    def now_s(self) -> float:
        """The clock that all times here are of."""
        return self._clock.monotonic_s()

    def announced(self, submissions: Iterable[StoredSubmission]) -> None:
        """Look for new files after a while: whoever submits one uploads it."""
        if self.all:
            now_s = self._clock.monotonic_s()
            for submission in submissions:
                self.wanted.add(submission.seq, now_s, due_s=now_s + self._interval_s)

    def order(self, seq: int) -> None:
        """Look for a file at once, because somebody asks for it."""
        self.wanted.add(seq, self._clock.monotonic_s(), ordered=True)
        self._wake()

    async def run(self) -> None:
        """Fetch until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._scan, name="storage.peers.scan")
                for peer in self.all:
                    tasks.start_soon(self._visit, peer, name=f"storage.peers.{peer.url}")
        finally:
            for peer in self.all:
                peer.client.close()

    async def _scan(self) -> None:
        """Look once through all files for those that miss a segment, a few at a time."""
        seq, store = 0, self._files.store
        while self.all and seq < store.next_seq:
            submissions = store.submissions(seq, SCAN_SUBMISSIONS)
            if not submissions:
                break  # The chain went back.
            for submission in submissions:
                if not submission.pruned and not self._files.is_finalized(submission):
                    self.wanted.add(submission.seq, self._clock.monotonic_s())
            seq = submissions[-1].seq + 1
            await anyio.lowlevel.checkpoint()
        self._is_scanned = True
        self._wake()

    async def _visit(self, peer: Peer) -> None:
        """Ask one peer again and again."""
        while True:
            pause_s = peer.waits_until_s - self._clock.monotonic_s()
            if pause_s > 0:
                await anyio.sleep(pause_s)
            try:
                fetched = await self._round(peer)
            except (PeerError, TimeoutError) as error:
                self._blame(peer, error)
                continue
            except StoreFailedError as error:  # No fault of the peer; it may be that somebody makes room.
                log.warning("fetched_not_stored", peer=peer.url, cause=str(error))
                fetched = 0
            if not fetched:
                with anyio.move_on_after(self._interval_s):
                    await self._changed.wait()

    async def _round(self, peer: Peer) -> int:
        """One turn through the files that are due. How many segments it brought. Raises `PeerError`."""
        if peer.shard is None:
            peer.shard = await self._ask(peer, peer.client.shard)
        fetched = 0
        now_s = self._clock.monotonic_s()
        for wish in self.wanted.due(peer.url, now_s, FILES_AT_ONCE):
            submission = self._files.by_seq(wish.seq)
            if submission is None or submission.pruned:
                self.wanted.stop(wish.seq)  # The chain took it back, or its time is over.
                continue
            if self._files.is_finalized(submission):
                self.wanted.complete(wish.seq)
                continue
            brought = await self._fetch(peer, wish, submission)
            self.wanted.asked(wish, peer.url, self._clock.monotonic_s(), self._interval_s, found=brought > 0)
            fetched += brought
        return fetched

    async def _fetch(self, peer: Peer, wish: FileWish, submission: StoredSubmission) -> int:
        """Take what a peer has of a file. Raises `PeerError`."""
        root, size_bytes = submission.root, submission.submission.size_bytes
        missing = self._files.missing(submission, MISSING_MAX)
        held = await self._held(peer, submission, missing)
        if not held:
            wish.state = FileState.FINDING
            return 0
        wish.state = FileState.DOWNLOADING
        fetched = 0
        for first, count in _runs(held):
            ask = partial(peer.client.segments, root, size_bytes=size_bytes, first=first, count=count, tx_seq=submission.seq)
            segments = await self._ask(peer, ask)
            if not segments:
                raise PeerAnswerError(peer.url, f"it says that it has segment {first} of {root}, and does not send it")
            async with self._gate.passing():
                await self._files.store.put([_write(submission, segment) for segment in segments])
            fetched += len(segments)
            self._counters.segments_fetched += len(segments)
            wish.fetched += len(segments)
            wish.peers.add(peer.url)
        if self._files.is_finalized(submission):
            self.wanted.complete(wish.seq)
            log.info("file_fetched", seq=wish.seq, root=str(root), peer=peer.url)
        return fetched

    async def _held(self, peer: Peer, submission: StoredSubmission, missing: Sequence[int]) -> list[int]:
        """Those of the missing segments that a peer says that it has. Raises `PeerError`."""
        if await self._ask(peer, peer.client.speaks_binary):
            found: Availability | None = await self._ask(peer, partial(peer.client.availability, submission.root))
            return [] if found is None else [index for index in missing if found.holds(index)]
        info = await self._ask(peer, partial(peer.client.file_info, submission.root))
        shard = peer.shard
        if info is None or not info.finalized or shard is None:
            return []
        first = submission.start_sector // SEGMENT_SECTORS
        return [index for index in missing if shard.holds(first + index)]

    async def ask_all(self, question: Callable[[NodeClient], T]) -> list[tuple[Peer, T]]:
        """Answers of the peers that are not left alone at the moment, within the time that one may take."""
        answers: list[tuple[Peer, T]] = []

        async def ask(peer: Peer) -> None:
            try:
                answers.append((peer, await self._ask(peer, partial(question, peer.client))))
            except PeerError as error:
                self._blame(peer, error)

        now_s = self._clock.monotonic_s()
        async with anyio.create_task_group() as tasks:
            for peer in self.all:
                if peer.waits_until_s <= now_s:
                    tasks.start_soon(ask, peer, name=f"storage.peers.ask.{peer.url}")
        return answers

    async def _ask(self, peer: Peer, question: Callable[[], T]) -> T:
        """In a thread of which each peer has one; the client bounds the time and the size of the answer. Raises `PeerError`."""
        answer = await to_thread.run_sync(question, limiter=peer.limiter, abandon_on_cancel=True)
        peer.is_connected, peer.failures, peer.cause = True, 0, None
        peer.seen_s = self._clock.monotonic_s()
        return answer

    def _blame(self, peer: Peer, error: PeerError | TimeoutError) -> None:
        """Count what a peer did, and leave it alone for a while."""
        reason = _reason(error)
        self._counters.peers_refused[reason] += 1
        peer.is_connected = False
        peer.shard = None
        peer.cause = str(error)
        pause_s = min(BACKOFF_S_MIN * 2**peer.failures, BACKOFF_S_MAX)
        peer.failures = min(peer.failures + 1, 32)
        peer.waits_until_s = self._clock.monotonic_s() + pause_s
        log.warning("peer_left_alone", peer=peer.url, reason=reason, cause=str(error), pause_s=pause_s)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _write(submission: StoredSubmission, segment: Segment) -> SegmentWrite:
    lemma = segment.proof.lemma
    return SegmentWrite(
        root=submission.root,
        size_bytes=submission.submission.size_bytes,
        index=segment.index,
        data=segment.data,
        segment_root=lemma[0],
        siblings=lemma[1:-1],
    )


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First index and length of rows of neighbours, as much as goes into one request."""
    first = count = 0
    for index in indexes:
        if count and index == first + count and count < SEGMENTS_AT_ONCE:
            count += 1
            continue
        if count:
            yield first, count
        first, count = index, 1
    if count:
        yield first, count


def _reason(error: PeerError | TimeoutError) -> str:
    """A short name for the metrics."""
    match error:
        case PeerAnswerError():
            return "wrong_answer"
        case PeerRefusedError() | PeerStatusError():
            return "refused"
    return "unreachable"
