"""Keeps what the log of the flow's contract says: in the store, and as the tree whose root the contract has too."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from typing import Final

import anyio.lowlevel
import structlog

from zerog._kernel import FlowRefusedError
from zerog.runtime.clock import Clock
from zerog.storage.following import BlockMark, ChainView, Follower, FollowOptions, LoggedExtension, LoggedSubmission
from zerog.storage.node.counters import Counters
from zerog.storage.node.errors import FlowMismatchError
from zerog.storage.node.files import Files
from zerog.storage.node.settings import StorageNodeSettings
from zerog.storage.node.store import StoredSubmission, StoreFailedError
from zerog.storage.protocol.flow import FlowTree

__all__ = ["FlowFollower"]

REPLAY_SUBMISSIONS: Final = 200
"""Submissions that are read at a time when the tree is built anew."""
LOGGED_FIELDS: Final = tuple(field.name for field in fields(LoggedSubmission))

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
        self._counters: Final = counters
        self._announce: Final = announce
        self._root_check_submissions: Final = settings.root_check_submissions
        self._confirmations: Final = settings.confirmations
        self._checked_seq = -1
        checkpoint = store.flow_checkpoint()
        self.tree = FlowTree(checkpoint)
        """The tree over the flow, as far as the log was read."""
        self.knows_all = checkpoint is None
        """Whether the tree was grown from its beginning, so that every sector can be proved."""
        options = FollowOptions(first_block=settings.first_block, confirmations=settings.confirmations, page_blocks=settings.page_blocks)
        self._follower: Final = Follower(chain, self, options, clock, counters, retry_on=(StoreFailedError,), extended=self.extended)
        self.limit: Final = self._follower.limit
        self.wait_until_read: Final = self._follower.wait_until_read
        self.wait_until_back: Final = self._follower.wait_until_back

    @property
    def read(self) -> BlockMark | None:
        """The newest block whose log was read."""
        return self._follower.read

    @property
    def head_number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return self._follower.head_number

    @property
    def trouble(self) -> str | None:
        """Why the chain is not followed at the moment."""
        return self._follower.trouble

    @property
    def is_synced(self) -> bool:
        """Whether the newest block was read at the last look."""
        return self._follower.is_synced

    @property
    def is_at_tip(self) -> bool:
        """Whether everything that is to be read of the chain, as far as it is known, was read: nothing is missing in the store."""
        read, head = self.read, self.head_number
        return read is not None and head is not None and self.is_synced and read.number >= head - self._confirmations

    async def run(self) -> None:
        """Follow until cancelled, through all failures of the chain. Raises `FlowMismatchError` when our flow is not the contract's."""
        await self._follower.run()

    def note(self) -> None:
        """Write down how far the log was read, at the latest before the store is closed."""
        if self.read is not None and not self._follower.is_kept:
            self._store.record(self.read, (), self.tree.checkpoint())

    async def is_on_chain(self, mark: BlockMark) -> bool:
        """Whether the chain still has a block."""
        return await self._follower.is_on_chain(mark)

    async def wait_until_level(self) -> None:
        """See `Follower.wait_until_level`."""
        await self._follower.wait_until_level()

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

    def status(self) -> dict[str, object]:
        """For the control socket."""
        return {**self._follower.status(), "flow_sectors": self.tree.sectors, "flow_root": str(self.tree.root)}

    @property
    def next_seq(self) -> int:
        """Sequence of the submission that comes next."""
        return self._store.next_seq

    def mark(self) -> BlockMark | None:
        """The newest block that was kept."""
        return self._store.mark()

    def marks(self) -> Sequence[BlockMark]:
        """Blocks that were kept, the newest first."""
        return self._store.marks()

    async def take(self, mark: BlockMark, submissions: Sequence[LoggedSubmission]) -> None:
        """Into the tree and the store, or into neither, and with nobody looking between. Raises `StoreFailedError`."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        before = self.tree.checkpoint()
        stored = [_stored(submission) for submission in submissions]
        for submission in stored:
            self._append(self.tree, submission)
        try:
            self._store.record(mark, stored, self.tree.checkpoint())
        except StoreFailedError:
            self.tree.unwind(before)
            raise

    async def taken(self, mark: BlockMark, submissions: Sequence[LoggedSubmission]) -> None:
        """Tell of submissions, and compare the tree. Raises `FlowMismatchError`."""
        await self._announce([_stored(submission) for submission in submissions])
        await self._check_root(submissions[-1].seq, mark)

    async def extended(self, extensions: Sequence[LoggedExtension]) -> None:
        """Keep them, durably. Raises `StoreFailedError`."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._store.lives.extend(extensions)

    async def keep_mark(self, mark: BlockMark) -> None:
        """The tree has not grown. Raises `StoreFailedError`."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._store.record(mark, (), self.tree.checkpoint())

    async def unwind(self, mark: BlockMark | None) -> None:
        """Store and tree go back together. Raises `StoreFailedError`."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        checkpoint = self._store.unwind(-1 if mark is None else mark.number)
        self._files.forget()
        self._checked_seq = min(self._checked_seq, self._store.next_seq - 1)
        if checkpoint is None:
            self.tree, self.knows_all = FlowTree(), True
            return
        try:
            self.tree.unwind(checkpoint)
        except FlowRefusedError:  # It began with a later checkpoint and does not know the time before.
            self.tree, self.knows_all = FlowTree(checkpoint), False

    def _append(self, tree: FlowTree, submission: StoredSubmission) -> None:
        """What has no place on a flow is said and left out; the next comparison with the contract's root decides."""
        try:
            tree.append(submission.start_sector, submission.submission.nodes)
        except FlowRefusedError as error:
            log.warning("submission_misplaced", seq=submission.seq, start=submission.start_sector, cause=str(error))

    async def _check_root(self, seq: int, mark: BlockMark) -> None:
        """Hold our root after the newest submission against the contract's. Raises `FlowMismatchError`."""
        if self._checked_seq >= 0 and seq - self._checked_seq < self._root_check_submissions:
            return
        ours = self.tree.root
        theirs = await self._chain.flow_root(seq)
        if ours != theirs and await self._follower.is_on_chain(mark):
            raise FlowMismatchError(self._chain.flow, seq, ours, theirs)
        if ours == theirs:
            self._checked_seq = seq
            self._counters.roots_checked += 1


def _stored(submission: LoggedSubmission) -> StoredSubmission:
    return StoredSubmission(**{name: getattr(submission, name) for name in LOGGED_FIELDS})
