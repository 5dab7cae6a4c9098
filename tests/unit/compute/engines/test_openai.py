"""The engine in front of a server with OpenAI's API, over real sockets: what goes there, what comes back, and every fault on the way."""

import base64
import ipaddress
import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.compute.engines.asking import ask, chat, form, request
from tests.unit.compute.engines.conftest import QUICK
from tests.unit.compute.engines.test_scripted import sound
from zerog.compute.provider.engines import (
    EngineBrokenAnswerError,
    EngineError,
    EngineOptions,
    EngineSettingsError,
    EngineTimeoutError,
    EngineUnavailableError,
    OpenAIEngine,
    open_engines,
    read_engines,
)
from zerog.compute.provider.engines.http import HttpClient
from zerog.testing.scripted import ScriptedEngine
from zerog.testing.upstream import Behaviour, Upstream, serve_upstream

STREAM = chat(stream=True, stream_options={"include_usage": True})


async def test_a_request_reaches_the_server_as_it_is_with_the_operators_key(upstream: Upstream, engine: OpenAIEngine) -> None:
    headers = (
        ("X-Trace", "7"),
        ("Authorization", "Bearer of the client"),
        ("Host", "elsewhere"),
        ("Bad\r\nName", "x"),
        ("X-Bad", "a\r\nb: c"),
    )
    told = await ask(engine, request(headers=headers, query="a=1"))
    got = upstream.received[-1]
    assert told.json()["usage"]["completion_tokens"] == 12
    assert (got.method, got.path, got.body) == ("POST", "/v1/chat/completions?a=1", request().body)
    assert got.headers["authorization"] == "Bearer secret-key"
    assert got.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert (got.headers["accept-encoding"], got.headers["x-trace"]) == ("identity", "7")
    assert not {"b", "x-bad", "name"} & set(got.headers)
    await ask(engine, request("/messages", chat(max_tokens=5)))
    assert upstream.received[-1].headers["x-api-key"] == "secret-key"


async def test_requests_follow_each_other_on_one_connection_and_run_beside_each_other_on_many(
    upstream: Upstream, engine: OpenAIEngine
) -> None:
    for _ in range(20):
        await ask(engine, request())
    assert upstream.connections_made == 1
    upstream.behaviour = Behaviour(latency_s=0.05)
    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(ask, engine, request())
    assert upstream.connections_made == 16


