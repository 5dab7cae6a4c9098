"""A crowd of clients that break off, reset, mix protocols and send rubbish: nothing is logged as a bug, and good clients are served."""

import logging
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio
import anyio.abc
import httpx
import pytest

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, Running, post, running
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.jsonrpc import ConnectionLimits

CROWD: Final = 12
VISITS: Final = 30
LIMITS: Final = HttpLimits(
    headers_s=0.1, body_s=0.1, idle_s=0.2, unread_s=0.2, linger_s=0.1, body_bytes_max=120_000, ping_s=0.1, pong_s=0.2
)
GONE: Final = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, OSError, AttributeError, RuntimeError, ValueError)
"""What the two event loops raise when one goes on using a connection that the server has closed."""

BLOB: Final = b'{"jsonrpc":"2.0","id":1,"method":"small_blob","params":[1000000]}'
SUBSCRIBE: Final = b'{"jsonrpc":"2.0","id":1,"method":"small_subscribe","params":["first"]}'
ADD: Final = b'{"jsonrpc":"2.0","id":1,"method":"small_add","params":["0x1"]}'
UPGRADE: Final = post(
    b"",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    method="GET",
)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A WebSocket frame from a client, with a mask of zeros. Source: RFC 6455, section 5.2."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


WORDS: Final[Sequence[Callable[[random.Random], bytes]]] = [
    lambda _: post(CALL),
    lambda dice: post(CALL)[: dice.randrange(100)],
    lambda _: post(CALL, "Origin: http://localhost"),
    lambda _: post(BLOB),
    lambda _: post(ADD),
    lambda _: post(b"[" + b",".join([ADD] * 50) + b"]"),
    lambda dice: dice.randbytes(50),
    lambda _: UPGRADE,
    lambda _: frame(CALL),
    lambda _: frame(SUBSCRIBE),
    lambda _: frame(BLOB),
    lambda _: frame(b"", 9),
    lambda _: frame(b"", 8),
    lambda _: post(CALL, *["X: y"] * 300),
    lambda _: post(b" " * 150_000)[:100_000],
    lambda _: b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    lambda _: post(CALL, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
    lambda _: post(CALL, "Expect: 100-continue"),
]


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


async def visit(port: int, dice: random.Random) -> None:
    """Say a few things and leave in one of several ways."""
    with suppress(*GONE):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(dice.randrange(1, 6)):
                await stream.send(dice.choice(WORDS)(dice))
                match dice.randrange(6):
                    case 0 | 1:
                        with anyio.move_on_after(0.03):
                            await stream.receive()
                    case 2:
                        await stream.send_eof()
                    case 3:
                        raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - a socket, not a database.
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # Closing resets.


async def serve_good_client(service: Running, until: anyio.Event) -> None:
    async with httpx.AsyncClient(base_url=service.url) as http:
        while not until.is_set():
            assert (await http.post("/", content=CALL)).content == ANSWER
            connection = service.service.connection
            if connection is not None:
                connection.put_answer(b'"' + b"x" * 20_000 + b'"')


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_hostile_crowd_hurts_nobody(seed: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.WARNING)
    over = anyio.Event()

    async def come_again(number: int) -> None:
        dice = random.Random(seed * 1000 + number)
        for _ in range(VISITS):
            await visit(service.port, dice)

    queue = ConnectionLimits(queue_messages_max=50)
    async with running(limits=LIMITS, connection_limits=queue) as service, anyio.create_task_group() as good:
        good.start_soon(serve_good_client, service, over)
        async with anyio.create_task_group() as crowd:
            for number in range(CROWD):
                crowd.start_soon(come_again, number)
        over.set()
    assert [record.getMessage() for record in caplog.records] == []
    assert "failed" not in "".join(capsys.readouterr())
