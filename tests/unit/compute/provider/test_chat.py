"""A charged chat over a real socket: what the client gets is what was signed, charged once, and nothing of the upstream is in it."""

import hashlib
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.unit.compute.provider.doubles import ScriptedAnswer, ScriptedPool, chat_events
from tests.unit.compute.provider.stage import CHAT, Stage, open_stage, token_of
from zerog.compute.protocol.receipts import read_receipt, recover_receipt_signer
from zerog.compute.protocol.signing import recover_text_signer
from zerog.primitives import Hash32

pytestmark = pytest.mark.anyio

PROMPT_WEI, COMPLETION_WEI = 10**10, 2 * 10**10


async def check_signature(stage: Stage, request: bytes, response: httpx.Response, body: bytes) -> dict[str, object]:
    """The signature under the answer's key covers these very bytes; returns the receipt."""
    key = response.headers["zg-res-key"]
    signature = (await stage.http.get(f"/v1/proxy/signature/{key}", params={"model": "llama"})).json()
    assert signature["text"] == f"{hashlib.sha256(request).hexdigest()}:{hashlib.sha256(body).hexdigest()}"
    assert recover_text_signer(signature["text"], bytes.fromhex(signature["signature"][2:])) == stage.enclave.signer.address
    told = (await stage.http.get(f"/v1/receipts/{key}")).json()
    leaf = Hash32.from_json(told["leaf"])
    assert recover_receipt_signer(leaf, bytes.fromhex(told["signature"][2:])) == stage.enclave.signer.address
    receipt = read_receipt(msgspec.json.encode(told["receipt"]))
    assert receipt.signed_text == signature["text"]
    return dict(told["receipt"])


async def test_a_chat_is_charged_signed_and_sanitised(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        user = stage.user()
        response = await stage.chat(user)
        assert response.status_code == 200, response.text
        key = response.headers["zg-res-key"]
        answer = response.json()
        assert (answer["id"], answer["model"]) == (f"chatcmpl-{key}", "llama")
        assert not {"provider", "system_fingerprint"} & set(answer)
        assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        assert answer["choices"][0]["message"]["content"] == "Hello, cost and provider."
        assert response.headers["provider"] == str(stage.desk.address)
        receipt = await check_signature(stage, response.request.content, response, response.content)
        assert receipt["fee"] == str(7 * PROMPT_WEI + 5 * COMPLETION_WEI)
        assert await stage.desk.book.unsettled_wei(user.address) == int(str(receipt["fee"]))
        assert b'"model":"upstream/model-7b"' in stage.pool.requests[0].body


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
async def test_a_stream_reaches_the_client_as_it_was_signed_however_it_was_cut(tmp_path: Path, pieces: int) -> None:
    whole = b"".join(chat_events(["Hel", "lo", " wörld"]))
    cut = [whole[at : at + pieces] for at in range(0, len(whole), pieces)]
    pool = ScriptedPool(lambda _: ScriptedAnswer(cut, content_type="text/event-stream"))
    async with open_stage(tmp_path, pool) as stage:
        user = stage.user()
        response = await stage.chat(user, stream=True)
        body = response.content
        assert response.headers["content-type"].startswith("text/event-stream")
        assert body.endswith(b"data: [DONE]\n\n")
        assert not [word for word in (b"KEEP AWAKE", b"SomebodyElse", b"1.5") if word in body]
        events = [msgspec.json.decode(line[6:]) for line in body.split(b"\n\n") if line.startswith(b"data: {")]
        assert {event["id"] for event in events} == {f"chatcmpl-{response.headers['zg-res-key']}"}
        assert "".join(choice["delta"]["content"] for event in events for choice in event["choices"]) == "Hello wörld"
        assert events[-1]["usage"]["completion_tokens"] == 3
        receipt = await check_signature(stage, response.request.content, response, body)
        assert receipt["fee"] == str(7 * PROMPT_WEI + 3 * COMPLETION_WEI)
        assert msgspec.json.decode(pool.requests[0].body)["stream_options"] == {"include_usage": True}


async def test_tokens_are_counted_where_the_server_does_not_say_how_many(tmp_path: Path) -> None:
    pool = ScriptedPool(lambda _: ScriptedAnswer(chat_events(["one ", "two ", "three"], usage=False), content_type="text/event-stream"))
    async with open_stage(tmp_path, pool) as stage:
        user = stage.user()
        response = await stage.chat(user, stream=True)
        receipt = await check_signature(stage, response.request.content, response, response.content)
        usage = dict(receipt["usage"])  # type: ignore[call-overload]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (2, 3)


async def test_the_proxys_path_may_have_a_second_version_and_slashes(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        headers = token_of(stage.user())
        for path in ("/v1/proxy/v1/chat/completions", "/v1/proxy/chat/completions/", "/v1/proxy/v1/chat/completions//"):
            assert (await stage.http.post(path, json=CHAT, headers=headers)).status_code == 200
