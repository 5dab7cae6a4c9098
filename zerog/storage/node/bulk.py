"""The binary routes: segments as MessagePack, without base64 and without copies.

`POST /segments` takes an array of `BulkUpload` and answers an array of `BulkOutcome` as JSON.
`GET /segments/{root}?first=I&count=N` answers an array of those `BulkSegment`s that are here.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

import msgspec
from anyio import create_task_group
from anyio.lowlevel import checkpoint

from zerog.primitives import Hash32
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, hold_memory, read_body, respond
from zerog.runtime.http.errors import MethodNotAllowedError
from zerog.runtime.report import report_of
from zerog.storage.node.errors import FileUnknownError, InvalidMemberError, MalformedBodyError
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.upload_rules import SegmentUpload
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.segments import BulkOutcome, BulkUpload

__all__ = ["BULK_PATH", "BulkRoutes"]

BULK_PATH: Final = "/segments"
BODY_BYTES_MAX: Final = 16 << 20
ENTRIES_AT_ONCE: Final = 64
"""Of one request."""
OUTCOMES_AT_ONCE: Final = 32
"""Before others have their turn on the loop."""
COUNT_MAX: Final = 64
DATA_BYTES_MAX: Final = 4 << 20
"""Of one answer; one segment is given in any case."""
MESSAGE_PACK: Final = (b"content-type", b"application/msgpack")
NUMBER_DIGITS_MAX: Final = 18

_decode_uploads: Final = msgspec.msgpack.Decoder(list[BulkUpload]).decode
_encode_segments: Final = msgspec.msgpack.Encoder(enc_hook=bytes).encode


class BulkRoutes:
    """An ASGI application for one node; what it raises is answered by whoever mounts it."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper: Final = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == BULK_PATH:
            if method != "POST":
                raise MethodNotAllowedError(method, "POST, OPTIONS")
            await self._take(receive, send)
        elif method in ("GET", "HEAD"):
            await self._give(path.removeprefix(f"{BULK_PATH}/"), scope, send)
        else:
            raise MethodNotAllowedError(method, "GET, HEAD, OPTIONS")

    async def _take(self, receive: Receive, send: Send) -> None:
        body = await read_body(receive, BODY_BYTES_MAX)
        try:
            uploads = _decode_uploads(body)
            entries = [[_upload(upload, index) for index in range(len(upload.segments))] for upload in uploads]
        except (msgspec.DecodeError, ValueError) as error:
            raise MalformedBodyError(str(error)) from None
        refusals = await self._store(list(zip(uploads, entries, strict=True)))
        outcomes = []
        for upload, segments, refusal in zip(uploads, entries, refusals, strict=True):
            outcomes.append(self._outcome(upload, segments, refusal))
            if len(outcomes) % OUTCOMES_AT_ONCE == 0:
                await checkpoint()
        await respond(send, 200, msgspec.json.encode(outcomes), JSON)

    async def _store(self, entries: Sequence[tuple[BulkUpload, list[SegmentUpload]]]) -> list[StorageError | None]:
        """Take all entries, several at a time, so that small files share a wait for the disk; what ended each, if anything did."""
        refusals: list[StorageError | None] = [None] * len(entries)
        left = enumerate(entries)

        async def store() -> None:
            for place, (upload, segments) in left:
                try:
                    await self._keeper.uploads.accept(segments, seq=upload.tx_seq)
                except StorageError as error:
                    refusals[place] = error

        async with create_task_group() as tasks:
            for _ in range(min(ENTRIES_AT_ONCE, len(entries))):
                tasks.start_soon(store, name="storage.bulk_upload")
        return refusals

    def _outcome(self, upload: BulkUpload, segments: list[SegmentUpload], refusal: StorageError | None) -> BulkOutcome:
        """What became of one entry, once all are through; a refusal ended it, and not the others."""
        root = Hash32(upload.root)
        code = cause = None
        if refusal is not None:
            report = report_of(refusal)
            data = refusal.rpc_data
            code, cause = report.code, report.cause if data is None or str(data) in report.cause else f"{report.cause}; {data}"
        submission = self._keeper.files.find(root) if upload.tx_seq is None else self._keeper.files.by_seq(upload.tx_seq)
        stored = sum(self._keeper.store.has(root, segment.index) for segment in segments)
        finalized = submission is not None and submission.root == root and self._keeper.files.is_finalized(submission)
        return BulkOutcome(stored=stored, finalized=finalized, code=code, cause=cause)

    async def _give(self, name: str, scope: Scope, send: Send) -> None:
        try:
            root = Hash32.from_json(name)
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
            first, count = _number(asked, "first", 0), _number(asked, "count", 1)
        except ValueError as error:
            raise InvalidMemberError("segments", str(error)) from None
        submission = self._keeper.files.find(root)
        if submission is None:
            raise FileUnknownError(root)
        count = min(count, COUNT_MAX)
        await hold_memory(scope, min(count * SEGMENT_BYTES, DATA_BYTES_MAX))
        body = _encode_segments(await self._keeper.reads.bulk(submission, first, count, bytes_max=DATA_BYTES_MAX))
        await respond(send, 200, body, MESSAGE_PACK)


def _upload(upload: BulkUpload, index: int) -> SegmentUpload:
    """Raises `ValueError` where a hash is not of 32 bytes."""
    segment = upload.segments[index]
    return SegmentUpload(
        root=Hash32(upload.root), size_bytes=upload.size_bytes, index=segment.index, data=segment.data, proof=segment.to_proof()
    )


def _number(asked: dict[str, list[str]], name: str, default: int) -> int:
    text = asked.get(name, [str(default)])[0]
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        raise ValueError(f"{name} is a decimal number, not {text[:NUMBER_DIGITS_MAX]!r}")
    return int(text)
