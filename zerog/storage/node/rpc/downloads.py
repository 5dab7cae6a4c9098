"""`zgs_download*`: places are within the file, and what is not here is null. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/`."""

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.keeper import Keeper
from zerog.storage.wire.parameters import Number
from zerog.storage.wire.segments import SegmentWithProof

__all__ = ["zgs"]

zgs = Namespace("zgs")


@zgs.method("downloadSegment")
async def download_segment(keeper: Keeper, root: Hash32, start: Number, end: Number) -> bytes | None:
    """Sectors `start` to `end` (not included) of a file, in base64."""
    return await keeper.reads.sectors(keeper.files.find(root), start, end)


@zgs.method("downloadSegmentByTxSeq")
async def download_segment_by_tx_seq(keeper: Keeper, tx_seq: Number, start: Number, end: Number) -> bytes | None:
    """The same of a submission."""
    return await keeper.reads.sectors(keeper.files.by_seq(tx_seq), start, end)


@zgs.method("downloadSegmentWithProof")
async def download_segment_with_proof(keeper: Keeper, root: Hash32, index: Number) -> SegmentWithProof | None:
    """A segment of a file, and the way from it to the root."""
    return await keeper.reads.with_proof(keeper.files.find(root), int(index))


@zgs.method("downloadSegmentWithProofByTxSeq")
async def download_segment_with_proof_by_tx_seq(keeper: Keeper, tx_seq: Number, index: Number) -> SegmentWithProof | None:
    """The same of a submission."""
    return await keeper.reads.with_proof(keeper.files.by_seq(tx_seq), int(index))
