"""One port over real sockets: calls, CORS, paths, methods, pipelining, pages of the role, and who is turned away before anything runs."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, RawClient, Running, post, raw_client, running
from zerog.primitives import ZerogError
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.pages import RolePages

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only the rule for it is tested, nothing is bound.


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


@pytest.fixture
async def service() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


@pytest.fixture
async def http(service: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


@pytest.fixture
async def raw(service: Running) -> AsyncIterator[RawClient]:
    async with raw_client(service) as client:
        yield client


async def test_a_call_is_answered_as_json(http: httpx.AsyncClient) -> None:
    response = await http.post("/", content=CALL)
    assert (response.status_code, response.content) == (200, ANSWER)
    assert response.headers["content-type"] == "application/json"
    assert "server" not in response.headers


async def test_a_notification_is_answered_as_geth_does_with_nothing(http: httpx.AsyncClient) -> None:
    response = await http.post("/", content=CALL.replace(b'"id":1,', b""))
    assert (response.status_code, response.content) == (200, b"")


async def test_a_batch_is_answered_in_order(http: httpx.AsyncClient) -> None:
    response = await http.post("/", content=b"[" + CALL + b"," + CALL.replace(b'"id":1', b'"id":"2"') + b"]")
    assert response.content == b"[" + ANSWER + b"," + ANSWER.replace(b'"id":1', b'"id":"2"') + b"]"


async def test_bad_json_is_answered_and_the_connection_goes_on(raw: RawClient) -> None:
    await raw.send(post(b"{"))
    response = await raw.response()
    assert response.status == 200
    assert response.body.startswith(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700')
    await raw.send(post(CALL))
    assert (await raw.response()).body == ANSWER


async def test_a_large_body_in_many_pieces_is_one_request(http: httpx.AsyncClient) -> None:
    text = "x" * 4_000_000
    response = await http.post("/", json={"jsonrpc": "2.0", "id": 1, "method": "small_echo", "params": [text]})
    assert response.json()["result"] == text


async def test_a_chunked_body_is_one_request(raw: RawClient) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    await raw.send(head + b"5;note=1\r\n" + CALL[:5] + b"\r\n")
    await raw.send(b"%x\r\n" % len(CALL[5:]) + CALL[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n")
    assert (await raw.response()).body == ANSWER


async def test_a_request_may_come_byte_by_byte(raw: RawClient) -> None:
    for byte in post(CALL):
        await raw.send(bytes([byte]))
        await anyio.lowlevel.checkpoint()
    assert (await raw.response()).body == ANSWER


async def test_a_head_that_was_seen_before_is_no_short_cut_around_anything(service: Running, raw: RawClient) -> None:
    other = CALL.replace(b"hello", b"world")
    for body, text in ((CALL, b"hello"), (other, b"world"), (CALL, b"hello")):
        await raw.send(post(body))
        assert text in (await raw.response()).body
    await raw.send(post(CALL) + post(other))
    assert b"hello" in (await raw.response()).body
    assert b"world" in (await raw.response()).body
    await raw.send(post(CALL)[:-5])
    await raw.send(CALL[-5:] + post(other)[:-5])
    assert b"hello" in (await raw.response()).body
    await raw.send(other[-5:])
    assert b"world" in (await raw.response()).body
    await raw.send(post(CALL, "Origin: https://evil.example"))
    assert (await raw.response()).status == 403
    await raw.send(post(CALL.replace(b"echo", b"wait")) + post(CALL))
    async with raw_client(service) as second:
        await second.send(post(CALL))
        assert b"hello" in (await second.response()).body
    service.service.opened.set()
    assert b"true" in (await raw.response()).body
    assert b"hello" in (await raw.response()).body
    await raw.send(post(CALL) + b"x")
    assert b"hello" in (await raw.response()).body
    await raw.stream.send_eof()
    assert (await raw.response()).status == 400


async def test_a_seen_head_ends_with_its_connection_header(service: Running) -> None:
    for _ in range(3):
        async with raw_client(service) as client:
            await client.send(post(CALL, "Connection: close"))
            assert (await client.response()).body == ANSWER
            assert await client.is_closed()


async def test_a_client_that_waits_for_continue_gets_it(raw: RawClient) -> None:
    request = post(CALL, "Expect: 100-continue")
    await raw.send(request[: -len(CALL)])
    assert (await raw.response()).status == 100
    await raw.send(CALL)
    assert (await raw.response()).body == ANSWER


async def test_pipelined_requests_are_answered_in_order(service: Running, raw: RawClient) -> None:
    calls = [CALL, CALL.replace(b"echo", b"wait"), CALL.replace(b"hello", b"later"), CALL.replace(b"small_echo", b"small_none")]
    await raw.send(b"".join(post(call) for call in calls))
    assert (await raw.response()).body == ANSWER
    assert service.service.journal == ["hello"], "the third request waits for the second"
    service.service.opened.set()
    assert b"true" in (await raw.response()).body
    assert b"later" in (await raw.response()).body
    assert b"-32601" in (await raw.response()).body
    assert service.service.journal == ["hello", "waited", "later"]


@pytest.mark.parametrize(
    "next_request",
    [
        post(b"", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x", method="GET"),
        post(CALL, target="?"),
        post(CALL)[:-1],
        b"POST",
        b"nonsense\r\n",
    ],
)
@pytest.mark.parametrize("header", ["X: direct", "Origin: http://localhost"])
async def test_what_comes_next_does_not_cost_an_earlier_answer(service: Running, raw: RawClient, header: str, next_request: bytes) -> None:
    await raw.send(post(CALL.replace(b"echo", b"wait"), header))
    await raw.send(next_request)
    await raw.stream.send_eof()
    async with raw_client(service) as other:
        await other.send(post(CALL))
        await other.response()
    service.service.opened.set()
    assert b"true" in (await raw.response()).body
    assert await raw.is_closed()


async def test_an_answer_that_waits_does_not_hold_up_other_clients(service: Running, http: httpx.AsyncClient, raw: RawClient) -> None:
    await raw.send(post(CALL.replace(b"echo", b"wait")))
    assert (await http.post("/", content=CALL)).content == ANSWER
    service.service.opened.set()
    assert b"true" in (await raw.response()).body


async def test_a_client_that_leaves_does_not_take_its_call_along(service: Running, http: httpx.AsyncClient) -> None:
    async with raw_client(service) as leaving:
        await leaving.send(post(CALL.replace(b"echo", b"wait")))
        await http.post("/", content=CALL)  # By now the call above has begun.
    service.service.opened.set()
    await http.post("/", content=CALL)
    assert "waited" in service.service.journal


async def test_a_client_may_close_its_sending_half(service: Running, raw: RawClient) -> None:
    await raw.send(post(CALL.replace(b"echo", b"wait")))
    await raw.stream.send_eof()
    service.service.opened.set()
    assert b"true" in (await raw.response()).body
    assert await raw.is_closed()


async def test_connection_close_is_honoured(raw: RawClient) -> None:
    await raw.send(post(CALL, "Connection: close"))
    response = await raw.response()
    assert response.body == ANSWER
    assert response.headers["connection"] == "close"
    assert await raw.is_closed()


async def test_http_1_0_is_answered_and_closed(raw: RawClient) -> None:
    await raw.send(post(CALL).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (await raw.response()).body == ANSWER
    assert await raw.is_closed()


async def test_an_offer_of_http_2_is_ignored(raw: RawClient) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    await raw.send(post(CALL, *offer))
    assert (await raw.response()).body == ANSWER
    await raw.send(post(CALL, *offer)[:-20])
    await raw.send(CALL[-20:])
    assert (await raw.response()).body == ANSWER


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", ""])
async def test_the_content_type_does_not_matter(http: httpx.AsyncClient, content_type: str) -> None:
    assert (await http.post("/", content=CALL, headers={"content-type": content_type})).content == ANSWER


# Who is turned away.


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
async def test_a_foreign_page_is_refused_before_anything_runs(service: Running, http: httpx.AsyncClient, content_type: str) -> None:
    headers = {"origin": "https://evil.example", "content-type": content_type}
    response = await http.post("/", content=CALL, headers=headers)
    assert response.status_code == 403
    error = response.json()["error"]
    assert "https://evil.example" in error["message"]
    assert "allowed hosts" in error["message"]
    assert "access-control-allow-origin" not in response.headers
    assert service.service.journal == []


async def test_a_rebound_name_is_refused_before_anything_runs(service: Running, raw: RawClient) -> None:
    await raw.send(post(CALL, host="evil.example:8545"))
    assert (await raw.response()).status == 403
    await raw.send(post(CALL, "Origin: http://evil.example:8545", host="evil.example:8545"))
    assert (await raw.response()).status == 403
    assert service.service.journal == []


async def test_a_request_without_a_host_is_malformed(raw: RawClient) -> None:
    await raw.send(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(CALL) + CALL)
    assert (await raw.response()).status == 400


async def test_a_foreign_page_gets_no_preflight(http: httpx.AsyncClient) -> None:
    response = await http.options("/", headers={"origin": "https://evil.example", "access-control-request-method": "POST"})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["http://localhost:3000", "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"])
async def test_a_local_page_gets_preflight_and_answer(http: httpx.AsyncClient, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = await http.options("/", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    response = await http.post("/", content=CALL, headers={"origin": origin})
    assert response.content == ANSWER
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["vary"] == "origin"


async def test_developers_methods_on_all_interfaces_need_the_token() -> None:
    reset = CALL.replace(b"echo", b"reset")
    rules = AccessRules(bind_host=EVERYWHERE, token="t0ken")
    async with running(rules=rules) as service, httpx.AsyncClient(base_url=service.url) as http:
        assert b"-32601" in (await http.post("/", content=reset)).content
        assert b"-32601" in (await http.post("/", content=reset, headers={"authorization": "Bearer t0ke"})).content
        assert b"true" in (await http.post("/", content=reset, headers={"authorization": "Bearer t0ken"})).content
        assert (await http.post("/", content=CALL)).content == ANSWER


# Paths, methods, pages.


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_only_post_is_answered_at_the_root(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"
    if method != "HEAD":
        assert "use POST" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/rpc", "/%2e%2e/etc/passwd", "/readyz", "/metrics"])
async def test_an_unknown_path_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        assert (await http.request(method, path, content=CALL)).status_code == 404


async def test_a_query_does_not_matter(http: httpx.AsyncClient) -> None:
    assert (await http.post("/?key=1", content=CALL)).content == ANSWER


async def test_pages_of_the_role() -> None:
    ready = anyio.Event()

    async def probe() -> dict[str, object]:
        await anyio.lowlevel.checkpoint()
        if not ready.is_set():
            raise ZerogError("no block was made yet")
        return {"block": 7}

    pages = RolePages(probe=probe, metrics=lambda: b"zerog_up 1\n")
    async with running(pages=pages) as service, httpx.AsyncClient(base_url=service.url) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        before = await http.get("/readyz")
        assert before.status_code == 503
        assert before.json()["error"]["cause"] == "no block was made yet"
        ready.set()
        after = await http.get("/readyz")
        assert (after.status_code, after.json()) == (200, {"status": "ready", "found": {"block": 7}})
        metrics = await http.get("/metrics")
        assert metrics.text == "zerog_up 1\n"
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await http.head("/healthz")).content == b""
        assert (await http.post("/healthz")).status_code == 405
        assert (await http.options("/healthz")).status_code == 204
        assert (await http.get("/metrics", headers={"origin": "https://evil.example"})).status_code == 403
