"""Applications that read a body while it comes (uploads) get the same protection: limits and deadlines hold in the middle of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from tests.unit.runtime.small_service import LOOPS, RawClient, post
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.server import serve

QUICK = HttpLimits(headers_s=0.2, body_s=0.2, linger_s=0.2, body_bytes_max=100_000)
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


@dataclass
class Uploads:
    """Counts the bytes of a body and answers their number; or answers at once, without reading."""

    reads: bool = True
    begun: anyio.Event = field(default_factory=anyio.Event)
    endings: list[str] = field(default_factory=list)

    async def __call__(
        self,
        _scope: object,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self.begun.set()
        count = 0
        more = self.reads
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.endings.append("gone")
                return
            count += len(message["body"])
            more = message["more_body"]
        self.endings.append("complete")
        body = str(count).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def uploading(uploads: Uploads) -> AsyncIterator[RawClient]:
    """A client of a server that runs `uploads`."""
    async with anyio.create_task_group() as tasks:

        async def start(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            await serve(uploads, "127.0.0.1", 0, limits=QUICK, task_status=task_status)

        url = await tasks.start(start)
        async with await anyio.connect_tcp("127.0.0.1", int(url.rsplit(":", 1)[1])) as stream:
            yield RawClient(stream)
        tasks.cancel_scope.cancel()


async def test_a_body_is_read_while_it_comes() -> None:
    uploads = Uploads()
    async with uploading(uploads) as client:
        await client.send(HEAD + b"12345")
        await uploads.begun.wait()
        await client.send(b"67890")
        assert (await client.response()).body == b"10"
        await client.send(post(b"x" * 90_000))
        assert (await client.response()).body == b"90000"


async def test_a_body_that_stops_is_answered_408_and_the_application_knows() -> None:
    uploads = Uploads()
    async with uploading(uploads) as client:
        await client.send(HEAD + b"12345")
        assert (await client.response()).status == 408
    assert uploads.endings == ["gone"]


async def test_a_body_that_ends_in_the_middle_is_answered_400_and_the_application_knows() -> None:
    uploads = Uploads()
    async with uploading(uploads) as client:
        await client.send(HEAD + b"12345")
        await uploads.begun.wait()
        await client.stream.send_eof()
        assert (await client.response()).status == 400
    assert uploads.endings == ["gone"]


async def test_a_chunked_body_that_grows_too_long_is_answered_413_and_the_application_knows() -> None:
    uploads = Uploads()
    async with uploading(uploads) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await uploads.begun.wait()
        await client.send(b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n")
        assert (await client.response()).status == 413
    assert uploads.endings == ["gone"]


async def test_an_early_answer_leaves_the_connection_to_the_next_request() -> None:
    uploads = Uploads(reads=False)
    async with uploading(uploads) as client:
        await client.send(HEAD + b"12345")
        assert (await client.response()).body == b"0"
        await client.send(b"67890" + post(b""))
        assert (await client.response()).body == b"0"


async def test_the_rest_of_an_answered_body_has_a_deadline_too() -> None:
    async with uploading(Uploads(reads=False)) as client:
        await client.send(HEAD + b"12345")
        assert (await client.response()).body == b"0"
        assert await client.is_closed()
