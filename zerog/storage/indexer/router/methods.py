"""`zgs_*` of the router: what one full node would answer, put together from what all nodes answer.

Source of the methods: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/`.
"""

import binascii
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.client import calls
from zerog.storage.client.calls import Call
from zerog.storage.client.errors import PeerRefusedError
from zerog.storage.indexer.asking import Asked, ask_all, in_order
from zerog.storage.indexer.errors import NoNodeError, RelayedError
from zerog.storage.indexer.files import Name
from zerog.storage.indexer.router.router import Router
from zerog.storage.protocol.errors import SegmentParameterError, StorageError
from zerog.storage.protocol.padding import sectors_of
from zerog.storage.protocol.shards import EVERYTHING
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_SECTORS
from zerog.storage.wire.files import Availability, FileInfo, FilePage
from zerog.storage.wire.nodes import NodeStatus, ShardConfig
from zerog.storage.wire.parameters import FileName, Number
from zerog.storage.wire.segments import BulkSegment, FileProof, SegmentWithProof

__all__ = ["zgs"]

zgs: Final = Namespace("zgs")

STORED: Final = 0
"""What an upload answers: the official clients take it for success, unlike null. Source: npm `@0gfoundation/0g-ts-sdk`."""
PAGE_FILES: Final = 100
SECTORS_MAX: Final = 1024
"""Read at once. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/impl.rs`."""

T = TypeVar("T")

_ANYTHING: Final = msgspec.json.Decoder(msgspec.Raw)
_NULL: Final = b"null"


class EndOutOfRangeError(StorageError):
    """Sectors that the file does not have."""

    code = "end_out_of_range"
    remedy = "read up to the file's last sector"

    def __str__(self) -> str:
        return "end index out of bound"


# What the network is.


@zgs.method("getStatus")
async def get_status(router: Router) -> NodeStatus:
    """The status of the node that is furthest behind, with the most peers that any has."""
    return await merged_status(router)


async def merged_status(router: Router) -> NodeStatus:
    """Raises `NoNodeError`."""
    outcomes = await ask_all(await router.directory.live(), lambda node: node.upstream.call(calls.status()))
    statuses = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    if not statuses:
        raise NoNodeError("the status")
    slowest = min(statuses, key=lambda status: status.log_sync_height)
    return msgspec.structs.replace(
        slowest,
        connected_peers=max(status.connected_peers for status in statuses),
        next_tx_seq=min(status.next_tx_seq for status in statuses),
    )


@zgs.method("getShardConfig")
def get_shard_config(_router: Router) -> ShardConfig:
    """Everything."""
    return ShardConfig.of(EVERYTHING)


@zgs.method("getFlowContext")
async def get_flow_context(router: Router) -> msgspec.Raw:
    """Root and length of the flow."""
    return await _ask_any(router, "zgs_getFlowContext", (), None)


