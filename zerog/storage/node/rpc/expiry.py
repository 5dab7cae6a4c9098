"""`zgs_*` about the end of files' lives; ours, the official nodes do not tell."""

from typing import Final

from zerog.chain.client import AnswerError, NodeUnreachableError, RpcError
from zerog.primitives import DecodeError
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.following import ChainNotFollowedError
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.store import StoredSubmission
from zerog.storage.wire.files import ExpiryPage, FileExpiry
from zerog.storage.wire.parameters import FileName, Number

__all__ = ["zgs"]

zgs = Namespace("zgs")

PAGE_FILES: Final = 100
PAGE_FILES_MAX: Final = 256


@zgs.method("getExpiry")
async def get_expiry(keeper: Keeper, file: FileName) -> FileExpiry | None:
    """Until when the network must keep a file; null for one that the node does not know."""
    submission = keeper.files.named(file.name)
    return None if submission is None else await _expiry(keeper, submission)


@zgs.method("listExpiry")
async def list_expiry(keeper: Keeper, cursor: Number | None = None, limit: Number | None = None) -> ExpiryPage:
    """Files that live, in the order of their submissions. `next` is the cursor of the next page, and null after the last."""
    count = min(max(1, PAGE_FILES if limit is None else limit), PAGE_FILES_MAX)
    seqs = keeper.store.lives.alive_from(0 if cursor is None else cursor, count + 1)
    found = [submission for seq in seqs[:count] if (submission := keeper.files.by_seq(seq)) is not None]
    return ExpiryPage(files=[await _expiry(keeper, submission) for submission in found], next=seqs[count] if len(seqs) > count else None)


async def _expiry(keeper: Keeper, submission: StoredSubmission) -> FileExpiry:
    """Raises `ChainNotFollowedError`."""
    try:
        life = await keeper.upkeep.pruning.life(submission)
    except (NodeUnreachableError, AnswerError, RpcError, DecodeError, TimeoutError) as error:
        raise ChainNotFollowedError(str(error) or type(error).__name__) from error
    return FileExpiry(
        tx_seq=submission.seq,
        root=submission.root,
        size=submission.submission.size_bytes,
        pricing_chunk=life.pricing_chunk,
        extensions=life.extensions,
        expiry=life.end_s,
        pruned=submission.pruned,
    )
