"""The loop that follows the log of the flow's contract to the tip of the chain, and back where the chain goes back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import structlog

from zerog.chain.client import AnswerError, BlockReference, NodeUnreachableError, RpcError
from zerog.chain.client.level import wait_until_level
from zerog.primitives import DecodeError, Hash32
from zerog.runtime.clock import Clock
from zerog.storage.following.chain_view import ChainView
from zerog.storage.following.errors import ChainNotFollowedError
from zerog.storage.following.flow_log import LogGapError, next_page, read_logs
from zerog.storage.following.records import BlockMark, LoggedExtension, LoggedSubmission

__all__ = ["FollowCounters", "FollowOptions", "Follower", "Sink"]

RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 5.0
"""Between two tries to reach the chain; each failure doubles the wait."""
LAGS_MAX: Final = 3
"""Looks in a row at a chain without the block that was read last until that is believed, where the chain node is not of ours."""
MARK_S: Final = 1.0
MARK_BLOCKS: Final = 64
"""Blocks without a submission are noted on disk after so much time, or when there are so many."""

log = structlog.get_logger(__name__)


class Sink(Protocol):
    """What keeps what is read."""

    @property
    def next_seq(self) -> int:
        """Sequence of the submission that comes next."""

    def mark(self) -> BlockMark | None:
        """The newest block that was kept."""

    def marks(self) -> Sequence[BlockMark]:
        """Blocks that were kept, the newest first, as far back as they can be taken back one by one."""

    async def take(self, mark: BlockMark, submissions: Sequence[LoggedSubmission]) -> None:
        """Keep the submissions, of which there is one at least, and that the log was read up to `mark`; both or neither."""

    async def taken(self, mark: BlockMark, submissions: Sequence[LoggedSubmission]) -> None:
        """What `take` kept counts as read now; pass it on to whoever waits for it."""

    async def keep_mark(self, mark: BlockMark) -> None:
        """Keep that the log was read up to `mark`, and that nothing was in it."""

    async def unwind(self, mark: BlockMark | None) -> None:
        """Forget all that was read after `mark`, or everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """How one role follows."""

    first_block: int = 0
    """Where to begin to read the log."""
    confirmations: int = 0
    """Blocks that must stand on top of one before it is read; 0 follows the chain to its tip."""
    page_blocks: int = 999
    """Most blocks of one look into the log; fewer are asked for where the chain node refuses."""


@dataclass(slots=True)
class FollowCounters:
    """Sums since the start."""

    blocks_read: int = 0
    submissions_read: int = 0
    logs_ignored: int = 0
    """Logs of the flow that are no submissions."""
    reorganizations: int = 0
    """How often the chain took back blocks that had been read."""
    chain_failures: int = 0
    """Calls to the chain that failed."""