@zgs.method("getSectorProof")
async def get_sector_proof(router: Router, sector: Number, flow_root: Hash32 | None = None, length: Number | None = None) -> msgspec.Raw:
    """Proof of a sector in the flow; with the length that it had when `flow_root` was its root, however long ago that was."""
    params = (int(sector), flow_root) if length is None else (int(sector), flow_root, int(length))
    return await _ask_any(router, "zgs_getSectorProof", params, sector // SEGMENT_SECTORS)


@zgs.method("getHashAtNodeIndex")
async def get_hash_at_node_index(router: Router, index: Number) -> msgspec.Raw:
    """Root of a segment of the flow."""
    return await _ask_any(router, "zgs_getHashAtNodeIndex", (int(index),), index)


@zgs.method("getDataByNodeIndex")
async def get_data_by_node_index(router: Router, index: Number) -> msgspec.Raw:
    """Data of a segment of the flow."""
    return await _ask_any(router, "zgs_getDataByNodeIndex", (int(index),), index)


@zgs.method("getMetaDataByNodeIndex")
async def get_metadata_by_node_index(router: Router, index: Number) -> msgspec.Raw:
    """What a node knows of a segment of the flow, for people."""
    return await _ask_any(router, "zgs_getMetaDataByNodeIndex", (int(index),), index)


# What files there are.


@zgs.method("getFileInfo")
async def get_file_info(router: Router, root: Hash32, need_available: bool = False) -> FileInfo | None:
    """A file by its root."""
    found = await router.finder.find(root, need_available=need_available)
    return None if found is None else found.info


@zgs.method("getFileInfoByTxSeq")
async def get_file_info_by_tx_seq(router: Router, tx_seq: Number) -> FileInfo | None:
    """The file of a submission."""
    found = await router.finder.find(tx_seq)
    return None if found is None else found.info


@zgs.method("checkFileFinalized")
async def check_file_finalized(router: Router, file: FileName) -> bool | None:
    """Whether all of a file is there."""
    found = await router.finder.find(file.name)
    return None if found is None else found.info.finalized


@zgs.method("getAvailability")
async def get_availability(router: Router, file: FileName) -> Availability | None:
    """Which segments of a file are there, on whatever node."""
    found = await router.finder.find(file.name, need_available=False)
    if found is None:
        return None
    place = found.place
    outcomes = await ask_all([node for node, _ in found.nodes], lambda node: node.upstream.call(calls.availability(place.seq)))
    held = {index for outcome in outcomes if outcome.answer is not None for index in range(place.segments) if outcome.answer.holds(index)}
    return Availability(
        root=place.root,
        tx_seq=place.seq,
        segments=place.segments,
        shard=ShardConfig.of(EVERYTHING),
        held=Availability.bitmap(held, place.segments),
        held_count=len(held),
        required=place.segments,
        finalized=found.info.finalized,
    )


@zgs.method("listFiles")
async def list_files(router: Router, cursor: Number | None = None, limit: Number | None = None) -> FilePage:
    """A page of files, in the order of their submissions."""
    nodes = await router.directory.live()
    outcomes = await ask_all(
        nodes,
        lambda node: node.upstream.call(
            calls.list_files(None if cursor is None else int(cursor), PAGE_FILES if limit is None else int(limit))
        ),
    )
    pages = [(outcome.node, outcome.answer) for outcome in outcomes if outcome.answer is not None]
    if not pages:
        raise _why(outcomes, "files")
    return router.finder.merged_page(pages)


@zgs.method("getExpiry")
async def get_expiry(router: Router, file: FileName) -> msgspec.Raw:
    """Until when the network must keep a file."""
    return await _ask_any(router, "zgs_getExpiry", (file.name,), None)


@zgs.method("listExpiry")
async def list_expiry(router: Router, cursor: Number | None = None, limit: Number | None = None) -> msgspec.Raw:
    """The same of files that live, a page at a time, as one node knows it."""
    params = (None if cursor is None else int(cursor), None if limit is None else int(limit))
    return await _ask_any(router, "zgs_listExpiry", params, None)


# Segments.


@zgs.method("uploadSegment")
async def upload_segment(router: Router, segment: msgspec.Raw) -> int:
    """Keep a segment of a file by its root."""
    await router.uploads.send([segment], None, alone=True)
    return STORED


@zgs.method("uploadSegments")
async def upload_segments(router: Router, segments: list[msgspec.Raw]) -> int:
    """Keep segments of files by their roots."""
    await router.uploads.send(segments, None)
    return STORED


@zgs.method("uploadSegmentByTxSeq")
async def upload_segment_by_tx_seq(router: Router, segment: msgspec.Raw, tx_seq: Number) -> int:
    """Keep a segment of a submission."""
    await router.uploads.send([segment], int(tx_seq), alone=True)
    return STORED


@zgs.method("uploadSegmentsByTxSeq")
async def upload_segments_by_tx_seq(router: Router, segments: list[msgspec.Raw], tx_seq: Number) -> int:
    """Keep segments of a submission."""
    await router.uploads.send(segments, int(tx_seq))
    return STORED


@zgs.method("downloadSegment")
async def download_segment(router: Router, root: Hash32, start: Number, end: Number) -> msgspec.Raw:
    """Sectors of a file by its root, in base64."""
    return await _download(router, root, int(start), int(end))


@zgs.method("downloadSegmentByTxSeq")
async def download_segment_by_tx_seq(router: Router, tx_seq: Number, start: Number, end: Number) -> msgspec.Raw:
    """Sectors of a submission, in base64."""
    return await _download(router, int(tx_seq), int(start), int(end))


@zgs.method("downloadSegmentWithProof")
async def download_segment_with_proof(router: Router, root: Hash32, index: Number) -> SegmentWithProof | None:
    """A segment of a file by its root, with its proof."""
    return await _download_with_proof(router, root, int(index))


@zgs.method("downloadSegmentWithProofByTxSeq")
async def download_segment_with_proof_by_tx_seq(router: Router, tx_seq: Number, index: Number) -> SegmentWithProof | None:
    """A segment of a submission, with its proof."""
    return await _download_with_proof(router, int(tx_seq), int(index))


async def _download(router: Router, name: Name, start: int, end: int) -> msgspec.Raw:
    """Every byte is checked against the root before it is passed on, which the clients that call this do not do."""
    if start >= end:
        raise SegmentParameterError("end_index", "invalid chunk index")
    if end - start > SECTORS_MAX:
        raise SegmentParameterError("end_index", f"exceeds maximum chunks {SECTORS_MAX}")
    place = await router.finder.place(name)
    if place is None:
        return msgspec.Raw(_NULL)
    if start < 0 or end > sectors_of(place.size_bytes):
        raise EndOutOfRangeError
    indexes = range(start // SEGMENT_SECTORS, -(-end // SEGMENT_SECTORS))
    found = await router.reader.read_held(place, indexes)
    if len(found) < len(indexes):
        router.finder.forget(name)
        return msgspec.Raw(_NULL)
    data = _cut(found, indexes, start, end)
    return msgspec.Raw(b'"%b"' % binascii.b2a_base64(data, newline=False))


def _cut(found: dict[int, BulkSegment], indexes: range, start: int, end: int) -> bytes | memoryview:
    """Sectors `start` to `end` of a file out of its segments."""
    first = indexes[0] * SEGMENT_SECTORS
    if len(indexes) == 1:
        return found[indexes[0]].data[(start - first) * SECTOR_BYTES : (end - first) * SECTOR_BYTES]
    return b"".join(found[index].data for index in indexes)[(start - first) * SECTOR_BYTES : (end - first) * SECTOR_BYTES]


async def _download_with_proof(router: Router, name: Name, index: int) -> SegmentWithProof | None:
    place = await router.finder.place(name)
    if place is None:
        return None
    if not 0 <= index < place.segments:
        raise SegmentParameterError("index", "index out of bound")
    found = await router.reader.read_held(place, range(index, index + 1))
    if index not in found:
        router.finder.forget(name)
        return None
    segment = found[index]
    return SegmentWithProof(
        root=place.root, data=bytes(segment.data), index=index, proof=FileProof.of(segment.to_proof()), file_size=place.size_bytes
    )


async def _ask_any(router: Router, method: str, params: Sequence[object], segment: int | None) -> msgspec.Raw:
    """What the first node answers that has something to say, of those that hold `segment` of the flow. Raises as the last one did."""
    nodes = in_order(await router.directory.live())
    holders = [node for node in nodes if segment is None or (node.shard is not None and node.shard.holds(segment))]
    outcomes: list[Asked[msgspec.Raw]] = []
    for node in holders:
        outcomes += await ask_all([node], lambda node: node.upstream.call(Call(method, tuple(params), _ANYTHING)))
        answer = outcomes[-1].answer
        if answer is not None and bytes(answer) != _NULL:
            return answer
    if any(outcome.answer is not None for outcome in outcomes):
        return msgspec.Raw(_NULL)
    raise _why(outcomes, f"segment {segment} of the flow" if segment is not None else "the flow")


def _why(outcomes: Sequence[Asked[T]], what: str) -> StorageError:
    """A node's own refusal, if there is one."""
    for outcome in outcomes:
        if isinstance(outcome.error, PeerRefusedError):
            return RelayedError(outcome.error.number, outcome.error.message, outcome.error.data)
    return NoNodeError(what)
