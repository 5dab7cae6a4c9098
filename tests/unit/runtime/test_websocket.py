"""WebSocket on the same port: calls in order, pushes after the answer that announces them, and consumers that cannot keep up."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, Running, raw_client, running
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.jsonrpc import Connection, ConnectionLimits
from zerog.runtime.jsonrpc.errors import SubscriptionNotFoundError, TooManySubscriptionsError


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


@pytest.fixture
async def service() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


@pytest.fixture
async def socket(service: Running) -> AsyncIterator[ClientConnection]:
    async with connect(service.ws_url) as client:
        yield client


async def call(socket: ClientConnection, method: str, *params: object) -> dict[str, object]:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    return await receive(socket)


async def receive(socket: ClientConnection) -> dict[str, object]:
    with anyio.fail_after(5):
        message: dict[str, object] = json.loads(await socket.recv())
    return message


def connection_of(service: Running) -> Connection:
    assert service.service.connection is not None
    return service.service.connection


async def test_calls_and_batches_are_answered_as_over_http(socket: ClientConnection) -> None:
    await socket.send(CALL.decode())
    assert await socket.recv() == ANSWER.decode()
    await socket.send(CALL)
    assert await socket.recv() == ANSWER.decode(), "a binary message is taken too"
    await socket.send(f"[{CALL.decode()},{CALL.decode()}]")
    assert json.loads(await socket.recv()) == [json.loads(ANSWER)] * 2
    await socket.send("{")
    assert (await receive(socket))["id"] is None


async def test_a_message_in_fragments_is_one_request(socket: ClientConnection) -> None:
    await socket.send([CALL[:10].decode(), CALL[10:30].decode(), CALL[30:].decode()])
    assert await socket.recv() == ANSWER.decode()


async def test_requests_on_one_socket_are_answered_in_order(service: Running, socket: ClientConnection) -> None:
    await socket.send(CALL.replace(b"echo", b"wait").decode())
    await socket.send(CALL.decode())
    async with httpx.AsyncClient(base_url=service.url) as http:
        assert (await http.post("/", content=CALL.replace(b"hello", b"other"))).status_code == 200
    service.service.opened.set()
    assert (await receive(socket))["result"] is True
    assert (await receive(socket))["result"] == "hello"
    assert service.service.journal == ["other", "waited", "hello"]


async def test_a_push_comes_after_the_answer_that_names_its_subscription(service: Running, socket: ClientConnection) -> None:
    answer = await call(socket, "small_subscribe", {"first": True})
    subscription_id = answer["result"]
    assert isinstance(subscription_id, str)
    assert await receive(socket) == {
        "jsonrpc": "2.0",
        "method": "eth_subscription",
        "params": {"subscription": subscription_id, "result": {"first": True}},
    }
    connection_of(service).notify(subscription_id, b"[2]")
    pushed = await socket.recv()
    assert isinstance(pushed, str)
    shape = '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"ID","result":[2]}}'
    assert pushed == shape.replace("ID", subscription_id)


async def test_pushes_for_subscriptions_made_in_a_batch_wait_for_its_answer(socket: ClientConnection) -> None:
    subscribing = {"jsonrpc": "2.0", "id": 1, "method": "small_subscribe", "params": [7]}
    await socket.send(json.dumps([subscribing, subscribing]))
    answers = json.loads(await socket.recv())
    pushed = [(await receive(socket))["params"] for _ in range(2)]
    assert pushed == [{"subscription": answer["result"], "result": 7} for answer in answers]


async def test_pushes_of_older_subscriptions_do_not_wait_for_a_call(service: Running, socket: ClientConnection) -> None:
    subscription_id = str((await call(socket, "small_subscribe"))["result"])
    await socket.send(CALL.replace(b"echo", b"wait").decode())
    connection_of(service).notify(subscription_id, b"1")
    assert "params" in await receive(socket)
    service.service.opened.set()
    assert (await receive(socket))["result"] is True


async def test_an_ended_subscription_pushes_no_more(service: Running, socket: ClientConnection) -> None:
    subscription_id = str((await call(socket, "small_subscribe"))["result"])
    assert subscription_id.startswith("0x")
    assert (await call(socket, "small_unsubscribe", subscription_id))["result"] is True
    assert service.service.ended == [subscription_id]
    connection_of(service).notify(subscription_id, b"1")
    assert "subscription not found" in str((await call(socket, "small_unsubscribe", subscription_id))["error"])
    assert (await call(socket, "small_echo", "next"))["result"] == "next"


async def test_subscriptions_end_with_their_connection(service: Running) -> None:
    async with connect(service.ws_url) as client:
        ids = [(await call(client, "small_subscribe"))["result"] for _ in range(3)]
    async with connect(service.ws_url) as client:  # The server has seen the other one go by the time it answers here.
        await call(client, "small_echo", 1)
    assert sorted(service.service.ended) == sorted(map(str, ids))
    connection_of(service).notify(str(ids[0]), b"1")


async def test_subscriptions_are_bounded() -> None:
    async with running(connection_limits=ConnectionLimits(subscriptions_max=2)) as service, connect(service.ws_url) as client:
        for _ in range(2):
            assert "result" in await call(client, "small_subscribe")
        assert "at most 2 subscriptions" in str((await call(client, "small_subscribe"))["error"])


async def test_a_message_over_the_limit_closes_with_1009(service: Running) -> None:
    client = await connect(service.ws_url)  # Closed by the server, so it is not closed again here.
    await client.send("x" * (5 * 1024 * 1024 + 1))
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    await other_is_answered(service)


async def test_a_large_message_within_the_limit_is_answered(service: Running) -> None:
    async with connect(service.ws_url, max_size=None) as client:
        assert (await call(client, "small_echo", "x" * 5_000_000))["result"] == "x" * 5_000_000


async def other_is_answered(service: Running) -> None:
    async with connect(service.ws_url) as client:
        assert (await call(client, "small_echo", 1))["result"] == 1


@asynccontextmanager
async def stalled(limits: HttpLimits, connection_limits: ConnectionLimits) -> AsyncIterator[tuple[Running, ClientConnection, str]]:
    """A service with a subscriber whose client has stopped reading."""
    async with (
        running(limits=limits, connection_limits=connection_limits) as service,
        connect(service.ws_url, max_queue=1, ping_interval=None, close_timeout=0.1) as client,
    ):
        subscription_id = str((await call(client, "small_subscribe"))["result"])
        client.transport.pause_reading()
        yield service, client, subscription_id


async def test_a_consumer_that_is_too_slow_is_closed_with_a_reason() -> None:
    async with stalled(HttpLimits(), ConnectionLimits(queue_messages_max=100)) as (service, client, subscription_id):
        connection = connection_of(service)
        size, text = 0, b'"' + b"x" * 100_000 + b'"'
        while connection.close_code is None:
            connection.notify(subscription_id, text)
            await anyio.lowlevel.checkpoint()
            size += 1
        assert size > 100
        await other_is_answered(service)
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosed) as caught:
            await receive_for_ever(client)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013
        assert caught.value.rcvd.reason.startswith("too slow")
    assert service.service.ended == [subscription_id]


async def test_a_consumer_that_never_reads_again_is_cut() -> None:
    limits = HttpLimits(unread_s=0.2, headers_s=0.2)
    async with stalled(limits, ConnectionLimits(queue_messages_max=100)) as (service, _, subscription_id):
        connection = connection_of(service)
        while connection.close_code is None:
            connection.notify(subscription_id, b'"' + b"x" * 100_000 + b'"')
            await anyio.lowlevel.checkpoint()
        while not service.service.ended:
            await other_is_answered(service)
    assert service.service.ended == [subscription_id]


async def test_a_client_that_asks_and_never_reads_is_not_asked_on() -> None:
    async with (
        running(limits=HttpLimits(unread_s=0.3)) as service,
        connect(service.ws_url, ping_interval=None, close_timeout=0.1) as client,
    ):
        client.transport.pause_reading()
        blob = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "small_blob", "params": [200_000]})
        with pytest.raises(ConnectionClosed):
            await send_for_ever(client, blob)
        await other_is_answered(service)


async def send_for_ever(client: ClientConnection, text: str) -> None:
    """Until the connection breaks."""
    while True:
        await client.send(text)


async def receive_for_ever(client: ClientConnection) -> None:
    """Until the connection breaks."""
    while True:
        await client.recv()


async def test_pings_keep_an_idle_connection_and_end_a_dead_one() -> None:
    limits = HttpLimits(ping_s=0.05, pong_s=0.2, headers_s=0.2)
    async with running(limits=limits) as service, connect(service.ws_url, ping_interval=None) as alive:
        async with connect(service.ws_url, ping_interval=None, close_timeout=0.1) as dead:
            await call(dead, "small_subscribe")
            dead.transport.pause_reading()
            while not service.service.ended:
                await other_is_answered(service)
        assert (await call(alive, "small_echo", "still"))["result"] == "still"


async def test_a_slow_method_is_no_dead_client() -> None:
    limits = HttpLimits(ping_s=0.05, pong_s=0.1, headers_s=0.2)
    async with running(limits=limits) as service, connect(service.ws_url, ping_interval=None) as client:
        await client.send(CALL.replace(b"echo", b"wait").decode())
        await client.send(CALL.decode())  # Unread by the server, so it reads no pong behind it.
        for _ in range(2):
            async with raw_client(service) as silent:
                assert (await silent.response()).status == 408
        service.service.opened.set()
        assert (await receive(client))["result"] is True
        assert (await receive(client))["result"] == "hello"


# Who is turned away.


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_foreign_page_is_refused(service: Running, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(service.ws_url, additional_headers={"Origin": origin}):
            pass
    assert caught.value.response.status_code == 403
    assert origin.encode() in (caught.value.response.body or b"")


async def test_a_local_page_and_an_extension_are_served(service: Running) -> None:
    for origin in ("http://localhost:3000", "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"):
        async with connect(service.ws_url, additional_headers={"Origin": origin}) as client:
            assert (await call(client, "small_echo", 1))["result"] == 1


async def test_a_rebound_name_is_refused(service: Running) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect("ws://evil.example:8545/", host="127.0.0.1", port=service.port):
            pass
    assert caught.value.response.status_code == 403


async def test_another_path_is_not_found(service: Running) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(service.ws_url + "/ws"):
            pass
    assert caught.value.response.status_code == 404


async def test_developers_methods_need_the_token_of_the_handshake() -> None:
    rules = AccessRules(bind_host="192.0.2.1", allowed_hosts=("127.0.0.1",), token="t0ken")
    async with running(rules=rules) as service:
        async with connect(service.ws_url) as client:
            assert "-32601" in str((await call(client, "small_reset"))["error"])
        async with connect(service.ws_url, additional_headers={"Authorization": "Bearer t0ken"}) as client:
            assert (await call(client, "small_reset"))["result"] is True


@pytest.mark.parametrize("version", ["Sec-WebSocket-Version: 7", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short"])
async def test_a_bad_handshake_is_answered(service: Running, version: str) -> None:
    async with raw_client(service) as client:
        head = f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{version}\r\n\r\n"
        await client.send(head.encode())
        assert (await client.response()).status in (400, 426)
    await other_is_answered(service)


@pytest.mark.parametrize("frame", [b"\xff\xff\xff\xff", b"\x81\x05hello", b"\x83\x80\0\0\0\0", b"\x81\x82\0\0\0\0\xc3\x28"])
async def test_bad_frames_end_only_their_connection(service: Running, frame: bytes) -> None:
    async with raw_client(service) as client:
        await client.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await client.response()).status == 101
        await client.send(frame)
        with anyio.fail_after(5):
            assert await client.count_until_closed() > 0, "a close frame says why"
    await other_is_answered(service)


# The connection by itself.


async def test_held_back_pushes_are_bounded_too() -> None:
    connection = Connection(ConnectionLimits(queue_messages_max=3))
    subscription_id = connection.subscribe(lambda: None)
    for _ in range(3):
        connection.notify(subscription_id, b"1")
    assert connection.close_code is None
    connection.notify(subscription_id, b"1")
    assert connection.close_code == 1013


async def test_one_message_over_the_size_of_the_queue_still_passes() -> None:
    connection = Connection(ConnectionLimits(queue_bytes_max=10))
    connection.put_answer(b"x" * 100)
    assert await connection.next_message() == b"x" * 100
    connection.put_answer(b"x" * 6)
    connection.put_answer(b"x" * 6)
    assert connection.close_code == 1013
    assert await connection.next_message() is None


def test_a_connection_that_is_over_ends_everything_once() -> None:
    ended: list[str] = []
    connection = Connection(ConnectionLimits(subscriptions_max=2))
    first = connection.subscribe(lambda: ended.append("first"))
    connection.subscribe(lambda: ended.append("second"))
    with pytest.raises(TooManySubscriptionsError):
        connection.subscribe(lambda: None)
    connection.unsubscribe(first)
    connection.end()
    connection.end()
    assert sorted(ended) == ["first", "second"]
    with pytest.raises(SubscriptionNotFoundError):
        connection.unsubscribe(first)