class Follower:
    """Brings submissions into a sink, in the order of the chain, and takes them back with their blocks."""

    def __init__(
        self,
        chain: ChainView,
        sink: Sink,
        options: FollowOptions,
        clock: Clock,
        counters: FollowCounters,
        *,
        retry_on: tuple[type[Exception], ...] = (),
        extended: Callable[[Sequence[LoggedExtension]], Awaitable[None]] | None = None,
    ) -> None:
        """Of what the sink raises, `retry_on` is tried again, like a failure of the chain; all else ends `run`.

        `extended` keeps the extensions of a page before its mark is kept, so it may be given the same ones again; what it kept of blocks
        after a mark goes in the sink's `unwind`.
        """
        self._extended: Final = extended
        self._chain: Final = chain
        self._sink: Final = sink
        self._options: Final = options
        self._clock: Final = clock
        self._counters: Final = counters
        self._retry_on: Final[tuple[type[Exception], ...]] = (
            NodeUnreachableError,
            AnswerError,
            RpcError,
            LogGapError,
            DecodeError,
            TimeoutError,
            *retry_on,
        )
        self._read = self._kept = sink.mark()
        self._kept_s = clock.monotonic_s()
        self._page_blocks = options.page_blocks
        self._head: BlockReference | None = None
        self._limit: int | None = None
        self._lagging = 0
        self._moved = anyio.Event()
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""
        self.is_synced = False
        """Whether the newest block was read at the last look."""

    @property
    def read(self) -> BlockMark | None:
        """The newest block whose log was read."""
        return self._read

    @property
    def is_kept(self) -> bool:
        """Whether the sink has kept how far the log was read."""
        return self._read == self._kept

    @property
    def head(self) -> BlockReference | None:
        """The newest block that the chain told of, once all was read up to it."""
        return self._head

    @property
    def head_number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return None if self._head is None else self._head.number

    async def run(self) -> None:
        """Follow until cancelled, through all failures of the chain."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                await self._follow_once()
            except self._retry_on as error:
                self._counters.chain_failures += 1
                self.is_synced = False
                self.trouble = str(error) or type(error).__name__
                log.warning("chain_not_followed", cause=self.trouble, again_in_s=pause_s)
                self._wake()
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            else:
                self.trouble = None
                pause_s = RETRY_S_MIN

    async def wait_until_read(self, number: int) -> None:
        """Return once block `number`, or the newest one if that is older, has been read.

        Raises `ChainNotFollowedError` when the chain cannot be read, and what asking it raises.
        """
        head = await self._chain.block()
        if head is not None:
            number = min(number, head.number - self._options.confirmations)
        while number >= 0 and (self._read is None or self._read.number < number):
            if self.trouble is not None:
                raise ChainNotFollowedError(self.trouble)
            await self._moved.wait()

    async def wait_for_news(self) -> None:
        """Return when something was read, or the chain has gone or come back."""
        await self._moved.wait()

    async def wait_until_level(self) -> None:
        """Return once the newest block has been seen. Raises `ChainBehindError`, and what asking the chain raises."""
        await wait_until_level(self, self._chain.block)

    def limit(self, number: int | None) -> None:
        """Read no block after `number`; none lifts it."""
        self._limit = number
        self._wake()

    async def is_on_chain(self, mark: BlockMark) -> bool:
        """Whether the chain still has a block."""
        block = await self._chain.block(mark.number)
        return block is not None and block.hash == mark.hash

    def status(self) -> dict[str, object]:
        """For the control socket."""
        read = self._read
        return {
            "log_sync_block": None if read is None else read.number,
            "log_sync_hash": None if read is None else str(Hash32(read.hash)),
            "chain_head": self.head_number,
            "is_synced": self.is_synced,
            "trouble": self.trouble,
            "next_seq": self._sink.next_seq,
        }

    async def _follow_once(self) -> None:
        """Wait for another newest block than the one seen last, and read up to it."""
        while self._is_at_limit():
            await self._moved.wait()
        # After trouble the chain is asked at once: to wait for another block would hide for long that it is back.
        head = await self._chain.next_head(self._head if self.trouble is None else None)
        while await self._step(head):
            pass
        self._head = None if self._is_at_limit() else head
        self.is_synced = True
        self._wake()

    async def _step(self, head: BlockReference) -> bool:
        """Read a page, or go back a bit. Whether there is more to do for this head."""
        if self._is_at_limit():
            return False
        if self._read is not None and self._read.number >= head.number:
            block = await self._chain.block(self._read.number)
            if block is None and not self._chain.tells_of_blocks and self._lagging < LAGS_MAX:
                self._lagging += 1  # Of several nodes behind one address, one may be some blocks behind.
                return False
            if block is None or block.hash != self._read.hash:
                await self._go_back()
                return True
        self._lagging = 0
        page = next_page(
            None if self._read is None else self._read.number,
            head.number if self._limit is None else min(head.number, self._limit),
            first_block=self._options.first_block,
            confirmations=self._options.confirmations,
            blocks_max=self._page_blocks,
        )
        if page is None:
            return False
        await self._read_page(*page)
        return True

    def _is_at_limit(self) -> bool:
        return self._limit is not None and self._read is not None and self._read.number >= self._limit

    async def _read_page(self, first: int, last: int) -> None:
        """Read blocks `first` to `last`, if they stand on what was read, and stay where they are meanwhile."""
        end = await self._chain.block(last)
        if end is None:
            raise AnswerError(self._chain.url, f"block {last} has gone")
        if self._read is not None:
            follows = end.parent == self._read.hash if first == last else await self.is_on_chain(self._read)
            if not follows:
                await self._go_back()
                return
        try:
            logs = await self._chain.logs(first, last)
        except RpcError as error:
            if first == last:
                raise
            self._page_blocks = max(1, (last - first + 1) // 2)
            log.info("log_page_halved", blocks=self._page_blocks, cause=str(error))
            return
        again = await self._chain.block(last)
        if again is None or again.hash != end.hash:
            return  # The chain went back meanwhile; the next step sees where to.
        self._page_blocks = min(2 * self._page_blocks, self._options.page_blocks)
        page = read_logs(logs, self._sink.next_seq)
        self._counters.logs_ignored += page.ignored
        if page.ignored:
            log.warning("logs_ignored", first=first, last=last, count=page.ignored)
        if page.extensions and self._extended is not None:
            await self._extended(page.extensions)
        await self._take(BlockMark(last, end.hash), page.submissions, blocks=last - first + 1)

    async def _take(self, mark: BlockMark, submissions: Sequence[LoggedSubmission], *, blocks: int) -> None:
        if submissions:
            await self._sink.take(mark, submissions)
            self._note_kept(mark)
        self._read = mark
        self._counters.blocks_read += blocks
        self._counters.submissions_read += len(submissions)
        self._wake()
        if submissions:
            await self._sink.taken(mark, submissions)
        elif self._is_mark_due(mark):
            await self._sink.keep_mark(mark)
            self._note_kept(mark)

    def _note_kept(self, mark: BlockMark | None) -> None:
        self._kept = mark
        self._kept_s = self._clock.monotonic_s()

    def _is_mark_due(self, mark: BlockMark) -> bool:
        if self._kept is None or mark.number - self._kept.number >= MARK_BLOCKS:
            return True
        return self._clock.monotonic_s() - self._kept_s >= MARK_S

    async def _go_back(self) -> None:
        """The chain took back what was read last: back to the newest block that both have, or to the beginning."""
        taken_back = self._read
        for mark in self._sink.marks():
            if await self.is_on_chain(mark):
                await self._unwind(mark)
                break
        else:
            await self._unwind(None)
        self._counters.reorganizations += 1
        log.warning("chain_went_back", from_block=taken_back and taken_back.number, to_block=self._read and self._read.number)
        self._wake()

    async def _unwind(self, mark: BlockMark | None) -> None:
        await self._sink.unwind(mark)
        self._read = mark
        self._note_kept(mark)

    async def wait_until_back(self, known: int) -> None:
        """Return once the chain went back more than `known` times."""
        while self._counters.reorganizations == known:
            await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
