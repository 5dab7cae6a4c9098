"""`zgs_*` about the node and its files. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/api.rs`; the last two methods are ours."""

from typing import Final

from zerog.primitives import Data, Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.store import Held, StoredSubmission
from zerog.storage.protocol.padding import segments_of
from zerog.storage.wire.files import Availability, FileInfo, FilePage
from zerog.storage.wire.nodes import NodeStatus, ShardConfig
from zerog.storage.wire.parameters import FileName, Number

__all__ = ["zgs"]

zgs = Namespace("zgs")

PAGE_FILES: Final = 100
PAGE_FILES_MAX: Final = 256
BITMAP_SEGMENTS_MAX: Final = 1 << 23
"""Segments that a bitmap tells of: those of a file of 2 TiB."""


@zgs.method("getStatus")
def get_status(keeper: Keeper) -> NodeStatus:
    """Which network the node is of, and how far it has read the chain."""
    return keeper.status()


@zgs.method("getShardConfig")
def get_shard_config(keeper: Keeper) -> ShardConfig:
    """Which segments the node holds."""
    return ShardConfig.of(keeper.shard)


@zgs.method("getFileInfo")
def get_file_info(keeper: Keeper, root: Hash32, need_available: bool = False) -> FileInfo | None:  # noqa: ARG001 - no client cares.
    """A file by its root: of its submissions the first that is complete here, else the first that is not pruned."""
    submission = keeper.files.find(root)
    return None if submission is None else keeper.info(submission)


@zgs.method("getFileInfoByTxSeq")
def get_file_info_by_tx_seq(keeper: Keeper, tx_seq: Number) -> FileInfo | None:
    """A file by the number of its submission."""
    submission = keeper.files.by_seq(tx_seq)
    return None if submission is None else keeper.info(submission)


@zgs.method("checkFileFinalized")
def check_file_finalized(keeper: Keeper, file: FileName) -> bool | None:
    """Whether the node has all that it must hold of a file; null for one that it does not know."""
    submission = keeper.files.named(file.name)
    return None if submission is None else keeper.files.is_finalized(submission)


@zgs.method("getAvailability")
def get_availability(keeper: Keeper, file: FileName) -> Availability | None:
    """Which segments of a file are here, bit by bit; null for a file that the node does not know."""
    submission = keeper.files.named(file.name)
    return None if submission is None else _availability(keeper, submission)


@zgs.method("listFiles")
def list_files(keeper: Keeper, cursor: Number | None = None, limit: Number | None = None) -> FilePage:
    """Files in the order of their submissions. `next` is the cursor of the next page, and null after the last."""
    count = min(max(1, PAGE_FILES if limit is None else limit), PAGE_FILES_MAX)
    first = 0 if cursor is None else cursor
    end = min(first + count, keeper.store.next_seq)
    found = keeper.store.submissions(first, count) if first < end else []
    return FilePage(files=[keeper.info(submission) for submission in found], next=end if first < end < keeper.store.next_seq else None)


def _availability(keeper: Keeper, submission: StoredSubmission) -> Availability:
    segments = segments_of(submission.submission.size_bytes)
    held = Held() if submission.pruned else keeper.store.held(submission.root)  # What is pruned is given no more, though it may lie there.
    return Availability(
        root=submission.root,
        tx_seq=submission.seq,
        segments=segments,
        shard=ShardConfig.of(keeper.shard),
        held=Data(held.bitmap(min(segments, BITMAP_SEGMENTS_MAX))),
        held_count=len(held),
        required=len(keeper.files.required(submission)),
        finalized=keeper.files.is_finalized(submission),
    )