async def test_events_come_one_by_one_as_the_server_sends_them(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.behaviour = Behaviour(events=5, event_interval_s=0.02)
    told = await ask(engine, request(body=STREAM, stream=True))
    assert told.content_type == "text/event-stream"
    assert len(told.chunks) == 8  # Five words, the end, the usage, `[DONE]`.
    assert told.events()[-2]["usage"]["completion_tokens"] == 5


async def test_a_slow_reader_gets_merged_what_waits_and_the_server_waits_for_it(upstream: Upstream) -> None:
    engine = OpenAIEngine(EngineOptions(name="up", url=upstream.url))
    upstream.behaviour = Behaviour(events=4_000, event_padding=8_000)
    async with engine.answer(request(body=STREAM, stream=True)) as answer:
        connection = next(iter(upstream.connections))
        with anyio.fail_after(10):
            while not connection.is_paused:  # Until all buffers between are full.
                await anyio.lowlevel.checkpoint()
        chunks = [chunk async for chunk in answer.chunks()]
    assert sum(chunk.count(b"data: ") for chunk in chunks) == 4_003
    assert chunks[0].count(b"data: ") > 20  # What waited meanwhile: 256 KiB.
    await engine.aclose()


async def test_every_kind_of_service_passes_through(upstream: Upstream, engine: OpenAIEngine) -> None:
    scripted = ScriptedEngine()
    body, kind = form({"model": "m"}, {"file": sound(1.5)})
    for asked in (
        request("/embeddings", {"input": "a b c"}),
        request("/images/generations", {"prompt": "a fox", "size": "64x64"}),
        request("/audio/speech", {"input": "hello there"}),
        request("/audio/transcriptions", body, content_type=kind),
        request("/messages", chat(max_tokens=9)),
    ):
        through, direct = await ask(engine, asked), await ask(scripted, asked)
        assert (through.status, through.content_type, through.body) == (direct.status, direct.content_type, direct.body)
    picture = base64.b64decode((await ask(engine, request("/images/generations", {"prompt": "b"}))).json()["data"][0]["b64_json"])
    body, kind = form({"prompt": "c"}, {"image": picture})
    assert (await ask(engine, request("/images/edits", body, content_type=kind))).status == 200


async def test_a_large_body_goes_through_whole(upstream: Upstream, engine: OpenAIEngine) -> None:
    asked = request(body=chat("x" * (8 << 20)))
    assert (await ask(engine, asked)).status == 200
    assert upstream.received[-1].body == asked.body


async def test_a_server_that_does_not_say_what_it_has_is_not_waited_for_as_for_an_answer(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerog.compute.provider.engines.openai.LIST_S", 0.1)
    upstream.behaviour = Behaviour(is_held=True)  # Of its version: it lists its models.
    engine = OpenAIEngine(EngineOptions(name="up", url=upstream.url))
    with anyio.fail_after(10), pytest.raises(EngineTimeoutError, match=r"does not list its models within 0\.1 s"):
        await engine.models()
    await engine.aclose()


async def test_a_server_says_what_it_has_and_what_it_is(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.models = ["llama-8b", "qwen"]
    upstream.next.append(Behaviour(status=404))
    upstream.next.append(Behaviour(body=b'{"version":"0.11.2"}'))
    assert [info.id for info in await engine.models()] == ["llama-8b", "qwen"]
    assert (engine.identity.name, engine.identity.version) == ("openai", "0.11.2")
    assert [got.path for got in upstream.received] == ["/v1/models", "/version", "/api/version"]


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (Behaviour(is_silent=True), EngineTimeoutError, "did not answer within 0.2 s"),
        (Behaviour(latency_s=5), EngineTimeoutError, "did not answer within 0.2 s"),
        (Behaviour(closes_first=True), EngineBrokenAnswerError, "without an answer"),
        (Behaviour(events=9, cut_after_events=3), EngineBrokenAnswerError, "in the middle of its answer"),
        (Behaviour(events=9, stalls_after_events=3), EngineTimeoutError, "was silent for 0.2 s"),
        (Behaviour(status=307, location="http://127.0.0.1:1/"), EngineBrokenAnswerError, "redirects"),
        (Behaviour(headers=(("content-encoding", "gzip"),)), EngineBrokenAnswerError, "gzip"),
        (Behaviour(body=b"x" * (1 << 20) + b"y"), EngineBrokenAnswerError, "more than 1048576 bytes"),
        (Behaviour(headers=tuple((f"x-{number}", "y") for number in range(200))), EngineBrokenAnswerError, "too many headers"),
        (Behaviour(headers=(("x", "y" * 70_000),)), EngineBrokenAnswerError, "HTTP|too many headers"),
        (Behaviour(content_type="text/plain\r\nno header", body=b""), EngineBrokenAnswerError, "does not speak HTTP"),
    ],
)  # fmt: skip
async def test_a_fault_is_told_and_nothing_is_sent_twice(
    upstream: Upstream, engine: OpenAIEngine, behaviour: Behaviour, error: type[EngineError], words: str
) -> None:
    upstream.next.append(behaviour)
    with pytest.raises(error, match=words) as raised:
        await ask(engine, request(body=STREAM, stream=True))
    assert len(upstream.received) == 1
    assert "secret-key" not in str(raised.value)
    assert (await ask(engine, request())).status == 200  # And the next request is none the worse.


async def test_errors_of_the_server_are_handed_on(upstream: Upstream, engine: OpenAIEngine) -> None:
    for status in (400, 404, 429, 500, 503):
        upstream.next.append(Behaviour(status=status))
        told = await ask(engine, request())
        assert (told.status, told.json()["error"]["type"]) == (status, "test")
    assert len(upstream.received) == 5


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_who_says_when_to_come_back_is_asked_again_then(upstream: Upstream, engine: OpenAIEngine, status: int) -> None:
    upstream.next.append(Behaviour(status=status, retry_after_s=0.05))
    started = anyio.current_time()
    assert (await ask(engine, request())).status == 200
    assert anyio.current_time() - started >= 0.05
    upstream.next.append(Behaviour(status=status, retry_after_s=3_600))
    assert (await ask(engine, request())).status == status  # That is longer than anyone waits.
    assert len(upstream.received) == 3


async def test_a_server_that_is_away_is_tried_again_until_it_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    engine = OpenAIEngine(EngineOptions(name="away", url=f"http://127.0.0.1:{port}/v1", rules=QUICK, retry_s=0.35))
    started = anyio.current_time()
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        await ask(engine, request())
    assert anyio.current_time() - started >= 0.3
    await engine.aclose()


async def test_who_fails_again_and_again_is_left_alone_and_then_tried_by_one(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.behaviour = Behaviour(closes_first=True)
    for _ in range(5):
        with pytest.raises(EngineBrokenAnswerError):
            await ask(engine, request())
    with pytest.raises(EngineUnavailableError, match="left alone") as refused:
        await ask(engine, request())
    assert refused.value.retry_after_s >= 1
    assert len(upstream.received) == 5


async def test_one_request_that_the_server_cannot_take_stops_no_other(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.behaviour = Behaviour(status=500)
    for _ in range(20):
        assert (await ask(engine, request())).status == 500
    assert not engine.breaker.is_open


async def test_an_answer_that_nobody_reads_to_its_end_closes_the_connection(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.behaviour = Behaviour(events=100, event_interval_s=0.01)
    async with engine.answer(request(body=STREAM, stream=True)) as answer:
        assert await anext(answer.chunks())
    with anyio.fail_after(5):
        while upstream.connections:
            await anyio.lowlevel.checkpoint()
    with anyio.move_on_after(0.05) as scope:
        await ask(engine, request(body=STREAM, stream=True))
    assert scope.cancelled_caught
    with anyio.fail_after(5):
        while upstream.connections:
            await anyio.lowlevel.checkpoint()
    assert not engine.breaker.is_open


async def test_a_connection_that_the_server_closed_or_that_rested_is_not_used_again(upstream: Upstream, engine: OpenAIEngine) -> None:
    await ask(engine, request())
    upstream.drop_connections()
    with anyio.fail_after(5):
        while engine.client.idle_connections:
            await anyio.lowlevel.checkpoint()
    await ask(engine, request())
    assert upstream.connections_made == 2
    with anyio.fail_after(5):
        while upstream.connections:  # The engine closes it after a second of rest.
            await anyio.lowlevel.checkpoint()
    assert (await ask(engine, request())).status == 200
    assert upstream.connections_made == 3


async def test_certificates_are_checked(tmp_path: Path) -> None:
    own, path = self_signed(tmp_path)
    async with serve_upstream(tls=own) as upstream:
        assert upstream.url.startswith("https://")
        options = EngineOptions(name="up", url=upstream.url, rules=QUICK, retry_s=0)
        trusting = OpenAIEngine(options, client=HttpClient(upstream.url, QUICK, trust=ssl.create_default_context(cafile=path)))
        assert (await ask(trusting, request())).status == 200
        with pytest.raises(EngineUnavailableError, match="cannot be reached"):
            await ask(OpenAIEngine(options), request())
        await trusting.aclose()


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the file with its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.crt"
    path.write_bytes(certificate.public_bytes(pem))
    both = folder / "server.pem"
    both.write_bytes(secret + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, path


async def test_a_body_may_end_with_its_connection(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.next.append(Behaviour(has_length=False))
    assert (await ask(engine, request())).json()["choices"]
    await ask(engine, request())
    assert upstream.connections_made == 2


async def test_more_at_once_than_allowed_is_refused(upstream: Upstream, engine: OpenAIEngine) -> None:
    upstream.behaviour = Behaviour(latency_s=0.15)
    refusals: list[EngineUnavailableError] = []

    async def ask_once() -> None:
        try:
            await ask(engine, request())
        except EngineUnavailableError as error:
            refusals.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(QUICK.connections_max + 8):
            tasks.start_soon(ask_once)
    assert upstream.connections_made >= QUICK.connections_max
    assert len(upstream.received) + len(refusals) == QUICK.connections_max + 8


async def test_the_key_is_in_no_log_and_no_representation(
    upstream: Upstream, engine: OpenAIEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        upstream.next.append(Behaviour(status=401))
        await ask(engine, request())
    assert "secret-key" not in caplog.text + repr(engine.options) + repr(engine)


def test_settings_become_engines() -> None:
    read = read_engines(["fast=http://127.0.0.1:1/v1", "http://10.0.0.1:8000/v1"], ["fast=k1"])
    fast, other = read["fast"], read["http://10.0.0.1:8000/v1"]
    assert (fast.name, fast.url, fast.key) == ("fast", "http://127.0.0.1:1/v1", "k1")
    assert (other.name, other.key) == ("number 2", None)
    assert [each.key for each in read_engines(["a=http://h/v1", "b=http://h/v1"], ["one=key=for=all"]).values()] == ["one=key=for=all"] * 2
    assert list(open_engines([])) == ["exact"]


@pytest.mark.parametrize(
    ("engines", "keys"),
    [
        (["ftp://h/v1"], []),
        (["scripted"], []),
        (["http:///v1"], []),
        (["http://h:99999/v1"], []),
        (["http://user:word@h/v1"], []),
        (["http://h/v1?key=1"], []),
        (["http://h/v 1"], []),
        (["a=http://h/v1", "a=http://h/v2"], []),
        (["a=http://h/v1", "b=http://h/v2"], ["k1", "k2"]),
        (["a=http://h/v1"], ["k\r\nx: y"]),
    ],
)
def test_settings_that_cannot_be_are_refused(engines: list[str], keys: list[str]) -> None:
    with pytest.raises(EngineSettingsError):
        read_engines(engines, keys)
