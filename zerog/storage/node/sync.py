"""Follows the log of the flow's contract to the tip of the chain, and back where the chain goes back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import anyio.lowlevel
import structlog

from zerog._kernel import FlowRefusedError
from zerog.chain.client import AnswerError, NodeUnreachableError, RpcError
from zerog.primitives import DecodeError, Hash32
from zerog.runtime.clock import Clock
from zerog.storage.node.chain_view import BlockReference, ChainView
from zerog.storage.node.counters import Counters
from zerog.storage.node.errors import ChainNotFollowedError, FlowMismatchError
from zerog.storage.node.files import Files
from zerog.storage.node.flow_log import LogGapError, next_page, read_logs
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.store import BlockMark, StoredSubmission, StoreFailedError
from zerog.storage.protocol.flow import FlowTree

__all__ = ["FlowFollower"]

RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 5.0
"""Between two tries to reach the chain; each failure doubles the wait."""
REPLAY_SUBMISSIONS: Final = 200
"""Submissions that are read at a time when the tree is built anew."""
LAGS_MAX: Final = 3
"""Looks in a row at a chain without the block that was read last until that is believed, where the chain node is not of ours."""
MARK_S: Final = 1.0
MARK_BLOCKS: Final = 64
"""Blocks without a submission are noted on disk after so much time, or when there are so many."""

Announce = Callable[[Sequence[StoredSubmission]], Awaitable[None]]

log = structlog.get_logger(__name__)


class FlowFollower:
    """Brings submissions into the store, in the order of the chain, and takes them back with their blocks."""

    def __init__(
        self, chain: ChainView, files: Files, settings: StorageNodeSettings, clock: Clock, counters: Counters, announce: Announce
    ) -> None:
        """`announce` hears of submissions once they are in the store."""
        self._chain: Final = chain
        self._files: Final = files
        store = self._store = files.store
        self._settings: Final = settings
        self._clock: Final = clock
        self._counters: Final = counters
        self._announce: Final = announce
        self._read: BlockMark | None = store.mark()
        self._noted_s = clock.monotonic_s()
        self._page_blocks = settings.page_blocks
        self._head: BlockReference | None = None
        self._checked_seq = -1
        self._limit: int | None = None
        self._lagging = 0
        self._moved = anyio.Event()
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""
        self.is_synced = False
        """Whether the newest block was read at the last look."""
        checkpoint = store.flow_checkpoint()
        self.tree = FlowTree(checkpoint)
        """The tree over the flow, as far as the log was read."""
        self.knows_all = checkpoint is None
        """Whether the tree was grown from its beginning, so that every sector can be proved."""

    @property
    def read(self) -> BlockMark | None:
        """The newest block whose log was read."""
        return self._read

    @property
    def head_number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return None if self._head is None else self._head.number

    async def run(self) -> None:
        """Follow until cancelled, through all failures of the chain. Raises `FlowMismatchError` when our flow is not the contract's."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                await self._follow_once()
            except (NodeUnreachableError, AnswerError, RpcError, LogGapError, DecodeError, StoreFailedError, TimeoutError) as error:
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
            number = min(number, head.number - self._settings.confirmations)
        while number >= 0 and (self._read is None or self._read.number < number):
            if self.trouble is not None:
                raise ChainNotFollowedError(self.trouble)
            await self._moved.wait()

    def limit(self, number: int | None) -> None:
        """Read no block after `number`; none lifts it."""
        self._limit = number
        self._wake()

    def note(self) -> None:
        """Write down how far the log was read, at the latest before the store is closed."""
        if self._read is not None and self._read != self._store.mark():
            self._store.record(self._read, (), self.tree.checkpoint())
        self._noted_s = self._clock.monotonic_s()

    async def rebuild_tree(self) -> None:
        """Read all submissions into the tree again, so that also those before its checkpoint can be proved."""
        tree = FlowTree()
        seq = 0
        while seq < self._store.next_seq:
            submissions = self._store.submissions(seq, REPLAY_SUBMISSIONS)
            for submission in submissions:
                self._append(tree, submission)
            seq += len(submissions)
            await anyio.lowlevel.checkpoint()
        if tree.root == self.tree.root:  # Else the chain went back meanwhile.
            self.tree, self.knows_all = tree, True

    async def _follow_once(self) -> None:
        """Wait for another newest block than the one seen last, and read up to it."""
        while self._is_at_limit():
            await self._moved.wait()
        head = await self._chain.next_head(self._head)
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
            first_block=self._settings.first_block,
            confirmations=self._settings.confirmations,
            blocks_max=self._page_blocks,
        )
        if page is None:
            return False
        await self._read_page(*page)
        return True

    def _is_at_limit(self) -> bool:
        return self._limit is not None and self._read is not None and self._read.number >= self._limit

    async def _is_on_chain(self, mark: BlockMark) -> bool:
        block = await self._chain.block(mark.number)
        return block is not None and block.hash == mark.hash

    async def _read_page(self, first: int, last: int) -> None:
        """Read blocks `first` to `last`, if they stand on what was read, and stay where they are meanwhile."""
        end = await self._chain.block(last)
        if end is None:
            raise AnswerError(self._chain.url, f"block {last} has gone")
        if self._read is not None:
            follows = end.parent == self._read.hash if first == last else await self._is_on_chain(self._read)
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
        self._page_blocks = min(2 * self._page_blocks, self._settings.page_blocks)
        page = read_logs(logs, self._store.next_seq)
        self._counters.logs_ignored += page.ignored
        if page.ignored:
            log.warning("logs_ignored", first=first, last=last, count=page.ignored)
        await self._take(BlockMark(last, end.hash), page.submissions, blocks=last - first + 1)

    async def _take(self, mark: BlockMark, submissions: Sequence[StoredSubmission], *, blocks: int) -> None:
        if submissions:
            self._record(mark, submissions)
        self._read = mark
        self._counters.blocks_read += blocks
        self._counters.submissions_read += len(submissions)
        self._wake()
        if submissions:
            await self._announce(submissions)
            await self._check_root(submissions[-1].seq, mark)
        elif self._is_note_due(mark):
            self.note()

    def _record(self, mark: BlockMark, submissions: Sequence[StoredSubmission]) -> None:
        """Into the tree and the store, or into neither. Raises `StoreFailedError`."""
        before = self.tree.checkpoint()
        for submission in submissions:
            self._append(self.tree, submission)
        try:
            self._store.record(mark, submissions, self.tree.checkpoint())
        except StoreFailedError:
            self.tree.unwind(before)
            raise
        self._noted_s = self._clock.monotonic_s()

    def _append(self, tree: FlowTree, submission: StoredSubmission) -> None:
        """What has no place on a flow is said and left out; the next comparison with the contract's root decides."""
        try:
            tree.append(submission.start_sector, submission.submission.nodes)
        except FlowRefusedError as error:
            log.warning("submission_misplaced", seq=submission.seq, start=submission.start_sector, cause=str(error))

    def _is_note_due(self, mark: BlockMark) -> bool:
        noted = self._store.mark()
        if noted is None or mark.number - noted.number >= MARK_BLOCKS:
            return True
        return self._clock.monotonic_s() - self._noted_s >= MARK_S

    async def _check_root(self, seq: int, mark: BlockMark) -> None:
        """Hold our root after the newest submission against the contract's. Raises `FlowMismatchError`."""
        if self._checked_seq >= 0 and seq - self._checked_seq < self._settings.root_check_submissions:
            return
        ours = self.tree.root
        theirs = await self._chain.flow_root(seq)
        if ours != theirs and await self._is_on_chain(mark):
            raise FlowMismatchError(self._chain.flow, seq, ours, theirs)
        if ours == theirs:
            self._checked_seq = seq
            self._counters.roots_checked += 1

    async def _go_back(self) -> None:
        """The chain took back what was read last: back to the newest block that both have, or to the beginning."""
        taken_back = self._read
        for mark in self._store.marks():
            if await self._is_on_chain(mark):
                self._unwind(mark)
                break
        else:
            self._unwind(None)
        self._checked_seq = min(self._checked_seq, self._store.next_seq - 1)
        self._counters.reorganizations += 1
        log.warning("chain_went_back", from_block=taken_back and taken_back.number, to_block=self._read and self._read.number)
        self._wake()

    def _unwind(self, mark: BlockMark | None) -> None:
        checkpoint = self._store.unwind(-1 if mark is None else mark.number)
        self._files.forget()
        self._read = mark
        if checkpoint is None:
            self.tree, self.knows_all = FlowTree(), True
            return
        try:
            self.tree.unwind(checkpoint)
        except FlowRefusedError:  # It began with a later checkpoint and does not know the time before.
            self.tree, self.knows_all = FlowTree(checkpoint), False

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    def status(self) -> dict[str, object]:
        """For the control socket."""
        read = self._read
        return {
            "log_sync_block": None if read is None else read.number,
            "log_sync_hash": None if read is None else str(Hash32(read.hash)),
            "chain_head": self.head_number,
            "is_synced": self.is_synced,
            "trouble": self.trouble,
            "next_seq": self._store.next_seq,
            "flow_sectors": self.tree.sectors,
            "flow_root": str(self.tree.root),
        }
