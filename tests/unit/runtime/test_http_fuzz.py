"""Bodies and byte streams that nobody would write by hand: always a JSON-RPC answer, never a 5xx, and the next client is served."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.runtime.small_service import ANSWER, CALL, Running, post, running
from zerog.runtime.http.limits import HttpLimits

METHODS = ["small_echo", "small_add", "small_owner", "small_raw", "small_refuse", "small_take", "small_reset", "small_subscribe", "no_such"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | st.text(max_size=5) | json_values,
        "method": st.sampled_from(METHODS) | json_values,
        "params": st.lists(json_values, max_size=4) | json_values,
    },
)
bodies = (
    st.binary(max_size=300)
    | st.builds(msgspec.json.encode, json_values)
    | st.builds(msgspec.json.encode, requests)
    | st.builds(msgspec.json.encode, st.lists(requests | json_values, max_size=6))
)


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    """A service in a thread, for clients that block."""

    @asynccontextmanager
    async def quick() -> AsyncIterator[Running]:
        async with running(limits=HttpLimits(headers_s=0.2, body_s=0.2, linger_s=0.1)) as one:
            yield one

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(quick()) as one:
        yield one


@pytest.fixture(scope="module")
def http(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url) as client:
        yield client


def is_answer(value: object) -> bool:
    """Whether it is one JSON-RPC 2.0 response object."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0" or "id" not in value:
        return False
    error = value.get("error")
    if error is None:
        return set(value) == {"jsonrpc", "id", "result"}
    return set(value) == {"jsonrpc", "id", "error"} and type(error["code"]) is int and type(error["message"]) is str


@given(body=bodies)
@settings(max_examples=200, deadline=None)
def test_every_body_gets_a_json_rpc_answer(http: httpx.Client, body: bytes) -> None:
    response = http.post("/", content=body)
    assert response.status_code == 200
    if response.content:
        answer = msgspec.json.decode(response.content)
        assert all(map(is_answer, answer)) if isinstance(answer, list) and answer else is_answer(answer)
        assert b"-32603" not in response.content
        assert b"Traceback" not in response.content
    assert http.post("/", content=CALL).content == ANSWER


@given(value=st.integers() | st.text(), params=st.lists(json_values, max_size=3))
@settings(max_examples=40, deadline=None)
def test_every_valid_id_comes_back_with_every_outcome(http: httpx.Client, value: object, params: list[object]) -> None:
    for method in METHODS:
        request = msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params, "id": value})
        response = http.post("/", content=request).content
        assert response.startswith(b'{"jsonrpc":"2.0","id":' + msgspec.json.encode(value) + b",")


chunks = st.binary(max_size=60) | st.sampled_from(
    [
        b"POST / HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.1\r\n",
        b"Host: localhost\r\n",
        b"Content-Length: 10\r\n",
        b"Content-Length: 67\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        CALL,
        post(CALL),
    ]
)


@given(stream=st.lists(chunks, max_size=8))
@settings(max_examples=150, deadline=None)
def test_every_byte_stream_ends_in_answers_and_hurts_nobody(service: Running, http: httpx.Client, stream: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as client:
        try:
            for chunk in stream:
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: client.recv(65536), b""))
        except OSError:  # Closed by the server: some streams are refused at once.
            received = b""
    assert not received or received.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 5" not in received
    assert http.post("/", content=CALL).content == ANSWER
