"""Encrypted calls over a real socket, by a client that shares no code with ours: what comes back, what is signed, and what never leaks."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from tests.unit.compute.protocol.plain_e2ee import PlainClient, envelope_hash
from tests.unit.compute.provider.doubles import ANSWER, ScriptedAnswer, ScriptedPool, chat_events, json_answer
from tests.unit.compute.provider.stage import CHAT, Stage, open_stage, token_of
from zerog.compute.protocol.signing import recover_text_signer
from zerog.primitives import Account

pytestmark = pytest.mark.anyio

SECRET = "the password is swordfish"
SEALED_CHAT: dict[str, Any] = {**CHAT, "messages": [{"role": "user", "content": SECRET}]}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {"id": "1", "model": "upstream/model-7b", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "the answer is sturgeon"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]


async def client_of(stage: Stage) -> PlainClient:
    """A client that knows the provider by its published key."""
    published = (await stage.http.get("/v1/e2ee/pubkey")).json()
    assert (published["v"], published["kem_id"], published["simulated"]) == (1, "0x0020", True)
    return PlainClient(stage.enclave.encryption_public_key, published["signer_address"])


async def call(stage: Stage, user: Account, path: str, envelope: dict[str, Any]) -> httpx.Response:
    return await stage.http.post(
        path, content=json.dumps(envelope).encode(), headers={**token_of(user), "content-type": "application/json"}
    )


async def signed_text(stage: Stage, response: httpx.Response) -> str:
    signature = (await stage.http.get(f"/v1/proxy/signature/{response.headers['zg-res-key']}")).json()
    assert recover_text_signer(signature["text"], bytes.fromhex(signature["signature"][2:])) == stage.enclave.signer.address
    return str(signature["text"])


def frames_of(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in response.content.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


async def test_a_foreign_client_chats_so_that_nobody_else_reads_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        client, user = await client_of(stage), stage.user()
        envelope = client.seal(SEALED_CHAT, ["messages"], unbound_fields=["model"])
        response = await call(stage, user, "/v1/proxy/chat/completions", envelope)
        assert response.status_code == 200, response.text
        assert b"Hello" not in response.content
        frame = response.json()
        assert frame["usage"]["total_tokens"] == 12
        assert client.open(frame)["choices"] == ANSWER["choices"]
        assert json.loads(stage.pool.requests[0].body)["messages"] == SEALED_CHAT["messages"]
        text = f"zg-sig-v1/e2ee-ct:{envelope_hash(envelope).hex()}:{envelope_hash(frame).hex()}"
        assert await signed_text(stage, response) == text
        assert await stage.desk.book.unsettled_wei(user.address) == 7 * 10**10 + 5 * 2 * 10**10


@pytest.mark.parametrize("done", [True, False])
async def test_a_sealed_stream_ends_with_its_final_frame(tmp_path: Path, done: bool) -> None:
    pool = ScriptedPool(lambda _: ScriptedAnswer(chat_events(["Hel", "lo"], done=done), content_type="text/event-stream"))
    async with open_stage(tmp_path, pool) as stage:
        client, user = await client_of(stage), stage.user()
        response = await call(stage, user, "/v1/proxy/chat/completions", client.seal({**SEALED_CHAT, "stream": True}, ["messages"]))
        frames = frames_of(response)
        assert [frame["_e2ee"]["final"] for frame in frames] == [False] * (len(frames) - 1) + [True]
        words = [choice["delta"]["content"] for frame in frames for choice in client.open(frame)["choices"]]
        assert words == ["Hel", "lo"]
        assert response.content.endswith(b"data: [DONE]\n\n") is done
        assert (await signed_text(stage, response)).startswith("zg-sig-v1/e2ee-ct-stream:")


async def test_messages_are_sealed_event_by_event(tmp_path: Path) -> None:
    events = [b"event: " + str(event["type"]).encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n" for event in EVENTS]
    pool = ScriptedPool(lambda _: ScriptedAnswer(events, content_type="text/event-stream"))
    async with open_stage(tmp_path, pool) as stage:
        client, user = await client_of(stage), stage.user()
        request = {**SEALED_CHAT, "system": "a system prompt", "stream": True}
        response = await call(stage, user, "/v1/proxy/v1/messages", client.seal(request, ["messages", "system"]))
        assert b"sturgeon" not in response.content
        frames = frames_of(response)
        opened = [client.open(frame) for frame in frames]
        assert [event["type"] for event in opened] == [event["type"] for event in EVENTS]
        assert opened[2]["delta"]["text"] == "the answer is sturgeon"
        assert frames[-1]["_e2ee"]["final"] is True
        refused = await call(stage, user, "/v1/proxy/messages", client.seal(request, ["messages"]))
        assert refused.status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-ndjson", "", "audio/wav"])
async def test_an_engine_that_answers_in_another_form_leaks_nothing(tmp_path: Path, kind: str) -> None:
    pool = ScriptedPool(lambda _: ScriptedAnswer([b"the answer ", b"is sturgeon"], content_type=kind))
    async with open_stage(tmp_path, pool) as stage:
        client, user = await client_of(stage), stage.user()
        response = await call(stage, user, "/v1/proxy/chat/completions", client.seal(SEALED_CHAT, ["messages"]))
        assert (response.status_code, b"answer is" in response.content) == (502, False)
        assert await stage.desk.book.unsettled_wei(user.address) == 0


@pytest.mark.parametrize("status", [400, 422, 429, 500])
async def test_an_engines_refusal_quotes_nothing_of_a_sealed_request(tmp_path: Path, status: int) -> None:
    pool = ScriptedPool(lambda _: json_answer({"error": {"message": f"prompt too long: {SECRET}", "code": SECRET}}, status))
    async with open_stage(tmp_path, pool) as stage:
        client, user = await client_of(stage), stage.user()
        with capture_logs() as logs:
            response = await call(stage, user, "/v1/proxy/chat/completions", client.seal(SEALED_CHAT, ["messages"]))
        assert response.status_code >= 400
        assert b"swordfish" not in response.content
        assert "swordfish" not in str(logs)


@pytest.mark.parametrize("answer", [b"[]", b'{"a":1,"a":2}', b"null"])
async def test_an_answer_that_cannot_be_sealed_is_the_engines_fault(tmp_path: Path, answer: bytes) -> None:
    async with open_stage(tmp_path, ScriptedPool(lambda _: ScriptedAnswer([answer]))) as stage:
        client, user = await client_of(stage), stage.user()
        response = await call(stage, user, "/v1/proxy/chat/completions", client.seal(SEALED_CHAT, ["messages"]))
        assert response.status_code in (200, 502)
        assert response.status_code == 502 or client.open(response.json())
        assert (await stage.desk.book.unsettled_wei(user.address) == 0) is (response.status_code == 502)


async def test_a_job_takes_no_sealed_request(tmp_path: Path) -> None:
    async with open_stage(tmp_path, service_type="text-to-image") as stage:
        client, user = await client_of(stage), stage.user()
        request = {"model": "llama", "prompt": SECRET, "response_format": "b64_json"}
        response = await call(stage, user, "/v1/async/images/generations", client.seal(request, ["prompt"]))
        assert (response.status_code, response.json()["error"]["code"]) == (400, "e2ee")
        assert stage.pool.requests == []


async def test_a_sealed_picture_is_counted_in_clear(tmp_path: Path) -> None:
    pool = ScriptedPool(lambda _: json_answer({"created": 1, "data": [{"b64_json": "QUJD"}]}))
    async with open_stage(tmp_path, pool, service_type="text-to-image") as stage:
        client, user = await client_of(stage), stage.user()
        request = {"model": "llama", "prompt": SECRET, "response_format": "b64_json"}
        response = await call(stage, user, "/v1/proxy/images/generations", client.seal(request, ["prompt"]))
        assert response.status_code == 200, response.text
        frame = response.json()
        assert frame["usage"]["output_images"] == 1
        assert client.open(frame)["data"] == [{"b64_json": "QUJD"}]
        assert (await signed_text(stage, response)).startswith("zg-sig-v1/e2ee-ct:")
        linked = await call(stage, user, "/v1/proxy/images/generations", client.seal({**request, "response_format": "url"}, ["prompt"]))
        assert linked.status_code == 400


async def test_what_is_not_json_is_never_taken_for_sealed_nor_sealed_for_plain(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        client, user = await client_of(stage), stage.user()
        spoken = await stage.chat(user, messages=[{"role": "user", "content": "what is _e2ee?"}])
        assert spoken.status_code == 200
        envelope = client.seal(SEALED_CHAT, ["messages"])
        escaped = json.dumps(envelope).replace('"_e2ee"', '"\\u005fe2ee"').encode()
        opened = await stage.http.post("/v1/proxy/chat/completions", content=escaped, headers=token_of(user))
        assert opened.status_code == 200
        assert b"Hello" not in opened.content
        envelope["_e2ee"]["ciphertext"] = "AAAA"
        broken = await call(stage, user, "/v1/proxy/chat/completions", envelope)
        assert broken.status_code == 400
        assert len(stage.pool.requests) == 2
