"""`zgs_upload*`. They answer 0, which all four official clients take for success.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/api.rs`.
"""

from collections.abc import Sequence

from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.upload_rules import SegmentUpload
from zerog.storage.wire.parameters import Number
from zerog.storage.wire.segments import SegmentWithProof

__all__ = ["zgs"]

zgs = Namespace("zgs")


@zgs.method("uploadSegment")
async def upload_segment(keeper: Keeper, segment: SegmentWithProof) -> int:
    """Keep a segment of whichever submission has its root; of none, for as long as the block may take that announces it."""
    return await _upload(keeper, [segment], None)


@zgs.method("uploadSegments")
async def upload_segments(keeper: Keeper, segments: list[SegmentWithProof]) -> int:
    """The same for several segments, in their order."""
    return await _upload(keeper, segments, None)


@zgs.method("uploadSegmentByTxSeq")
async def upload_segment_by_tx_seq(keeper: Keeper, segment: SegmentWithProof, tx_seq: Number) -> int:
    """Keep a segment of a submission."""
    return await _upload(keeper, [segment], tx_seq)


@zgs.method("uploadSegmentsByTxSeq")
async def upload_segments_by_tx_seq(keeper: Keeper, segments: list[SegmentWithProof], tx_seq: Number) -> int:
    """The same for several segments, in their order."""
    return await _upload(keeper, segments, tx_seq)


async def _upload(keeper: Keeper, segments: Sequence[SegmentWithProof], seq: int | None) -> int:
    uploads = [
        SegmentUpload(
            root=segment.root, size_bytes=segment.file_size, index=segment.index, data=segment.data, proof=segment.proof.to_proof()
        )
        for segment in segments
    ]
    await keeper.uploads.accept(uploads, seq=seq)
    return 0
