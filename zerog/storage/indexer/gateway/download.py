"""A file on its way to a client: read ahead from the nodes, checked, and sent as quickly as it is taken.

Each download begins with one segment, so that small files come at once, and grows to whole megabytes ahead while memory lasts.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio import create_task_group
from anyio.abc import TaskGroup
from starlette.types import Receive, Scope, Send

from zerog.primitives.errors import ZerogError
from zerog.storage.indexer.budget import ByteBudget
from zerog.storage.indexer.files import Place
from zerog.storage.indexer.nodes import Node
from zerog.storage.indexer.segments import READ_SEGMENTS_MAX, SegmentReader
from zerog.storage.protocol.units import SEGMENT_BYTES

__all__ = ["Content", "Download", "Source"]

log = structlog.get_logger(__name__)

AHEAD_MAX: Final = 4
"""Reads of a download that are under way at once."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stored file, and who may hold it beside the trusted nodes."""

    place: Place
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What is downloaded: stored files, one after the other."""

    sources: tuple[Source, ...]

    @property
    def size_bytes(self) -> int:
        return sum(source.place.size_bytes for source in self.sources)

    def pieces(self, start: int, end: int) -> Iterator["_Piece"]:
        """The segments, one by one, that hold bytes `start` to `end`, with what of each is wanted."""
        offset = 0
        for source in self.sources:
            size = source.place.size_bytes
            first, last = max(0, start - offset), min(size, end - offset)
            for index in range(first // SEGMENT_BYTES, -(-last // SEGMENT_BYTES)):
                begin = index * SEGMENT_BYTES
                yield _Piece(source, index, max(0, first - begin), min(SEGMENT_BYTES, last - begin))
            offset += size


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `start` to `end` of a segment."""

    source: Source
    index: int
    start: int
    end: int


@dataclass(slots=True)
class _Fetch:
    """A read that is under way."""

    pieces: list[_Piece]
    held_bytes: int
    """Of the common memory."""
    done: anyio.Event = field(default_factory=anyio.Event)
    data: Sequence[memoryview] = ()
    error: ZerogError | None = None


class Download:
    """An ASGI application that sends one part of a content. Its headers go out once the first bytes are known to be right.

    What goes wrong before is raised; afterwards the connection is cut, so that the client sees that it has not got everything.
    """

    def __init__(
        self,
        reader: SegmentReader,
        budget: ByteBudget,
        content: Content,
        part: tuple[int, int],
        *,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        self._reader: Final = reader
        self._budget: Final = budget
        self._start, self._end = part
        self._pieces: Final = content.pieces(*part)
        self._next_piece = next(self._pieces, None)
        self._status: Final = status
        self._headers: Final = headers
        self._ahead: Final[deque[_Fetch]] = deque()
        self._segments = 1
        self._is_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD" or self._start == self._end:
            await self._begin(send)
            await send({"type": "http.response.body", "body": b""})
            return
        error: ZerogError | None = None
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope, name="gateway.client")
                error = await self._send_all(tasks, send)
                tasks.cancel_scope.cancel()
        finally:
            for fetch in self._ahead:
                self._budget.give_back(fetch.held_bytes)
        if error is not None:
            if not self._is_started:
                raise error
            log.warning("download_cut", cause=str(error))

    async def _send_all(self, tasks: TaskGroup, send: Send) -> ZerogError | None:
        """The error that ended it, if one did."""
        self._read_ahead(tasks)
        left = self._end - self._start
        while self._ahead:
            fetch = self._ahead[0]
            await fetch.done.wait()
            if fetch.error is not None:
                return fetch.error
            if not self._is_started:
                await self._begin(send)
            for data in fetch.data:
                left -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": left > 0})
            self._ahead.popleft()
            fetch.data = ()
            self._budget.give_back(fetch.held_bytes)
            self._read_ahead(tasks)
        return None

    def _read_ahead(self, tasks: TaskGroup) -> None:
        """Begin reads as long as there is memory for more than one of them."""
        while self._next_piece is not None and len(self._ahead) < AHEAD_MAX:
            wanted = self._segments
            held = wanted * SEGMENT_BYTES
            if not self._budget.try_take(held):
                if self._ahead:
                    return
                wanted, held = 1, 0
            fetch = _Fetch(self._take(wanted), held)
            self._ahead.append(fetch)
            self._segments = min(READ_SEGMENTS_MAX, wanted * 2)
            tasks.start_soon(self._fetch, fetch, name="gateway.read")

    def _take(self, count: int) -> list[_Piece]:
        """The next pieces, of one source."""
        taken: list[_Piece] = []
        while self._next_piece is not None and len(taken) < count:
            if taken and self._next_piece.source is not taken[0].source:
                break
            taken.append(self._next_piece)
            self._next_piece = next(self._pieces, None)
        return taken

    async def _fetch(self, fetch: _Fetch) -> None:
        source = fetch.pieces[0].source
        try:
            segments = await self._reader.read(source.place, fetch.pieces[0].index, len(fetch.pieces), nodes=source.nodes)
        except ZerogError as error:
            fetch.error = error
        else:
            fetch.data = [segment.data[piece.start : piece.end] for piece, segment in zip(fetch.pieces, segments, strict=True)]
        fetch.done.set()

    async def _begin(self, send: Send) -> None:
        self._is_started = True
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self._headers.items()]
        length = (b"content-length", b"%d" % (self._end - self._start))
        await send({"type": "http.response.start", "status": self._status, "headers": [*headers, length]})


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Read no more for a client that has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
    scope.cancel()
