"""`zgs_*` about the flow as a whole. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/api.rs`."""

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.keeper import Keeper
from zerog.storage.protocol.units import SECTOR_BYTES
from zerog.storage.wire.parameters import Number
from zerog.storage.wire.segments import FileProof

__all__ = ["zgs"]

zgs = Namespace("zgs")


@zgs.method("getFlowContext")
def get_flow_context(keeper: Keeper) -> tuple[Hash32, int]:
    """Root and length, in sectors, of the flow as far as it was read."""
    return keeper.follower.tree.root, keeper.follower.tree.sectors


@zgs.method("getSectorProof")
async def get_sector_proof(keeper: Keeper, sector: Number, flow_root: Hash32 | None = None, length: Number | None = None) -> FileProof:
    """The way from a sector of the flow to its newest root, or to one of the latest; to any with the length that the flow had then."""
    return FileProof.of(await keeper.flow_reads.proof(sector, flow_root, length))


@zgs.method("getHashAtNodeIndex")
async def get_hash_at_node_index(keeper: Keeper, index: Number) -> Hash32 | None:
    """Root over a segment of the flow, if all of it is here."""
    return await keeper.flow_reads.segment_root(index)


@zgs.method("getDataByNodeIndex")
async def get_data_by_node_index(keeper: Keeper, index: Number) -> list[list[int]] | None:
    """The sectors of a segment of the flow, each as numbers, if all of it is here; to look at, not to work with."""
    data = await keeper.flow_reads.segment(index)
    if data is None:
        return None
    return [list(data[begin : begin + SECTOR_BYTES]) for begin in range(0, len(data), SECTOR_BYTES)]


@zgs.method("getMetaDataByNodeIndex")
def get_meta_data_by_node_index(keeper: Keeper, index: Number) -> str:
    """Which submissions reach into a segment of the flow, as a text to look at."""
    return "\n".join(
        f"{submission.seq}: {submission.root} at {submission.start_sector}, {keeper.store.held_count(submission.root)} segments held"
        for submission in keeper.flow_reads.submissions_in(index)
    )
