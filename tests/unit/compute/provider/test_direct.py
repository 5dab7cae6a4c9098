"""The direct way of whole answers: nobody can tell it from the usual one, and what may become a stream does not take it."""

import uuid
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.provider.doubles import ScriptedAnswer, ScriptedPool, chat_events, json_answer
from tests.unit.compute.provider.stage import CHAT, Stage, open_stage, token_of
from zerog.compute.protocol.envelope import MARKER
from zerog.compute.provider.desk import KeySource
from zerog.compute.provider.routes.direct import Collected, is_direct

pytestmark = pytest.mark.anyio

ORIGIN = "http://localhost:3000"
VARYING = ("zg-res-key",)


async def both_ways(stage: Stage, headers: dict[str, str], **changes: Any) -> tuple[httpx.Response, httpx.Response]:
    """The answers to one request: directly, and with a field that says what is so without it, through ASGI."""
    bodies = [msgspec.json.encode({**CHAT, **changes, **more}) for more in ({}, {"stream": False})]
    assert [is_direct(body) for body in bodies] == [True, False]
    direct, usual = [await stage.http.post("/v1/proxy/chat/completions", content=body, headers=headers) for body in bodies]
    return direct, usual


def told(response: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """An answer without what differs from request to request."""
    body = response.json()
    body.pop("id", None)
    headers = {name: value for name, value in response.headers.items() if name not in VARYING}
    headers.pop("content-length")
    return response.status_code, headers, body


@pytest.mark.parametrize("case", ["an answer", "no token", "an unknown model", "no money", "a refusal upstream", "an engine that breaks"])
async def test_both_ways_say_the_same(tmp_path: Path, case: str) -> None:
    answers = {
        "a refusal upstream": ScriptedAnswer([b'{"error":{"message":"too long"}}'], status=400),
        "an engine that breaks": ScriptedAnswer([b'{"choices":[']),
    }
    pool = ScriptedPool(lambda _: answers[case]) if case in answers else None
    async with open_stage(tmp_path, pool, requests_per_minute=0, tokens_per_minute=0, images_per_minute=0) as stage:
        headers = token_of(stage.user(locked_wei=1) if case == "no money" else stage.user())
        if case == "no token":
            headers = {}
        headers = {**headers, "Origin": ORIGIN, "Content-Type": "application/json"}
        changes = {"model": "unheard-of"} if case == "an unknown model" else {}
        for _ in range(2):  # The second time its head is known.
            direct, usual = await both_ways(stage, headers, **changes)
            assert told(direct) == told(usual)
            assert direct.headers["access-control-allow-origin"] == ORIGIN
        charged = len((await stage.desk.book.receipts()).rows)
        assert charged == (4 if case == "an answer" else 0)
        assert stage.desk.limits.concurrent == 0


async def test_a_stream_under_a_known_head_stays_a_stream(tmp_path: Path) -> None:
    streamed = ScriptedAnswer(chat_events(["Hello"]), content_type="text/event-stream")
    pool = ScriptedPool(lambda request: streamed if request.stream else json_answer())
    bodies = [msgspec.json.encode({**CHAT, **more}) for more in ({}, {}, {"stream": True})]
    size_bytes = max(map(len, bodies))  # All of one length, so that their heads are the same.
    async with open_stage(tmp_path, pool) as stage:
        headers = {**token_of(stage.user()), "Content-Type": "application/json"}
        found = [await stage.http.post("/v1/proxy/chat/completions", content=body.ljust(size_bytes), headers=headers) for body in bodies]
    assert [response.status_code for response in found] == [200, 200, 200]
    assert ["content-length" in response.headers for response in found] == [True, True, False]
    assert found[2].content.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "body",
    [b'{"stream":true}', b'{"stream" : false}', b'{"str\\u0065am":true}', b" " * (64 << 10) + b"{}", msgspec.json.encode({MARKER: {}})],
    ids=["a stream", "none, but the word", "an escaped name", "long", "sealed"],
)
def test_what_may_become_a_stream_is_not_answered_directly(body: bytes) -> None:
    assert not is_direct(body)
    assert is_direct(b'{"messages":[{"role":"user","content":"a \\"stream\\" of thoughts"}]}')


async def test_no_header_ends_its_line() -> None:
    collected = Collected(b"")
    await collected.send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"1\r\nset-cookie: a=b")]})
    with pytest.raises(ValueError, match="ends its line"):
        collected.response()


@given(st.binary(min_size=16, max_size=16))
def test_keys_are_uuids_of_version_4(drawn: bytes) -> None:
    assert KeySource(lambda size: drawn * (size // 16))() == str(uuid.UUID(bytes=drawn, version=4))
