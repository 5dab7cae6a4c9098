"""Segments of files, read from whichever node holds them and checked: what does not fit its root is never passed on.

The quickest holder is asked first, a second one when it is slower than usual, and all others before anything counts as missing.
"""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from anyio import create_task_group, to_thread

from zerog.primitives import Hash32
from zerog.storage.client import calls
from zerog.storage.client.errors import PeerAnswerError, PeerRefusedError, PeerStatusError, PeerUnreachableError
from zerog.storage.indexer.asking import Asked, first_good, in_order
from zerog.storage.indexer.errors import SegmentsMissingError
from zerog.storage.indexer.files import Place
from zerog.storage.indexer.nodes import Node, NodeDirectory
from zerog.storage.protocol.errors import SegmentParameterError, SegmentProofError
from zerog.storage.protocol.merkle import ProvedSegment, faulty_segment
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.wire.segments import BulkSegment

__all__ = ["READ_SEGMENTS_MAX", "SegmentReader"]

READ_SEGMENTS_MAX: Final = 16
"""Asked of one node at once: 4 MiB."""
INLINE_SEGMENTS_MAX: Final = 2
"""So few are checked without a thread."""

Segments = dict[int, BulkSegment]

_decode_bulk: Final = msgspec.msgpack.Decoder(list[BulkSegment]).decode


class SegmentReader:
    """Reads from all nodes together."""

    def __init__(self, directory: NodeDirectory, *, slow_s: float) -> None:
        self._directory: Final = directory
        self._slow_s: Final = slow_s

    async def read(self, place: Place, first: int, count: int, *, nodes: Sequence[Node] = ()) -> list[BulkSegment]:
        """All segments `first` … of a file, at most `READ_SEGMENTS_MAX`. `nodes` may hold it beside the trusted ones.

        Raises `SegmentsMissingError` if one is nowhere to be had.
        """
        found = await self.read_held(place, range(first, first + count), nodes=nodes)
        missing = next((index for index in range(first, first + count) if index not in found), None)
        if missing is not None:
            raise SegmentsMissingError(place.root, missing)
        return [found[index] for index in range(first, first + count)]

    async def read_held(self, place: Place, indexes: range, *, nodes: Sequence[Node] = ()) -> Segments:
        """Those of the segments that some node gives."""
        found: Segments = {}
        candidates = [*await self._directory.live(), *(node for node in nodes if not node.trusted and node.is_live)]
        asked: set[tuple[Node, int]] = set()
        while groups := _groups(place, [index for index in indexes if index not in found], candidates, asked):
            for segments in await self._read_groups(place, groups, candidates, asked):
                found |= segments
        return found

    async def _read_groups(
        self, place: Place, groups: Sequence[Sequence[int]], candidates: Sequence[Node], asked: set[tuple[Node, int]]
    ) -> list[Segments]:
        if len(groups) == 1:
            return [await self._read_group(place, groups[0], candidates, asked)]
        read: list[Segments] = []

        async def read_group(group: Sequence[int]) -> None:
            read.append(await self._read_group(place, group, candidates, asked))

        async with create_task_group() as tasks:
            for group in groups:
                tasks.start_soon(read_group, group, name="indexer.read_group")
        return read

    async def _read_group(self, place: Place, wanted: Sequence[int], candidates: Sequence[Node], asked: set[tuple[Node, int]]) -> Segments:
        """As many of a group's segments as one node after the other gives; who was asked for which is added to `asked`."""
        found: Segments = {}

        async def ask(node: Node) -> Segments:
            asked.update((node, index) for index in wanted)
            segments = await _checked(node, place, wanted)
            for index, segment in segments.items():
                found.setdefault(index, segment)
            return segments

        holders = in_order([node for node in candidates if _may_ask(place, node, wanted, asked)])
        _, failed = await first_good(holders, ask, lambda segments: len(segments) == len(wanted), slow_s=self._slow_s)
        for outcome in failed:
            _blame(outcome)
        return found


def _may_ask(place: Place, node: Node, indexes: Collection[int], asked: Collection[tuple[Node, int]]) -> bool:
    shard = node.shard
    return shard is not None and all(place.is_held_by(shard, index) and (node, index) not in asked for index in indexes)


