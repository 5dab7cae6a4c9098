"""`kv_*` about streams, items and how far the node is. Source: as for values."""

from typing import Final

from anyio import to_thread

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.kv.keeper import Keeper
from zerog.storage.kv.records import ItemRecord
from zerog.storage.wire.kv import ItemFacts, ItemPage, ReplayProgress, StreamFacts, StreamPage
from zerog.storage.wire.parameters import Number

__all__ = ["kv"]

PAGE_DEFAULT: Final = Number(100)
PAGE_MAX: Final = 1_000

kv: Final = Namespace("kv")


@kv.method("getStatus")
def get_status(_keeper: Keeper) -> bool:
    """Whether the node answers."""
    return True


@kv.method("getTransactionResult")
def get_transaction_result(keeper: Keeper, tx_seq: Number) -> str | None:
    """What became of a submission: `Commit`, or why it was rejected; null while it waits, and for what is not followed."""
    return keeper.store.result(tx_seq)


@kv.method("getHoldingStreamIds")
async def get_holding_stream_ids(keeper: Keeper) -> list[Hash32]:
    """The streams that are followed, ascending."""
    return list(await to_thread.run_sync(keeper.store.holding_streams, limiter=keeper.slow_reads))


@kv.method("getReplayProgress")
def get_replay_progress(keeper: Keeper) -> ReplayProgress:
    """The first submission that has no result yet, and the first of a stream that is followed."""
    progress = keeper.store.progress()
    return ReplayProgress(applied_seq=progress.applied_seq, first_seq=progress.first_seq)


@kv.method("listStreams")
async def list_streams(keeper: Keeper, cursor: Hash32 | None = None, limit: Number = PAGE_DEFAULT) -> StreamPage:
    """A page of the streams that are followed and that a submission names, in the order of their ids. Ours."""
    rows, last = await to_thread.run_sync(keeper.store.list_streams, cursor, _page(limit), limiter=keeper.slow_reads)
    return StreamPage(
        streams=[
            StreamFacts(stream_id=row.stream, first_seq=row.first_seq, last_seq=row.last_seq, parked=row.is_parked)
            for row in rows
            if row.first_seq is not None and row.last_seq is not None
        ],
        next=None if last is None else str(last),
    )


@kv.method("getItems")
async def get_items(keeper: Keeper, first_seq: Number, limit: Number = PAGE_DEFAULT) -> ItemPage:
    """Submissions of followed streams from one on, in their order, with what became of each. Ours."""
    size = _page(limit)
    records: list[ItemRecord] = await to_thread.run_sync(keeper.store.items, first_seq, size, limiter=keeper.slow_reads)
    following = records[-1].submission.seq + 1 if len(records) == size else None
    return ItemPage(items=[_facts(record) for record in records if record.is_followed], next=following)


def _facts(record: ItemRecord) -> ItemFacts:
    submission = record.submission
    return ItemFacts(
        tx_seq=submission.seq,
        root=submission.root,
        streams=list(dict.fromkeys(submission.streams)),
        sender=submission.sender,
        transaction_hash=submission.transaction_hash,
        size=submission.size_bytes,
        result=record.result,
    )


def _page(limit: int) -> int:
    return max(1, min(limit, PAGE_MAX))
