"""Looks files up: which submissions a root has, which of them are complete here, and how that is told."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.node.store import Store, StoredSubmission
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.shards import Shard, segments_of_shard
from zerog.storage.wire.files import FileInfo, FileTransaction

__all__ = ["Files"]

SAME_ROOT_MAX: Final = 32
"""Submissions of one root that are looked at, from either end; all of one size are complete together, but for what shards must hold."""
KNOWN_MAX: Final = 256
"""Submissions that are remembered; tags of a submission may be long."""


class Files:
    """What one node knows of files. Looking up is quick and belongs to the event loop's thread."""

    def __init__(self, store: Store, shard: Shard) -> None:
        self.store = store
        self.shard = shard
        self._known: Final[OrderedDict[int, StoredSubmission]] = OrderedDict()
        """Submissions that were asked for last, which an upload asks for with each segment."""

    def of_root(self, root: Hash32) -> Iterator[StoredSubmission]:
        """Submissions of a root, the oldest first; of very many the oldest and the newest."""
        seqs = self.store.seqs_of(root)
        if len(seqs) > 2 * SAME_ROOT_MAX:
            seqs = seqs[:SAME_ROOT_MAX] + seqs[-SAME_ROOT_MAX:]
        return (found for seq in seqs if (found := self.by_seq(seq)) is not None)

    def by_seq(self, seq: int) -> StoredSubmission | None:
        """A submission by its number."""
        submission = self._known.get(seq)
        if submission is None:
            submission = self.store.submission(seq)
            if submission is not None:
                self._known[seq] = submission
                if len(self._known) > KNOWN_MAX:
                    self._known.popitem(last=False)
        return submission

    def forget(self) -> None:
        """Ask the store again: submissions were taken back or pruned."""
        self._known.clear()

    def find(self, root: Hash32) -> StoredSubmission | None:
        """The submission that answers for a root: the oldest that is complete here, else the oldest that is not pruned.

        The reference makes a difference whether the file must be available, which only tells pruned ones; no client cares.
        """
        first = None
        for submission in self.of_root(root):
            if self.is_finalized(submission):
                return submission
            if first is None and not submission.pruned:
                first = submission
        return first

    def named(self, name: Hash32 | int) -> StoredSubmission | None:
        """A submission by its number, or the one that answers for a root."""
        return self.by_seq(name) if isinstance(name, int) else self.find(name)

    def find_for_upload(self, root: Hash32, size_bytes: int) -> StoredSubmission | None:
        """The submission that an upload without a number is for: one of that size if there is any, and a pruned one only as the last."""
        return min(self.of_root(root), key=lambda found: (found.pruned, found.submission.size_bytes != size_bytes, found.seq), default=None)

    def required(self, submission: StoredSubmission) -> range:
        """Indexes of the segments that this node must hold of a file."""
        return segments_of_shard(self.shard, start_sector=submission.start_sector, size_bytes=submission.submission.size_bytes)

    def is_finalized(self, submission: StoredSubmission) -> bool:
        """Whether this node holds all that its shard must hold; a node of which nothing is asked has finished at once."""
        if submission.pruned:
            return False
        return self.store.held(submission.root).has_all(self.required(submission))

    def missing(self, submission: StoredSubmission, count: int) -> list[int]:
        """The first `count` segments that this node must hold and does not; a file may say that it has more than fit into memory."""
        held = self.store.held(submission.root)
        return list(islice((index for index in self.required(submission) if index not in held), count))

    def info(self, submission: StoredSubmission, *, is_cached: bool) -> FileInfo:
        """What is told of a file."""
        size_bytes = submission.submission.size_bytes
        finalized = self.is_finalized(submission)
        return FileInfo(
            tx=FileTransaction.of(submission.seq, submission.submission, submission.start_sector),
            finalized=finalized,
            is_cached=is_cached,
            uploaded_seg_num=segments_of(size_bytes) if finalized or submission.pruned else self.store.held_count(submission.root),
            pruned=submission.pruned,
        )
