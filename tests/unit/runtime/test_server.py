"""Starting and stopping: ports, names, bugs, and what is under way when the server stops."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable
from contextlib import AsyncExitStack, ExitStack, suppress
from urllib.parse import urlsplit

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, post, raw_client, running
from zerog.runtime.http.config import DirectAnswers
from zerog.runtime.ports import PortInUseError
from zerog.runtime.server import let_connections_come_and_go, serve, stop_accepting


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


async def nothing(_scope: object, _receive: object, _send: object) -> None:
    """An application that is never asked."""
    raise AssertionError


async def test_port_0_lets_the_system_choose_and_the_url_is_reported() -> None:
    async with running() as first, running() as second:
        assert first.port != second.port
        for service in (first, second):
            assert service.url == f"http://127.0.0.1:{service.port}"
            async with httpx.AsyncClient(base_url=service.url) as http:
                assert (await http.post("/", content=CALL)).content == ANSWER


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("localhost", "localhost"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("::", "::1")],  # noqa: S104 - the test's own.
)
async def test_the_reported_url_is_one_that_answers(host: str, reachable: str) -> None:
    if ":" in host and not has_ipv6():
        host, reachable = "127.0.0.1", "127.0.0.1"
    async with running(host=host) as service, httpx.AsyncClient(base_url=service.url) as http:
        assert urlsplit(service.url).hostname == reachable
        assert (await http.post("/", content=CALL)).content == ANSWER


def has_ipv6() -> bool:
    """Whether this machine has a loopback of version 6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_a_taken_port_is_refused_and_its_holder_keeps_it() -> None:
    async with running() as service:
        with pytest.raises(PortInUseError) as caught:
            await serve(nothing, "127.0.0.1", service.port)
        assert caught.value.port == service.port
        assert str(service.port) in str(caught.value)
        async with httpx.AsyncClient(base_url=service.url) as http:
            assert (await http.post("/", content=CALL)).content == ANSWER


async def test_a_port_is_free_again_after_the_server() -> None:
    async with running() as service:
        port = service.port
        async with raw_client(service) as client:
            await client.send(post(CALL))
            await client.response()
    async with anyio.create_task_group() as tasks:
        assert await tasks.start(serve, nothing, "127.0.0.1", port) == f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


async def test_a_call_under_way_is_answered_before_the_server_stops() -> None:
    async with anyio.create_task_group() as tasks:
        ready: anyio.Event = anyio.Event()
        stop = anyio.CancelScope()

        async def serve_until_stopped(*, task_status: anyio.abc.TaskStatus[object]) -> None:
            with stop:
                async with running() as service:
                    task_status.started(service)
                    ready.set()
                    await anyio.sleep_forever()

        service = await tasks.start(serve_until_stopped)
        async with raw_client(service) as client, raw_client(service) as idle:
            await client.send(post(CALL.replace(b"echo", b"wait")))
            await idle.send(post(CALL))
            assert (await idle.response()).body == ANSWER
            stop.cancel()
            assert await idle.is_closed()
            service.service.opened.set()
            assert b"true" in (await client.response()).body
            assert await client.is_closed()


async def test_a_call_that_does_not_end_is_told_that_the_server_stops() -> None:
    async with AsyncExitStack() as clients:
        with anyio.fail_after(5):
            async with running(grace_s=0.05) as service:
                direct, through_asgi = [await clients.enter_async_context(raw_client(service)) for _ in range(2)]
                await direct.send(post(CALL.replace(b"echo", b"wait")))
                await through_asgi.send(post(CALL.replace(b"echo", b"wait"), "Origin: http://localhost"))
                async with raw_client(service) as other:
                    await other.send(post(CALL))
                    assert (await other.response()).body == ANSWER
        for client in (direct, through_asgi):
            response = await client.response()
            assert response.status == 503
            assert "the server stops" in response.message
            assert await client.is_closed()
    assert service.service.journal == ["hello"]


async def test_websockets_are_told_that_the_server_goes() -> None:
    async with running(grace_s=1) as service:
        client = await connect(service.ws_url)
        await client.send(CALL.decode())
        assert await client.recv() == ANSWER.decode()
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012


class BrokenApplication:
    """An application with a bug, at once or later."""

    def __init__(self, *, later: bool) -> None:
        self.later = later

    def direct_answers(self, _method: bytes, _target: bytes, _headers: object) -> DirectAnswers:
        return self.answer

    def answer(self, _body: bytes) -> bytes | Awaitable[bytes]:
        if not self.later:
            raise KeyError("swordfish")
        return self.fail()

    async def fail(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        raise KeyError("swordfish")

    async def __call__(self, _scope: object, _receive: object, _send: object) -> None:
        raise AssertionError


@pytest.mark.parametrize("later", [False, True])
async def test_a_bug_in_an_application_is_answered_500_and_logged(
    *, later: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(serve, BrokenApplication(later=later), "127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=url) as http:
            for _ in range(2):
                response = await http.post("/", content=CALL)
                assert response.status_code == 500
                assert response.json()["error"]["code"] == -32603
                assert "swordfish" not in response.text
        tasks.cancel_scope.cancel()
    assert "swordfish" in caplog.text + "".join(capsys.readouterr())


SCARCE = """
import resource, sys, anyio
from tests.unit.runtime.small_service import running

async def scenario() -> None:
    async with running() as service:
        print(service.port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
anyio.run(scenario, backend_options={"use_uvloop": True})
"""


def test_descriptors_do_not_run_out() -> None:
    """A process that may open 200 files is flooded with 400 connections, and still answers the next one.

    On the loop of production; asyncio's own of Python 3.11 takes minutes to come back from one refused `accept`.
    """
    command = [sys.executable, "-c", SCARCE]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server,
        ExitStack() as flood,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        for _ in range(400):
            flood.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, transport=httpx.HTTPTransport(retries=3)) as http:
            assert http.post("/", content=CALL).content == ANSWER
        server.communicate(timeout=20)
    assert server.returncode == 0


@pytest.mark.parametrize("turns", range(8))
async def test_who_is_just_being_accepted_is_known_or_reset_when_a_server_closes(turns: int) -> None:
    """Whatever the event loop has done of it by then: nobody stays connected to a server that is gone."""
    known: list[asyncio.BaseTransport] = []

    class Noticing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            known.append(transport)

    server = await asyncio.get_running_loop().create_server(Noticing, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        await stop_accepting((server,))
        for transport in known:
            transport.close()
        await let_connections_come_and_go()
        client.setblocking(False)  # One that was forgotten would have nothing to say, and not end.
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
