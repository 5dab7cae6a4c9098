"""Fetches what this node must hold and does not from other nodes, from several at once, proof by proof; who lies is left alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import structlog
from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.abc import TaskGroup

from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate
from zerog.storage.client import NodeClient, PeerError, PeerLimits
from zerog.storage.node.counters import Counters
from zerog.storage.node.fetching import Claims, Job, Offer, fault_of, fetch, jobs_of
from zerog.storage.node.files import Files
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.standing import LANES_MAX, Standing
from zerog.storage.node.store import StoredSubmission, StoreFailedError
from zerog.storage.node.wanted import FileState, FileWish, Wanted
from zerog.storage.protocol.shards import Shard
from zerog.storage.protocol.units import SEGMENT_SECTORS

__all__ = ["Peer", "Peers"]

FILES_AT_ONCE: Final = 64
"""Files that one peer is asked for between two looks at what has changed."""
BITMAPS_SEGMENTS_MAX: Final = 1 << 24
"""Segments of the files that one question asks for: their bitmaps are 4 MiB of JSON."""
MISSING_MAX: Final = 4_096
"""Missing segments that one peer is asked for in one turn: 1 GiB."""
FETCHES_AT_ONCE: Final = 8
"""Requests for segments that are on their way from all peers together: 32 MiB."""
SCAN_SUBMISSIONS: Final = 200

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Peer:
    """One other node, by its URL."""

    url: str
    client: NodeClient
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LANES_MAX + 1))
    standing: Standing = field(default_factory=Standing)
    shard: Shard | None = None
    """What it holds, once it has said so."""
    is_connected: bool = False
    """Whether it answered what it was asked last."""
    seen_s: float | None = None
    """When it answered last, by the clock that never goes back."""

    def status(self, now_s: float) -> dict[str, object]:
        """For the control socket and operators; `now_s` is of the clock that never goes back."""
        standing = self.standing
        return {
            "state": standing.cause or ("connected" if self.is_connected else "not asked yet"),
            "shard": None if self.shard is None else str(self.shard),
            "score": round(standing.score, 4),
            "segments": standing.segments,
            "faults": {fault.value: count for fault, count in sorted(standing.faults.items(), key=lambda item: item[0].value)},
            "left_alone_s": round(max(0.0, standing.waits_until_s - now_s), 1),
        }


@dataclass(slots=True, eq=False)
class _Turn:
    """What comes of one turn at one peer."""

    peer: Peer
    jobs: Iterator[Job]
    scope: CancelScope
    lanes: int = 0
    brought: dict[int, int] = field(default_factory=dict)
    """Segments by the file's number."""
    left_to_others: set[int] = field(default_factory=set)
    """Files of which it has segments that others are asked for, or that it is asked for in the next turn."""
    failure: PeerError | TimeoutError | StoreFailedError | None = None


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
        self._claims: Final = Claims()
        self._together: Final = CapacityLimiter(FETCHES_AT_ONCE)
        self._changed = anyio.Event()
        self._is_scanned = False
        self._orders = 0
        """Files that were ordered; a turn that began before one ends early."""

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

    def announced(self, submissions: Iterable[StoredSubmission], *, are_new: bool) -> None:
        """Look for files: for new ones after a while, since whoever submits one uploads it, for all others at once."""
        if self.all:
            now_s = self._clock.monotonic_s()
            for submission in submissions:
                self.wanted.add(submission.seq, now_s, due_s=now_s + self._interval_s if are_new else 0.0)
            if not are_new:
                self._wake()

    def order(self, seq: int, *, damaged: bool = False) -> FileWish:
        """Look for a file at once, because somebody asks for it, or because segments of it were held and are `damaged`."""
        known = self.wanted.get(seq)
        self._orders += known is None or not known.is_ordered
        wish = self.wanted.add(seq, self._clock.monotonic_s(), ordered=True)
        wish.was_damaged |= damaged
        self._wake()
        return wish

    def is_nowhere(self, wish: FileWish) -> bool:
        """Whether no peer has anything of what is missing of a file: each said so when it was asked last, or does not answer."""
        now_s = self._clock.monotonic_s()
        looks = ((wish.looks.get(peer.url), peer) for peer in self.all)
        return all(peer.standing.waits_until_s > now_s if look is None else look.pause_s > 0 for look, peer in looks)

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
            pause_s = peer.standing.waits_until_s - self._clock.monotonic_s()
            if pause_s > 0:
                await anyio.sleep(pause_s)
            changed, fetched = self._changed, 0
            try:
                fetched = await self._round(peer)
                peer.standing.answered()
            except (PeerError, TimeoutError) as error:
                self._blame(peer, error)
                continue
            except StoreFailedError as error:  # No fault of the peer; it may be that somebody makes room.
                log.warning("fetched_not_stored", peer=peer.url, cause=str(error))
            if not fetched:
                with anyio.move_on_after(self._interval_s):
                    await changed.wait()

    async def _round(self, peer: Peer) -> int:
        """One turn through the files that are due. How many segments it brought. Raises `PeerError` and `StoreFailedError`."""
        due = self.wanted.due(peer.url, self.now_s(), FILES_AT_ONCE)
        if due or peer.shard is None:
            peer.shard = await self._ask(peer, peer.client.shard)  # It may have been split since the last time.
        files = [file for file in map(self._looked_for, due) if file is not None]
        offers, looked_at = await self._offers(peer, files) if files else ([], 0)
        fetched, left_to_others = await self._take(peer, offers)
        for wish, _ in files[:looked_at]:
            found = wish.seq in fetched or wish.seq in left_to_others
            self.wanted.asked(wish, peer.url, self.now_s(), self._interval_s, found=found)
            if wish.was_damaged and self.is_nowhere(wish) and wish.state is not FileState.FAILED:
                wish.state, wish.cause = FileState.FAILED, "no peer has the damaged segments"
                log.error("damaged_file_is_nowhere", seq=wish.seq, peers=len(self.all))
        return sum(fetched.values())

    def _looked_for(self, wish: FileWish) -> tuple[FileWish, StoredSubmission] | None:
        """The submission of a wish, if it still misses something."""
        submission = self._files.by_seq(wish.seq)
        if submission is None or submission.pruned:
            self.wanted.stop(wish.seq)  # The chain took it back, or its time is over.
        elif self._files.is_finalized(submission):
            self.wanted.complete(wish.seq)
        else:
            return wish, submission
        return None

    # --- what a peer has

    async def _offers(self, peer: Peer, files: Sequence[tuple[FileWish, StoredSubmission]]) -> tuple[list[Offer], int]:
        """What of the missing segments a peer says that it has, and how many of the files were looked at. Raises `PeerError`."""
        speaks_binary = await self._ask(peer, peer.client.speaks_binary)
        offers: list[Offer] = []
        for some in _portions(files):
            if sum(len(offer.indexes) for offer in offers) >= MISSING_MAX:
                break
            if speaks_binary:
                roots = [submission.root for _, submission in some]
                for (wish, submission), held in zip(some, await self._ask(peer, partial(peer.client.availabilities, roots)), strict=True):
                    missing = [] if held is None else self._files.missing(submission, MISSING_MAX)
                    indexes = [index for index in missing if held is not None and held.holds(index)]
                    offers.append(Offer(wish, submission, indexes, held))
                    await anyio.lowlevel.checkpoint()
                continue
            for wish, submission in some:
                info = await self._ask(peer, partial(peer.client.file_info, submission.root))
                is_whole = info is not None and info.finalized and peer.shard is not None
                first = submission.start_sector // SEGMENT_SECTORS
                missing = self._files.missing(submission, MISSING_MAX) if is_whole else []
                indexes = [index for index in missing if peer.shard is not None and peer.shard.holds(first + index)]
                offers.append(Offer(wish, submission, indexes, None))
        for offer in offers:
            if not offer.indexes and offer.wish.state not in (FileState.FAILED, FileState.COMPLETED):
                offer.wish.state = FileState.FINDING
        return [offer for offer in offers if offer.indexes], len(offers)

    # --- taking it

    async def _take(self, peer: Peer, offers: Sequence[Offer]) -> tuple[dict[int, int], set[int]]:
        """Take what nobody else is asked for; segments by file, and files left to others. Raises `PeerError` and `StoreFailedError`."""
        async with anyio.create_task_group() as tasks:
            turn = _Turn(peer, iter(()), tasks.cancel_scope)
            turn.jobs = self._jobs(turn, offers)
            if offers:
                self._open_lane(turn, tasks)
        if turn.failure is not None:
            raise turn.failure
        return turn.brought, turn.left_to_others

    def _jobs(self, turn: _Turn, offers: Sequence[Offer]) -> Iterator[Job]:
        """What is to be asked for next; claimed for this peer, so whoever takes a job releases it."""
        standing, orders, taken = turn.peer.standing, self._orders, 0
        for offer in offers:
            root = offer.submission.root
            if standing.lies and self._has_better(turn.peer, offer.wish):
                turn.left_to_others.add(offer.wish.seq)
                continue
            for job in jobs_of(offer, lambda: standing.window):
                if taken >= MISSING_MAX or orders != self._orders:
                    turn.left_to_others.add(offer.wish.seq)
                    break
                held = self._files.store.held(root)
                wanted = [index for index in job.indexes if index not in held]
                now_s = self._clock.monotonic_s()
                free = [index for index in wanted if not self._claims.has(root, index, now_s)]
                if len(free) < len(wanted):
                    turn.left_to_others.add(offer.wish.seq)
                if free:
                    claimed = Job(offer, free)
                    self._claims.take(claimed, now_s)
                    taken += len(free)
                    yield claimed

    def _has_better(self, peer: Peer, wish: FileWish) -> bool:
        """Whether a peer that answers and lied less has something of a file, or has not been asked for it yet."""
        now_s, lies = self._clock.monotonic_s(), peer.standing.lies
        better = [
            other for other in self.all if other.is_connected and other.standing.lies < lies and other.standing.waits_until_s <= now_s
        ]
        return any((look := wish.looks.get(other.url)) is None or not look.pause_s for other in better)

    def _open_lane(self, turn: _Turn, tasks: TaskGroup) -> None:
        turn.lanes += 1
        tasks.start_soon(self._lane, turn, tasks, name=f"storage.peers.lane.{turn.peer.url}")

    async def _lane(self, turn: _Turn, tasks: TaskGroup) -> None:
        """Do one job after the other; a peer that keeps its word gets more lanes."""
        while True:
            async with self._together:
                job = next(turn.jobs, None)
                if job is None:
                    return
                try:
                    await self._carry_out(turn, job)
                except (PeerError, TimeoutError, StoreFailedError) as error:
                    turn.failure = turn.failure or error
                    turn.scope.cancel()  # What others can give must not wait for what this one has still to send.
                    return
                finally:
                    self._claims.release(job)
                    if turn.failure is not None:
                        self._wake()
            if turn.lanes < turn.peer.standing.lanes:
                self._open_lane(turn, tasks)

    async def _carry_out(self, turn: _Turn, job: Job) -> None:
        """Fetch and store the segments of one request. Raises `PeerError` and `StoreFailedError`."""
        peer, wish = turn.peer, job.offer.wish
        if wish.state is not FileState.COMPLETED:
            wish.state = FileState.DOWNLOADING
        segments, fault = await self._ask(peer, partial(fetch, peer.client, job))
        if segments:
            async with self._gate.passing():
                await self._files.store.put(segments)
            peer.standing.delivered(len(segments))
            turn.brought[wish.seq] = turn.brought.get(wish.seq, 0) + len(segments)
            self._counters.segments_fetched += len(segments)
            wish.fetched += len(segments)
            wish.peers.add(peer.url)
            if self._files.is_finalized(job.offer.submission):
                self.wanted.complete(wish.seq)
                event = "file_repaired" if wish.was_damaged else "file_fetched"
                log.info(event, seq=wish.seq, root=str(job.root), peers=sorted(wish.peers), segments=wish.fetched)
        if fault is not None:
            raise fault

    # --- asking

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
                if peer.standing.waits_until_s <= now_s:
                    tasks.start_soon(ask, peer, name=f"storage.peers.ask.{peer.url}")
        return answers

    async def _ask(self, peer: Peer, question: Callable[[], T]) -> T:
        """In a thread of which each peer has few; the client bounds the time and the size of the answer. Raises `PeerError`."""
        answer = await to_thread.run_sync(question, limiter=peer.limiter, abandon_on_cancel=True)
        peer.is_connected = True
        peer.seen_s = self._clock.monotonic_s()
        return answer

    def _blame(self, peer: Peer, error: PeerError | TimeoutError) -> None:
        """Count what a peer did, and leave it alone for a while."""
        fault, cause = fault_of(error), str(error)
        self._counters.peers_refused[fault.value] += 1
        peer.is_connected = False
        peer.shard = None
        pause_s = peer.standing.blame(fault, cause, self._clock.monotonic_s())
        log.warning("peer_left_alone", peer=peer.url, fault=fault.value, cause=cause, pause_s=pause_s, score=round(peer.standing.score, 4))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _portions(files: Sequence[tuple[FileWish, StoredSubmission]]) -> Iterator[list[tuple[FileWish, StoredSubmission]]]:
    """Files in portions whose bitmaps fit into one answer."""
    portion: list[tuple[FileWish, StoredSubmission]] = []
    segments = 0
    for wish, submission in files:
        own = submission.submission.sectors // SEGMENT_SECTORS
        if portion and segments + own > BITMAPS_SEGMENTS_MAX:
            yield portion
            portion, segments = [], 0
        portion.append((wish, submission))
        segments += own
    if portion:
        yield portion
