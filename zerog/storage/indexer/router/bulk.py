"""The binary routes of the router: MessagePack in and out, taken apart and put together by who holds what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from zerog.primitives import Hash32, decode_hook
from zerog.primitives.errors import RefusalError
from zerog.runtime.report import report_of
from zerog.storage.client.errors import PeerAnswerError, PeerStatusError, PeerUnreachableError
from zerog.storage.indexer.asking import Asked, ask_all
from zerog.storage.indexer.errors import FileUnknownError, NoNodeError
from zerog.storage.indexer.files import FileFinder, Place
from zerog.storage.indexer.nodes import Node, NodeDirectory, covers
from zerog.storage.indexer.segments import READ_SEGMENTS_MAX, SegmentReader
from zerog.storage.wire.segments import BulkOutcome, BulkUpload

__all__ = ["BULK_COUNT_MAX", "BulkFormError", "BulkRoutes"]

BULK_COUNT_MAX: Final = 64
"""Segments of one `GET /segments`."""
UPLOAD_S: Final = 120.0

_encode_uploads: Final = msgspec.msgpack.Encoder().encode
_decode_uploads: Final = msgspec.msgpack.Decoder(list[BulkUpload]).decode
_decode_outcomes: Final = msgspec.json.Decoder(list[BulkOutcome], dec_hook=decode_hook).decode
_encode_segments: Final = msgspec.msgpack.Encoder().encode


@dataclass(eq=False)
class BulkFormError(RefusalError):
    """A request of a binary route that is not what the route takes."""

    cause: str

    code = "bulk_form"
    remedy = "see the binary routes in the documentation of storage nodes"
    rpc_code = -32602

    def __str__(self) -> str:
        return self.cause


@dataclass(slots=True)
class _Entry:
    """One entry of a request, and what became of it."""

    upload: BulkUpload
    place: Place | None
    stored: set[int]
    finalized: list[Node]
    taken: bool = False
    """Whether any node took its part; else all of them have it already, or refuse it."""
    refusal: tuple[str | None, str | None] = (None, None)


class BulkRoutes:
    """`POST /segments` and `GET /segments/{root}` over all nodes."""

    def __init__(self, directory: NodeDirectory, finder: FileFinder, reader: SegmentReader) -> None:
        self._directory: Final = directory
        self._finder: Final = finder
        self._reader: Final = reader

    async def upload(self, body: bytes) -> list[BulkOutcome]:
        """Send each segment to all that have to hold it. Raises `BulkFormError` and `NoNodeError`."""
        try:
            uploads = _decode_uploads(body)
        except ValueError as error:  # msgspec's own errors are such.
            raise BulkFormError(f"the body is no array of uploads: {error}") from None
        nodes = await self._directory.live()
        if not nodes:
            raise NoNodeError("uploads")
        entries = [_Entry(upload, await self._place_of(upload), set(), []) for upload in uploads]
        shares = {node: [(entry, _share(entry, node)) for entry in entries] for node in nodes}

        async def send(node: Node) -> list[BulkOutcome]:
            return await _post(node, [part for _, part in shares[node] if part is not None])

        asked = [node for node in nodes if any(part is not None for _, part in shares[node])]
        for outcome in await ask_all(asked, send):
            _note(outcome, [(entry, part) for entry, part in shares[outcome.node] if part is not None])
        return [await self._outcome(entry) for entry in entries]

    async def download(self, root: Hash32, first: int, count: int) -> bytes:
        """Segments `first` … of a file, those that there are, as many as one answer may hold. Raises `FileUnknownError`."""
        if first < 0 or count < 0:
            raise BulkFormError("first and count are not negative")
        count = min(count, BULK_COUNT_MAX)
        place = await self._finder.place(root)
        if place is None:
            raise FileUnknownError
        indexes = range(min(first, place.segments), min(first + count, first + READ_SEGMENTS_MAX, place.segments))
        found = await self._reader.read_held(place, indexes)
        return _encode_segments([found[index] for index in sorted(found)])

    async def _place_of(self, upload: BulkUpload) -> Place | None:
        if upload.tx_seq is not None:
            return await self._finder.place(upload.tx_seq)
        return await self._finder.place(Hash32(upload.root)) if len(upload.root) == Hash32.LENGTH else None

    async def _outcome(self, entry: _Entry) -> BulkOutcome:
        code, cause = entry.refusal
        is_there = all(segment.index in entry.stored for segment in entry.upload.segments)
        if is_there and entry.taken:
            code = cause = None
        elif not is_there and code is None:
            missing = NoNodeError("these segments")
            code, cause = missing.code, str(missing)
        return BulkOutcome(stored=len(entry.stored), finalized=await self._is_finalized(entry), code=code, cause=cause)

    async def _is_finalized(self, entry: _Entry) -> bool:
        """Nodes that got nothing of the entry have not said whether they are done; they are asked once all others are."""
        if covers(entry.finalized):
            return True
        if not entry.finalized or entry.place is None:
            return False
        found = await self._finder.find(entry.place.seq)
        return found is not None and found.info.finalized


def _share(entry: _Entry, node: Node) -> BulkUpload | None:
    """What of an entry goes to a node: its own segments, or everything where the file is not on the chain yet."""
    place, shard = entry.place, node.shard
    if shard is None:
        return None
    if place is None:
        return entry.upload
    segments = [segment for segment in entry.upload.segments if place.is_held_by(shard, segment.index)]
    if not segments and entry.upload.segments:
        return None
    return msgspec.structs.replace(entry.upload, segments=segments)


def _note(outcome: Asked[list[BulkOutcome]], parts: Sequence[tuple[_Entry, BulkUpload]]) -> None:
    if outcome.answer is None:
        if isinstance(outcome.error, PeerUnreachableError):
            outcome.node.gone(outcome.error)
        if outcome.error is not None:
            report = report_of(outcome.error)
            for entry, _ in parts:
                entry.refusal = (report.code, report.cause)
        return
    for (entry, part), result in zip(parts, outcome.answer, strict=True):
        if result.code is None or result.stored == len(part.segments):
            entry.stored.update(segment.index for segment in part.segments)
        if result.code is None:
            entry.taken = True
        else:
            entry.refusal = (result.code, result.cause)
        if result.finalized:
            entry.finalized.append(outcome.node)


async def _post(node: Node, parts: Sequence[BulkUpload]) -> list[BulkOutcome]:
    """Raises a `PeerError`."""
    answer = await node.upstream.post("/segments", [_encode_uploads(parts)], content_type="application/msgpack", limit_s=UPLOAD_S)
    if answer.status != 200:
        raise PeerStatusError(node.url, answer.status, bytes(answer.body[:200]).decode(errors="replace"))
    try:
        outcomes = _decode_outcomes(answer.body)
    except ValueError as error:
        raise PeerAnswerError(node.url, f"POST /segments: {error}") from None
    if len(outcomes) != len(parts):
        raise PeerAnswerError(node.url, f"POST /segments: {len(outcomes)} outcomes for {len(parts)} uploads")
    return outcomes
