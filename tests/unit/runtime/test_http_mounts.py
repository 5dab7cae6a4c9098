"""Routes and other services beside JSON-RPC on one port: same guard, CORS for pages, errors as JSON, bodies and streams of many MiB."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from tests.unit.runtime.small_service import ANSWER, CALL, LOOPS, Running, SmallService, dispatcher, post, raw_client, running
from zerog.primitives import ZerogError
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import Receive, Scope, Send, read_body, respond
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.mounts import Mounts

PAGE = "http://localhost:3000"
MIB = 1024 * 1024
LIMITS = HttpLimits(body_bytes_max=8 * MIB)


class TooEarlyError(RefusalError):
    """An expected failure with a status of its own."""

    code = "too_early"
    remedy = "come back later"
    http_status = 425

    def __str__(self) -> str:
        return "not yet"


async def tell(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}", headers={"etag": '"1"'})


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(int(request.query_params["parts"])):
            yield bytes([number % 251]) * MIB

    return StreamingResponse(parts())


async def fail(request: Request) -> Response:
    match request.path_params["how"]:
        case "refusal":
            raise TooEarlyError
        case "expected":
            raise ZerogError("out of order")
        case "late":
            return StreamingResponse(halves())
    raise KeyError("swordfish")


async def halves() -> AsyncIterator[bytes]:
    yield b"half"
    raise ZerogError("out of order")


FILES = Router(
    routes=[
        Route("/files", tell),
        Route("/files/stream", stream),
        Route("/files/fail/{how}", fail),
        Route("/files/{name}", tell),
    ]
)


async def count(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the length of a body, and whether it is what the tests send."""
    body = await read_body(receive, 6 * MIB)
    await respond(send, 200, b"%d %d" % (len(body), body == pattern(len(body))))


def pattern(size_bytes: int) -> bytes:
    return (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Every test here runs on each event loop."""
    return request.param


@pytest.fixture
async def service() -> AsyncIterator[Running]:
    inner = dispatcher(SmallService())
    async with running(limits=LIMITS, mounts={"/files": FILES, "/count": count, "/inner": inner}, is_anywhere=True) as one:
        yield one


@pytest.fixture
async def http(service: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


async def test_what_is_mounted_has_its_path_and_all_below(http: httpx.AsyncClient) -> None:
    assert (await http.get("/files")).text == "GET /files"
    assert (await http.get("/files/a")).text == "GET /files/a"
    assert (await http.head("/files/a")).content == b""
    assert (await http.get("/files/a/b")).status_code == 404
    assert (await http.get("/filesystem")).status_code == 404


async def test_calls_pages_and_mounts_live_side_by_side(service: Running, http: httpx.AsyncClient) -> None:
    assert (await http.post("/", content=CALL)).content == ANSWER
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert service.service.journal == ["hello"]


async def test_a_mounted_service_is_another_one(service: Running, http: httpx.AsyncClient) -> None:
    for target in ("/inner", "/inner/", "/inner/deeper?x=1"):
        assert (await http.post(target, content=CALL)).content == ANSWER
        assert (await http.post(target, content=CALL, headers={"origin": PAGE})).content == ANSWER
    assert service.service.journal == []
    assert (await http.get("/inner")).status_code == 405


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/", "/a/b?key=1", "/%7Euser", "//"])
async def test_calls_are_answered_at_any_other_path(service: Running, http: httpx.AsyncClient, target: str) -> None:
    async with raw_client(service) as raw:
        for header in ("X: direct", f"Origin: {PAGE}"):
            await raw.send(post(CALL, header, target=target))
            assert (await raw.response()).body == ANSWER
    assert (await http.options("/v1", headers={"origin": PAGE})).status_code == 204
    assert (await http.get("/v1")).status_code == 404


async def test_a_page_gets_preflight_and_reads_the_headers_of_the_answer(http: httpx.AsyncClient) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "GET", "access-control-request-headers": "range"}
    preflight = await http.options("/files/a", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert {"GET", "HEAD", "POST"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
    allowed = set(preflight.headers["access-control-allow-headers"].split(", "))
    assert {"content-type", "range", "authorization", "if-none-match", "if-range"} <= allowed
    answer = await http.get("/files/a", headers={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"content-length", "content-range", "etag", "accept-ranges", "content-disposition"} <= exposed
    assert "access-control-allow-origin" not in (await http.get("/files/a")).headers


async def test_a_foreign_page_is_refused_before_anything_runs(http: httpx.AsyncClient) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        for path in ("/files/a", "/count", "/inner"):
            assert (await http.request(method, path, headers={"origin": "https://evil.example"})).status_code == 403


async def test_an_error_is_json_with_its_status(http: httpx.AsyncClient) -> None:
    answer = await http.get("/files/fail/refusal", headers={"origin": PAGE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (425, PAGE)
    assert answer.json() == {"error": {"code": "too_early", "cause": "not yet", "remedy": "come back later"}}
    answer = await http.get("/files/fail/expected")
    assert (answer.status_code, answer.json()["error"]["cause"]) == (500, "out of order")


async def test_of_a_bug_nothing_leaves_the_house(http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await http.get("/files/fail/bug")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "swordfish" not in answer.text
    assert "route_failed" in "".join(capsys.readouterr())


async def test_half_an_answer_is_not_taken_for_a_whole_one(http: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/files/fail/late")


@pytest.mark.parametrize("size_bytes", [0, 1, 70_000, 4 * MIB, 6 * MIB])
async def test_a_body_arrives_whole(service: Running, http: httpx.AsyncClient, size_bytes: int) -> None:
    body = pattern(size_bytes)
    expected = f"{size_bytes} 1"
    assert (await http.post("/count", content=body)).text == expected
    async with raw_client(service) as raw:
        for piece in (1_000, 1_000_000):
            head = post(body, target="/count")[: -size_bytes or None]
            await raw.send(head + body[:piece])
            await raw.send(body[piece:])
            assert (await raw.response()).body == expected.encode()
        await raw.send(b"POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await raw.send((b"%x\r\n" % size_bytes + body + b"\r\n" if size_bytes else b"") + b"0\r\n\r\n")
        assert (await raw.response()).body == expected.encode()


async def test_a_body_over_the_routes_own_limit_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/count", content=pattern(7 * MIB))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert (await http.get("/files")).status_code == 200


async def test_a_long_stream_arrives_whole(http: httpx.AsyncClient) -> None:
    number = 0
    async with http.stream("GET", "/files/stream?parts=40") as answer:
        async for part in answer.aiter_bytes(MIB):
            assert part == bytes([number % 251]) * MIB
            number += 1
    assert number == 40


@pytest.mark.parametrize("path", ["files", "/files/", "/", ""])
def test_nothing_is_mounted_at_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        Mounts({path: 1})


def test_the_longer_mount_counts() -> None:
    mounts = Mounts({"/a": 1, "/a/b": 2})
    assert [mounts.at(path) for path in ("/a", "/a/x", "/a/b", "/a/b/c", "/ab", "/", "")] == [1, 1, 2, 2, None, None, None]