def _groups(place: Place, indexes: Sequence[int], candidates: Sequence[Node], asked: Collection[tuple[Node, int]]) -> list[list[int]]:
    """Segments that the same node is to be asked for first; those that nobody is left for are in no group."""
    groups: dict[Node, list[int]] = {}
    ordered = in_order(candidates)
    for index in indexes:
        node = next((node for node in ordered if _may_ask(place, node, (index,), asked)), None)
        if node is not None:
            groups.setdefault(node, []).append(index)
    return list(groups.values())


async def _checked(node: Node, place: Place, indexes: Sequence[int]) -> Segments:
    """Those of the segments that a node has. Raises a `PeerError`, or what `verify_segment` raises."""
    if node.speaks_binary is None:
        node.speaks_binary = await _speaks_binary(node)
    fetch = _fetch_binary if node.speaks_binary else _fetch_json
    segments = [_fitted(segment, place) for segment in await fetch(node, place, indexes)]
    if len(segments) > INLINE_SEGMENTS_MAX:
        await to_thread.run_sync(_verify, place, segments)
    else:
        _verify(place, segments)
    return {segment.index: segment for segment in segments}


def _fitted(segment: BulkSegment, place: Place) -> BulkSegment:
    """With as many bytes as a file of this size has there.

    Files of two sizes can have one root, where one goes on with zeros up to what the other is padded to; a node may have either.
    """
    wanted = uploaded_bytes_of_segment(place.size_bytes, segment.index) if segment.index >= 0 else 0
    if len(segment.data) == wanted:
        return segment
    return msgspec.structs.replace(segment, data=memoryview(bytes(segment.data[:wanted]).ljust(wanted, b"\0")))


async def _speaks_binary(node: Node) -> bool:
    """Whether a node is one of ours: an official one does not know the method."""
    try:
        await node.upstream.call(calls.availability(Hash32(bytes(32))))
    except PeerRefusedError as error:
        return not error.method_is_unknown
    return True


async def _fetch_binary(node: Node, place: Place, indexes: Sequence[int]) -> list[BulkSegment]:
    first, count = indexes[0], indexes[-1] - indexes[0] + 1
    answer = await node.upstream.get(f"/segments/0x{place.root.hex()}?first={first}&count={count}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return []
    if answer.status != HTTPStatus.OK:
        raise PeerStatusError(node.url, answer.status, bytes(answer.body[:200]).decode(errors="replace"))
    wanted = set(indexes)
    try:
        return [segment for segment in _decode_bulk(answer.body) if segment.index in wanted]
    except ValueError as error:  # msgspec's own errors are such.
        raise PeerAnswerError(node.url, f"GET /segments: {error}") from None


async def _fetch_json(node: Node, place: Place, indexes: Sequence[int]) -> list[BulkSegment]:
    segments = []
    for index in indexes:
        found = await node.upstream.call(calls.download_with_proof(place.seq, index))
        if found is not None:
            proof = found.proof
            segments.append(
                BulkSegment(index=found.index, data=memoryview(found.data), lemma=list(map(bytes, proof.lemma)), path=proof.path)
            )
    return segments


def _verify(place: Place, segments: Sequence[BulkSegment]) -> None:
    """Raises `SegmentParameterError` and `SegmentProofError`."""
    try:
        proved = [ProvedSegment(segment.index, segment.data, segment.to_proof()) for segment in segments]
    except ValueError as error:
        raise SegmentProofError(str(error)) from None
    fault = faulty_segment(place.root, size_bytes=place.size_bytes, segments=proved)
    if fault is not None:
        raise fault[1]


def _blame(outcome: Asked[Segments]) -> None:
    """Remember of a node what it did instead of giving what it should have."""
    match outcome.error:
        case None:
            return  # It does not have them; it may be fetching them.
        case SegmentParameterError() | SegmentProofError():
            outcome.node.lied(outcome.error)
        case PeerUnreachableError():
            outcome.node.failed(outcome.error)
            outcome.node.gone(outcome.error)
        case error:
            outcome.node.failed(error)
