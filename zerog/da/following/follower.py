"""The loop that reads what the entrance contract tells, page by page, in the order of the chain, and takes it back with its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import structlog

from zerog.chain.client import AnswerError, BlockReference, Heads, RpcError
from zerog.chain.client.level import wait_until_level
from zerog.da.client.chain import CHAIN_FAILURES, BlobEvent, DaChain
from zerog.primitives import Hash32

__all__ = ["BlockMark", "EntranceFollower", "EntranceSink", "FollowCounters", "FollowOptions"]

log = structlog.get_logger(__name__)

RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 5.0
"""Between two tries to reach the chain; each failure doubles the wait."""
LAGS_MAX: Final = 3
"""Looks in a row at a chain without the block that was read last until that is believed: of several nodes behind one address, one may be
some blocks behind."""


@dataclass(frozen=True, slots=True)
class BlockMark:
    """A block up to which the log was read."""

    number: int
    hash: Hash32


class EntranceSink(Protocol):
    """What keeps what is read."""

    def mark(self) -> BlockMark | None:
        """The newest block that was kept."""

    def marks(self) -> Sequence[BlockMark]:
        """Blocks that were kept, the newest first, as far back as the chain may be taken back to them one by one."""

    async def take(self, mark: BlockMark, events: Sequence[BlobEvent]) -> None:
        """Keep the events, and that the log was read up to `mark`; both or neither."""

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
    interval_s: float = 1.0
    """Between two looks at a chain node that cannot tell of new blocks by itself."""


@dataclass(slots=True)
class FollowCounters:
    """Sums since the start."""

    blocks_read: int = 0
    events_read: int = 0
    reorganizations: int = 0
    """How often the chain took back blocks that had been read."""
    chain_failures: int = 0
    """Calls to the chain that failed."""


class EntranceFollower:
    """Brings announcements and confirmations of blobs into a sink."""

    def __init__(self, chain: DaChain, sink: EntranceSink, options: FollowOptions) -> None:
        self.counters: Final = FollowCounters()
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""
        self.is_synced = False
        """Whether the newest block was read at the last look."""
        self._chain: Final = chain
        self._heads: Final = Heads(chain.client, interval_s=options.interval_s, watched=[chain.entrance])
        self._sink: Final = sink
        self._options: Final = options
        self._read = sink.mark()
        self._page_blocks = options.page_blocks
        self._head: BlockReference | None = None
        self._lagging = 0
        self._limit: int | None = None
        self._moved = anyio.Event()

    @property
    def read(self) -> BlockMark | None:
        """The newest block whose log was read."""
        return self._read

    @property
    def head(self) -> BlockReference | None:
        """The newest block that the chain told of, once all was read up to it."""
        return self._head

    @property
    def head_number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return None if self._head is None else self._head.number

    def limit(self, number: int | None) -> None:
        """Read no block after `number`; none lifts it."""
        self._limit = number
        self._wake()

    async def run(self) -> None:
        """Follow until cancelled, through all failures of the chain."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                await self._follow_once()
            except CHAIN_FAILURES as error:
                self.counters.chain_failures += 1
                self.is_synced = False
                self.trouble = str(error) or type(error).__name__
                log.warning("chain_not_followed", cause=self.trouble, again_in_s=pause_s)
                self._wake()
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            else:
                self.trouble = None
                pause_s = RETRY_S_MIN

    async def wait_for_news(self) -> None:
        """Return when something was read, or the chain has gone or come back."""
        await self._moved.wait()

    async def wait_until_level(self) -> None:
        """Return once the newest block has been seen. Raises `ChainBehindError`, and what asking the chain raises."""
        await wait_until_level(self, self._heads.block)

    async def wait_until_read(self, number: int) -> None:
        """Return once block `number` has been read, or there is trouble."""
        while (self._read is None or self._read.number < number) and self.trouble is None:
            await self._moved.wait()

    def status(self) -> dict[str, object]:
        """For the control socket."""
        return {
            "log_block": None if self._read is None else self._read.number,
            "chain_head": self.head_number,
            "is_synced": self.is_synced,
            "trouble": self.trouble,
        }

    async def _follow_once(self) -> None:
        """Wait for another newest block than the one seen last, and read up to it."""
        while self._is_at_limit():
            await self._moved.wait()
        # After trouble the chain is asked at once: to wait for another block would hide for long that it is back.
        head = await self._heads.next(self._head if self.trouble is None else None)
        while await self._step(head):
            pass
        self._head = None if self._is_at_limit() else head
        self.is_synced = True
        self._wake()

    async def _is_on_chain(self, mark: BlockMark) -> bool:
        block = await self._heads.block(mark.number)
        return block is not None and block.hash == mark.hash

    async def _step(self, head: BlockReference) -> bool:
        """Read a page, or go back a bit. Whether there is more to do for this head."""
        read = self._read
        if read is not None and read.number >= head.number and not await self._still_stands(read):
            return self._lagging == 0
        self._lagging = 0
        first = self._options.first_block if read is None else read.number + 1
        end = head.number if self._limit is None else min(head.number, self._limit)
        last = min(end - self._options.confirmations, first + self._page_blocks - 1)
        if first > last:
            return False
        await self._read_page(first, last)
        return True

    async def _still_stands(self, read: BlockMark) -> bool:
        """Whether the block that was read last is still on the chain; if not, go back, or look again later where it may only lag."""
        block = await self._heads.block(read.number)
        if block is not None and block.hash == read.hash:
            return True
        if block is None and not self._heads.tells_of_blocks and self._lagging < LAGS_MAX:
            self._lagging += 1
            return False
        self._lagging = 0
        await self._go_back()
        return False

    def _is_at_limit(self) -> bool:
        return self._limit is not None and self._read is not None and self._read.number >= self._limit

    async def _read_page(self, first: int, last: int) -> None:
        """Read blocks `first` to `last`, if they stand on what was read, and stay where they are meanwhile."""
        end = await self._heads.block(last)
        if end is None:
            raise AnswerError(self._chain.client.url, f"block {last} has gone")
        if self._read is not None:
            follows = end.parent == self._read.hash if first == last else await self._is_on_chain(self._read)
            if not follows:
                await self._go_back()
                return
        try:
            events = await self._chain.events(first, last)
        except RpcError as error:
            if first == last:
                raise
            self._page_blocks = max(1, (last - first + 1) // 2)
            log.info("log_page_halved", blocks=self._page_blocks, cause=str(error))
            return
        mark = BlockMark(end.number, end.hash)
        if not await self._is_on_chain(mark):
            return  # The chain went back meanwhile; the next step sees where to.
        self._page_blocks = min(2 * self._page_blocks, self._options.page_blocks)
        await self._sink.take(mark, events)
        self._read = mark
        self.counters.blocks_read += last - first + 1
        self.counters.events_read += len(events)
        self._wake()

    async def _go_back(self) -> None:
        """The chain took back what was read last: back to the newest block that both have, or to the beginning."""
        taken_back = self._read
        found = None
        for mark in self._sink.marks():
            if await self._is_on_chain(mark):
                found = mark
                break
        await self._sink.unwind(found)
        self._read = found
        self.counters.reorganizations += 1
        log.warning("chain_went_back", from_block=taken_back and taken_back.number, to_block=found and found.number)
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
