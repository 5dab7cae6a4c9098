"""Keeps what the log says of streams: each submission that is of any, with who signed its transaction."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from anyio import CapacityLimiter, to_thread

from zerog.storage.following import BlockMark, ChainView, LoggedSubmission
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.streams import stream_ids_of_tags

__all__ = ["StreamSink"]

Announce = Callable[[int], Awaitable[None]]


class StreamSink:
    """The sink of a `Follower`. Everything of the store is done in a thread, for each write waits for the disk.

    Submissions of streams that are not followed are kept too: they may be followed later.
    """

    def __init__(self, chain: ChainView, store: KvStore, announce: Announce, took_back: Callable[[], Awaitable[None]]) -> None:
        """`announce` hears the number of the first new submission, `took_back` that there are fewer."""
        self._chain: Final = chain
        self._store: Final = store
        self._announce: Final = announce
        self._took_back: Final = took_back
        self._limiter: Final = CapacityLimiter(1)

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
        """Keep those that are of streams. Raises `StoreFailedError`, and what asking the chain for the signers raises."""
        found = [(entry, streams) for entry in submissions if (streams := stream_ids_of_tags(entry.submission.tags))]
        signers = await self._chain.signers([entry for entry, _ in found]) if found else {}
        kept = [
            StreamSubmission(
                seq=entry.seq,
                root=entry.root,
                size_bytes=entry.submission.size_bytes,
                start_sector=entry.start_sector,
                sectors=entry.submission.sectors,
                streams=streams,
                sender=signers[entry.transaction_hash],
                transaction_hash=entry.transaction_hash,
                block_number=entry.block_number,
            )
            for entry, streams in found
        ]
        await self._run(partial(self._store.record, mark, submissions[-1].seq + 1, kept))

    async def taken(self, mark: BlockMark, submissions: Sequence[LoggedSubmission]) -> None:  # noqa: ARG002 - of the protocol.
        """Let them be fetched."""
        await self._announce(submissions[0].seq)

    async def keep_mark(self, mark: BlockMark) -> None:
        """Raises `StoreFailedError`."""
        await self._run(partial(self._store.record, mark, self._store.next_seq, ()))

    async def unwind(self, mark: BlockMark | None) -> None:
        """Values, controls and results go back too. Raises `StoreFailedError`."""
        await self._run(partial(self._store.unwind, -1 if mark is None else mark.number))
        await self._took_back()

    async def _run(self, work: Callable[[], object]) -> None:
        await to_thread.run_sync(work, limiter=self._limiter)
