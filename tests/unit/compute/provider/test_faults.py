"""What goes wrong between client, provider and engine: each request is charged once, or not at all, and both sides can tell which."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from anyio.abc import SocketStream

from tests.unit.compute.provider.doubles import ANSWER, ScriptedAnswer, ScriptedPool, chat_events, json_answer
from tests.unit.compute.provider.stage import CHAT, Stage, open_stage, token_of
from zerog.compute.protocol.receipts import read_receipt
from zerog.compute.provider.book import Book, BookUnavailableError, Charge

pytestmark = pytest.mark.anyio

EVENTS = "text/event-stream"


async def receipts_of(stage: Stage) -> list[str]:
    return [read_receipt(row.receipt).id for row in (await stage.desk.book.receipts()).rows]


def raw_chat(stage: Stage, headers: dict[str, str], **changes: Any) -> bytes:
    """A chat as bytes of HTTP, for clients that misbehave."""
    body = msgspec.json.encode({**CHAT, **changes})
    host = stage.url.removeprefix("http://")
    head = f"POST /v1/proxy/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items()) + b"\r\n" + body


async def connect(stage: Stage) -> SocketStream:
    host, _, port = stage.url.removeprefix("http://").partition(":")
    return await anyio.connect_tcp(host, int(port))


async def test_sixty_four_requests_at_once_on_the_last_coin_are_served_within_it(tmp_path: Path) -> None:
    gate = anyio.Event()
    pool = ScriptedPool(lambda _: ScriptedAnswer([msgspec.json.encode(ANSWER)], gate=lambda _: gate))
    price = 2 * 10**16
    async with open_stage(tmp_path, pool, input_price=0, output_price=price, concurrent=0, concurrent_per_user=0) as stage:
        user = stage.user(locked_wei=16 * price * 5)  # Each sets 16 tokens aside, so that five fit at once.
        headers = token_of(user)
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=headers)).status_code)

        stage.http = httpx.AsyncClient(base_url=stage.url, timeout=60, limits=httpx.Limits(max_connections=64))
        async with stage.http, anyio.create_task_group() as tasks:
            for _ in range(64):
                tasks.start_soon(ask)
            with anyio.fail_after(30):
                while len(statuses) < 59:  # noqa: ASYNC110 - the refused ones are answered while the others wait.
                    await anyio.sleep(0.005)
            gate.set()
        assert sorted(statuses) == [200] * 5 + [402] * 59
        ids = await receipts_of(stage)
        assert len(set(ids)) == 5
        assert await stage.desk.book.unsettled_wei(user.address) == 5 * 5 * price


async def test_a_client_that_leaves_in_mid_stream_is_charged_once_and_finds_its_signature(tmp_path: Path) -> None:
    gate = anyio.Event()
    events = chat_events(["one ", "two ", "three "])
    pool = ScriptedPool(lambda _: ScriptedAnswer(events, content_type=EVENTS, gate=lambda index: gate if index == 2 else None))
    async with open_stage(tmp_path, pool) as stage:
        user = stage.user()
        client = await connect(stage)
        await client.send(raw_chat(stage, token_of(user), stream=True))
        seen = b""
        with anyio.fail_after(10):
            while b"one " not in seen:
                seen += await client.receive()
        key = seen.lower().split(b"zg-res-key: ")[1].split(b"\r\n")[0].decode()
        await client.aclose()
        async with anyio.create_task_group() as tasks:
            found: list[httpx.Response] = []

            async def look() -> None:
                found.append(await stage.http.get(f"/v1/proxy/signature/{key}"))

            tasks.start_soon(look)
            gate.set()
        assert found[0].status_code == 200, found[0].text
        assert await receipts_of(stage) == [key]
        assert await stage.desk.book.unsettled_wei(user.address) == 7 * 10**10 + 3 * 2 * 10**10


async def test_who_leaves_a_stream_without_end_is_charged_for_the_events_that_were_read(tmp_path: Path) -> None:
    """Reading stops within an event, and what there is of it is dropped."""
    gate = anyio.Event()
    whole = b"".join(chat_events(["word " * 2000] * 3000, usage=False))
    pieces = [whole[at : at + 60_007] for at in range(0, len(whole), 60_007)]
    pool = ScriptedPool(lambda _: ScriptedAnswer(pieces, content_type=EVENTS, gate=lambda index: gate if index == 2 else None))
    async with open_stage(tmp_path, pool, concurrent=0) as stage:
        user = stage.user()
        client = await connect(stage)
        await client.send(raw_chat(stage, token_of(user), stream=True, max_tokens=100_000))
        seen = await client.receive()
        key = seen.lower().split(b"zg-res-key: ")[1].split(b"\r\n")[0].decode()
        await client.aclose()
        gate.set()
        with anyio.fail_after(30):
            await stage.desk.wait_for(key, 30)
        [row] = (await stage.desk.book.receipts()).rows
        assert 2000 < read_receipt(row.receipt).usage.completion_tokens < 2000 * 3000 - 1000


async def test_a_slow_reader_holds_the_engine_back_and_not_the_answer_in_memory(tmp_path: Path) -> None:
    taken = 0
    events = chat_events(["word " * 2000] * 2000)

    def gate(index: int) -> None:
        nonlocal taken
        taken = max(taken, index)

    pool = ScriptedPool(lambda _: ScriptedAnswer(events, content_type=EVENTS, gate=gate))
    async with open_stage(tmp_path, pool) as stage:
        user = stage.user()
        client = await connect(stage)
        await client.send(raw_chat(stage, token_of(user), stream=True))
        await client.receive(1024)
        last = -1
        with anyio.fail_after(20):
            while taken != last:  # Until the engine is asked for no more.
                last = taken
                await anyio.sleep(0.2)
        assert 0 < taken < 1500
        received = 0
        with anyio.fail_after(30):
            tail = b""
            while b"data: [DONE]\n\n" not in tail:
                piece = await client.receive()
                received += len(piece)
                tail = (tail + piece)[-64:]
        assert received > 15_000_000
        await client.aclose()
        assert len(await receipts_of(stage)) == 1


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda: json_answer({"error": {"message": "boom, /secret/path", "type": "server_error"}}, 500), 502, "upstream_refused"),
        (lambda: json_answer({"error": {"message": "overloaded"}}, 503), 503, "upstream_refused"),
        (lambda: json_answer({"error": {"message": "bad key sk-123"}}, 401), 502, "upstream_refused"),
        (lambda: json_answer({"error": {"message": "too long for upstream/model-7b", "code": "context"}}, 400), 400, "upstream_refused"),
        (lambda: json_answer({"error": "slow down"}, 429), 429, "upstream_refused"),
        (lambda: ScriptedAnswer([b"<html>not json"], 200), 502, "upstream_broken_answer"),
        (lambda: ScriptedAnswer([b"[1,2]"], 200), 502, "upstream_broken_answer"),
        (lambda: ScriptedAnswer([b"data: {garbage\n\n"], content_type=EVENTS), 502, "upstream_broken_answer"),
        (lambda: ScriptedAnswer([b'data: {"error":{"message":"no"}}\n\n'], content_type=EVENTS), 502, "upstream_broken_answer"),
        (lambda: ScriptedAnswer([b'{"id'], error=RuntimeError("a bug")), 500, "internal_error"),
    ],
    ids=["500", "503", "401", "400", "429", "html", "array", "garbage stream", "error event", "bug"],
)
async def test_an_engine_that_fails_costs_nothing(tmp_path: Path, make: Callable[[], ScriptedAnswer], status: int, code: str) -> None:
    async with open_stage(tmp_path, ScriptedPool(lambda _: make())) as stage:
        user = stage.user(locked_wei=10**18 + 10**16)
        for _ in range(3):
            response = await stage.chat(user, stream=True)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
            assert not [word for word in ("secret", "sk-123", "upstream/model-7b") if word in response.text]
        assert await receipts_of(stage) == []
        assert await stage.desk.book.unsettled_wei(user.address) == 0
        assert stage.desk.limits.concurrent == 0


@pytest.mark.parametrize("cut", [b"data: {garbage\n\n", b'data: {"error":{"message":"died"}}\n\n'])
async def test_a_stream_that_breaks_off_says_so_and_costs_nothing(tmp_path: Path, cut: bytes) -> None:
    events = [*chat_events(["one ", "two "], done=False), cut]
    async with open_stage(tmp_path, ScriptedPool(lambda _: ScriptedAnswer(events, content_type=EVENTS))) as stage:
        user = stage.user()
        response = await stage.chat(user, stream=True)
        assert response.status_code == 200
        assert b"two " in response.content
        assert b"[DONE]" not in response.content
        last = msgspec.json.decode(response.content.strip().rpartition(b"data: ")[2])
        assert last["error"]["code"] == "upstream_broken_answer"
        key = response.headers["zg-res-key"]
        assert (await stage.http.get(f"/v1/proxy/signature/{key}")).status_code == 404
        assert (await stage.http.get(f"/v1/receipts/{key}")).status_code == 404
        assert await stage.desk.book.unsettled_wei(user.address) == 0


async def test_a_body_of_33_mb_is_refused(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        headers = token_of(stage.user())
        response = await stage.http.post("/v1/proxy/chat/completions", content=b" " * (33 << 20), headers=headers)
        assert response.status_code == 413
        assert (response.json()["error"]["code"], response.json()["error"]["type"]) == ("body_too_large", "request_too_large")
        assert stage.pool.requests == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model":7}', b'{"model":"llama","n":0}', b'{"model":"llama","max_tokens":-1}', b"[" * 100_000]
)
async def test_a_body_that_is_no_chat_is_refused(tmp_path: Path, body: bytes) -> None:
    async with open_stage(tmp_path) as stage:
        response = await stage.http.post("/v1/proxy/chat/completions", content=body, headers=token_of(stage.user()))
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
        assert stage.pool.requests == []


async def test_a_model_that_is_not_served_is_refused_by_name(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        response = await stage.chat(stage.user(), model="gpt-9")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
        assert "name llama" in response.json()["error"]["remedy"]


async def test_a_model_that_has_expired_is_gone(tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    models.write_text('[[model]]\nid = "llama"\noutput_price = 1\nexpires = 2020-01-01\n')
    async with open_stage(tmp_path, models=models) as stage:
        response = await stage.chat(stage.user())
        assert (response.status_code, response.headers["cache-control"]) == (410, "no-store")


async def test_no_more_requests_at_once_than_allowed(tmp_path: Path) -> None:
    gate = anyio.Event()
    pool = ScriptedPool(lambda _: ScriptedAnswer([msgspec.json.encode(ANSWER)], gate=lambda _: gate))
    async with open_stage(tmp_path, pool, concurrent=3, concurrent_per_user=2) as stage:
        first, second = stage.user("first"), stage.user("second")
        async with anyio.create_task_group() as tasks:
            for user in (first, first, second):
                tasks.start_soon(stage.chat, user)
            with anyio.fail_after(10):
                while len(pool.requests) < 3:  # noqa: ASYNC110 - until all three are with the engine.
                    await anyio.sleep(0.005)
            busy = await stage.chat(second)
            stage.desk.limits.concurrent -= 1
            own = await stage.chat(first)
            stage.desk.limits.concurrent += 1
            assert (busy.status_code, busy.json()["error"]["code"], busy.headers["retry-after"]) == (503, "provider_busy", "1")
            assert (own.status_code, own.json()["error"]["code"]) == (429, "too_many_concurrent_requests")
            gate.set()


async def test_charges_outlive_the_provider(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        user = stage.user()
        key = (await stage.chat(user)).headers["zg-res-key"]
        before = (await stage.http.get(f"/v1/receipts/{key}")).json()
    async with open_stage(tmp_path) as stage:
        stage.user()
        assert (await stage.http.get(f"/v1/receipts/{key}")).json() == before
        assert (await stage.http.get(f"/v1/proxy/signature/{key}")).status_code == 200
        fee = await stage.http.get(f"/v1/user/{user.address}/unsettledfee", headers=token_of(user))
        assert fee.json() == {"userAddress": str(user.address), "unsettledFee": before["receipt"]["fee"]}


@dataclass
class AwayBook:
    """A book that takes nothing for a while; everything else is the real one's."""

    book: Book
    is_away: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.book, name)

    async def charge(self, charge: Charge) -> None:
        self._check()
        await self.book.charge(charge)

    async def release(self, request_id: str) -> None:
        self._check()
        await self.book.release(request_id)

    def _check(self) -> None:
        if self.is_away:
            raise BookUnavailableError("it is away")


async def test_an_answer_that_cannot_be_written_down_is_not_given(tmp_path: Path) -> None:
    pool = ScriptedPool(lambda request: ScriptedAnswer(chat_events(["one "]), content_type=EVENTS) if request.stream else json_answer())
    price = 2 * 10**16
    async with open_stage(tmp_path, pool, input_price=0, output_price=price) as stage:
        away = AwayBook(stage.desk.book)
        object.__setattr__(stage.desk, "book", away)
        user = stage.user(locked_wei=10**18 + 2 * 16 * price)
        whole = await stage.chat(user)
        assert (whole.status_code, whole.json()["error"]["code"]) == (503, "book_unavailable")
        assert "Hello" not in whole.text
        streamed = await stage.chat(user, stream=True)
        assert b"[DONE]" not in streamed.content
        assert b"book_unavailable" in streamed.content
        assert len(stage.desk.set_aside) == 2
        away.is_away = False
        for key in tuple(stage.desk.set_aside):
            await stage.desk.give_back(key, 5)
        assert await receipts_of(stage) == []
        assert [(await stage.chat(user)).status_code for _ in range(2)] == [200, 200]
