"""Every route that a provider has, and what it says where it has none."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.compute.provider.doubles import ScriptedAnswer, ScriptedPool, chat_events, json_answer
from tests.unit.compute.provider.stage import CHAT, PUBLIC_URL, Stage, key_of, open_stage, token_of
from zerog._kernel import x25519_key_pair
from zerog.compute.protocol import e2ee
from zerog.compute.protocol.profiles import CHAT as CHAT_PROFILE

pytestmark = pytest.mark.anyio

PICTURE = b"\x89PNG\r\n\x1a\n picture"
MODELS = """
[[model]]
id = "llama"
output_price = 3
[[model]]
id = "painter"
service_type = "text-to-image"
output_price = 1000
[[model]]
id = "editor"
service_type = "image-editing"
output_price = 2000
[[model]]
id = "ear"
service_type = "speech-to-text"
input_price = 7
[[model]]
id = "mouth"
service_type = "text-to-speech"
input_price = 5
[[model]]
id = "vector"
service_type = "embedding"
input_price = 11
"""


def models_file(folder: Path) -> Path:
    path = folder / "models.toml"
    path.write_text(MODELS)
    return path


async def fee_of(stage: Stage, key: str) -> int:
    return int((await stage.http.get(f"/v1/receipts/{key}")).json()["receipt"]["fee"])


async def ended(stage: Stage, job_id: str, headers: dict[str, str]) -> dict[str, Any]:
    """A job, once it has."""
    with anyio.fail_after(10):
        while True:
            job: dict[str, Any] = (await stage.http.get(f"/v1/async/jobs/{job_id}", headers=headers)).json()
            if "completedAt" in job:
                return job
            await anyio.sleep(0.01)


async def test_pictures_are_paid_by_number_and_signed_one_by_one(tmp_path: Path) -> None:
    answer = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE + bytes([index])).decode()} for index in range(2)]}
    async with open_stage(tmp_path, ScriptedPool(lambda _: json_answer(answer)), models=models_file(tmp_path)) as stage:
        response = await stage.http.post(
            "/v1/proxy/images/generations", json={"model": "painter", "prompt": "a cat", "n": 2}, headers=token_of(stage.user())
        )
        assert response.status_code == 200, response.text
        key = response.headers["zg-res-key"]
        text = (await stage.http.get(f"/v1/proxy/signature/{key}")).json()["text"]
        pictures = ",".join(hashlib.sha256(PICTURE + bytes([index])).hexdigest() for index in range(2))
        assert text == f"{hashlib.sha256(response.request.content).hexdigest()}:{pictures}"
        assert await fee_of(stage, key) == 2 * 1000


@pytest.mark.parametrize("is_job", [False, True])
async def test_pictures_by_address_are_kept_signed_as_pictures_and_fetched_without_a_token(tmp_path: Path, is_job: bool) -> None:
    pictures = [PICTURE + bytes([index]) for index in range(2)]
    rows = [{"b64_json": base64.b64encode(picture).decode(), "revised_prompt": "a cat"} for picture in pictures]
    pool = ScriptedPool(lambda _: json_answer({"created": 1, "data": rows}))
    async with open_stage(tmp_path, pool, models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        asked = {"model": "painter", "prompt": "a cat", "n": 2, "response_format": "url"}
        if is_job:
            made = await stage.http.post("/v1/async/images/generations", json=asked, headers=headers)
            key = made.json()["jobId"]
            data = (await ended(stage, key, headers))["result"]["data"]
        else:
            made = await stage.http.post("/v1/proxy/images/generations", json=asked, headers=headers)
            key, data = made.headers["zg-res-key"], made.json()["data"]
        assert msgspec.json.decode(pool.requests[0].body)["response_format"] == "b64_json"
        assert data == [{"url": f"{PUBLIC_URL}/v1/proxy/images/{key}/{index}", "revised_prompt": "a cat"} for index in range(2)]
        text = (await stage.http.get(f"/v1/proxy/signature/{key}")).json()["text"]
        hashes = ",".join(hashlib.sha256(picture).hexdigest() for picture in pictures)
        assert text == f"{hashlib.sha256(made.request.content).hexdigest()}:{hashes}"
        for row, picture in zip(data, pictures, strict=True):
            fetched = await stage.http.get(row["url"].removeprefix(PUBLIC_URL))
            assert (fetched.status_code, fetched.content, fetched.headers["content-type"]) == (200, picture, "image/png")
            looked_at = await stage.http.head(row["url"].removeprefix(PUBLIC_URL))
            assert (looked_at.status_code, looked_at.content, looked_at.headers["content-length"]) == (200, b"", str(len(picture)))


async def test_a_picture_that_is_not_there_or_not_any_more_is_not_found(tmp_path: Path) -> None:
    async with open_stage(tmp_path, models=models_file(tmp_path)) as stage:
        book = stage.desk.book
        await book.keep_pictures("key", [b"first", b"second"], kept_s=60, bytes_max=100)
        assert (await stage.http.get("/v1/proxy/images/key/1")).content == b"second"
        for path in ("key/2", "other/0", "key/0000", "key/x", "key", "key/1/1"):
            missing = await stage.http.get(f"/v1/proxy/images/{path}")
            assert (missing.status_code, bool(missing.json()["error"]["remedy"])) == (404, True), path
        assert (await stage.http.post("/v1/proxy/images/key/1")).status_code == 405
        await book.keep_pictures("new", [b"new"], kept_s=-1, bytes_max=100)
        assert (await stage.http.get("/v1/proxy/images/key/1")).status_code == 404


async def test_one_host_fetches_a_bounded_number_of_pictures_in_a_minute(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.desk.book.keep_pictures("key", [b"picture"], kept_s=60, bytes_max=100)
        for _ in range(5):
            assert (await stage.http.get("/v1/proxy/images/key")).status_code == 404  # No picture's path: it does not count.
        statuses = [(await stage.http.get("/v1/proxy/images/key/0")).status_code for _ in range(120)]
        refused = await stage.http.get("/v1/proxy/images/key/0")
        assert (set(statuses), refused.status_code, 0 < int(refused.headers["retry-after"]) <= 60) == ({200}, 429, True)


async def test_addresses_of_the_engines_own_are_not_passed_on_to_who_wants_addresses(tmp_path: Path) -> None:
    answer = {"created": 1, "data": [{"url": "http://10.0.0.7/secret.png"}]}
    async with open_stage(tmp_path, ScriptedPool(lambda _: json_answer(answer)), models=models_file(tmp_path)) as stage:
        user = stage.user()
        asked = {"model": "painter", "prompt": "a cat", "response_format": "url"}
        response = await stage.http.post("/v1/proxy/images/generations", json=asked, headers=token_of(user))
        assert (response.status_code, "10.0.0.7" in response.text) == (502, False)
        assert await stage.desk.book.unsettled_wei(user.address) == 0


async def test_a_form_that_wants_addresses_asks_the_engine_for_bytes(tmp_path: Path) -> None:
    answer = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]}
    async with open_stage(tmp_path, ScriptedPool(lambda _: json_answer(answer)), models=models_file(tmp_path)) as stage:
        request = stage.http.build_request(
            "POST",
            "/v1/proxy/images/edits",
            data={"response_format": "url", "model": "editor", "prompt": "url"},
            files={"image": ("cat.png", PICTURE, "image/png")},
            headers=token_of(stage.user()),
        )
        sent = await request.aread()
        response = await stage.http.send(request)
        [row] = response.json()["data"]
        expected = sent.replace(b"\r\n\r\neditor\r\n", b"\r\n\r\nupstream/model-7b\r\n")
        assert stage.pool.requests[0].body == expected.replace(b'"response_format"\r\n\r\nurl', b'"response_format"\r\n\r\nb64_json')
        assert (await stage.http.get(row["url"].removeprefix(PUBLIC_URL))).content == PICTURE


async def test_a_form_is_passed_on_with_the_engines_name_of_the_model_and_nothing_else_changed(tmp_path: Path) -> None:
    answer = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]}
    async with open_stage(tmp_path, ScriptedPool(lambda _: json_answer(answer)), models=models_file(tmp_path)) as stage:
        request = stage.http.build_request(
            "POST",
            "/v1/proxy/images/edits",
            data={"model": "editor", "prompt": "with a hat"},
            files={"image": ("cat.png", PICTURE, "image/png")},
            headers=token_of(stage.user()),
        )
        sent = await request.aread()
        response = await stage.http.send(request)
        assert response.status_code == 200, response.text
        assert stage.pool.requests[0].body == sent.replace(b"\r\n\r\neditor\r\n", b"\r\n\r\nupstream/model-7b\r\n")
        assert await fee_of(stage, response.headers["zg-res-key"]) == 2000


async def test_sound_is_paid_by_the_second_and_speech_by_its_words(tmp_path: Path) -> None:
    def answers(request: object) -> ScriptedAnswer:
        if getattr(request, "path", "") == "/audio/speech":
            return ScriptedAnswer([b"RIFF", b"wave", b"data"], content_type="audio/wav")
        return json_answer({"text": "hello there", "usage": {"type": "duration", "seconds": 2.6}})

    async with open_stage(tmp_path, ScriptedPool(answers), models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        heard = await stage.http.post(
            "/v1/proxy/audio/transcriptions", data={"model": "ear"}, files={"file": ("a.wav", b"RIFF" * 1000)}, headers=headers
        )
        assert heard.json()["text"] == "hello there"
        assert await fee_of(stage, heard.headers["zg-res-key"]) == 3 * 7
        spoken = await stage.http.post("/v1/proxy/audio/speech", json={"model": "mouth", "input": "say it"}, headers=headers)
        assert (spoken.content, spoken.headers["content-type"]) == (b"RIFFwavedata", "audio/wav")
        assert await fee_of(stage, spoken.headers["zg-res-key"]) == 2 * 5
        signed = (await stage.http.get(f"/v1/proxy/signature/{spoken.headers['zg-res-key']}")).json()["text"]
        assert signed.endswith(hashlib.sha256(b"RIFFwavedata").hexdigest())


async def test_sound_is_measured_where_the_server_does_not_say_how_long_it_is(tmp_path: Path) -> None:
    head = b"RIFF" + bytes(4) + b"WAVEfmt " + (16).to_bytes(4, "little") + bytes(8) + (8_000).to_bytes(4, "little") + bytes(12)
    pool = ScriptedPool(lambda _: ScriptedAnswer([b"hello there"], content_type="text/plain"))
    async with open_stage(tmp_path, pool, models=models_file(tmp_path)) as stage:
        for sound, seconds in ((head + bytes(24_000), 3), (b"ID3" + bytes(80_000), 5)):
            heard = await stage.http.post(
                "/v1/proxy/audio/transcriptions",
                data={"model": "ear", "response_format": "text"},
                files={"file": ("a", sound)},
                headers=token_of(stage.user()),
            )
            assert heard.text == "hello there"
            assert await fee_of(stage, heard.headers["zg-res-key"]) == seconds * 7


async def test_embeddings_and_messages_are_charged(tmp_path: Path) -> None:
    def answers(request: object) -> ScriptedAnswer:
        if getattr(request, "path", "") == "/embeddings":
            return json_answer({"object": "list", "model": "m", "data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 4}})
        events: list[dict[str, object]] = [
            {
                "type": "message_start",
                "message": {"id": "m1", "type": "message", "model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}},
            },
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}},
            {"type": "message_stop"},
        ]
        whole = b"".join(b"event: %b\ndata: %b\n\n" % (str(each["type"]).encode(), msgspec.json.encode(each)) for each in events)
        return ScriptedAnswer([whole], content_type="text/event-stream")

    async with open_stage(tmp_path, ScriptedPool(answers), models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        vectors = await stage.http.post("/v1/proxy/embeddings", json={"model": "vector", "input": "x"}, headers=headers)
        assert vectors.json()["model"] == "vector"
        assert await fee_of(stage, vectors.headers["zg-res-key"]) == 4 * 11
        said = await stage.http.post("/v1/proxy/v1/messages", json={**CHAT, "stream": True}, headers=headers)
        key = said.headers["zg-res-key"]
        assert said.content.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        assert f'"id":"msg_{key}"'.encode() in said.content
        assert await fee_of(stage, key) == 6 * 3
        assert "anthropic-ratelimit-requests-remaining" in said.headers
        wrong = await stage.http.post("/v1/proxy/messages", json={"model": "none"}, headers=headers)
        assert (wrong.json()["type"], wrong.json()["error"]["type"]) == ("error", "not_found_error")


async def test_a_job_is_answered_later_and_charged_once(tmp_path: Path) -> None:
    gate = anyio.Event()
    body = msgspec.json.encode({"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]})
    pool = ScriptedPool(lambda _: ScriptedAnswer([body], gate=lambda _: gate))
    async with open_stage(tmp_path, pool, models=models_file(tmp_path)) as stage:
        user = stage.user()
        headers = token_of(user)
        made = await stage.http.post("/v1/async/images/generations", json={"model": "painter", "prompt": "a cat"}, headers=headers)
        assert (made.status_code, made.json()["status"]) == (202, "pending")
        job_id = made.json()["jobId"]
        waiting = await stage.http.get(f"/v1/async/jobs/{job_id}", headers=headers)
        assert waiting.json()["status"] in ("pending", "processing")
        assert waiting.headers["retry-after"] == "1"
        stage.user("other")
        assert (await stage.http.get(f"/v1/async/jobs/{job_id}", headers=token_of(key_of("other")))).status_code == 403
        assert (await stage.http.get("/v1/async/jobs/unknown", headers=headers)).status_code == 404
        gate.set()
        assert (await stage.http.get(f"/v1/proxy/signature/{job_id}")).status_code in (200, 404)
        done = await ended(stage, job_id, headers)
        assert done["status"] == "completed"
        assert base64.b64decode(done["result"]["data"][0]["b64_json"]) == PICTURE
        assert await fee_of(stage, job_id) == 1000
        assert (await stage.http.get(f"/v1/proxy/signature/chatcmpl-{job_id}")).status_code == 200
        assert await stage.desk.book.unsettled_wei(user.address) == 1000
        listed = (await stage.http.get("/v1/jobs", headers=headers)).json()
        assert [job["jobId"] for job in listed["jobs"]] == [job_id]


async def test_a_job_that_fails_says_why_and_costs_nothing(tmp_path: Path) -> None:
    pool = ScriptedPool(lambda _: json_answer({"error": {"message": "not that"}}, 400))
    async with open_stage(tmp_path, pool, models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        made = await stage.http.post("/v1/async/images/generations", json={"model": "painter", "prompt": "x"}, headers=headers)
        job_id = made.json()["jobId"]
        done = await ended(stage, job_id, headers)
        assert done["status"] == "failed"
        assert "not that" in done["errorMessage"]
        assert (await stage.http.get(f"/v1/receipts/{job_id}")).status_code == 404


async def test_what_is_not_offered_says_what_to_do(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        headers = token_of(stage.user())
        for method, path in [
            ("POST", "/v1/proxy/videos"),
            ("GET", "/v1/proxy/videos/1"),
            ("DELETE", "/v1/proxy/videos/1"),
            ("POST", "/v1/proxy/decisions"),
            ("GET", "/v1/lora/adapters"),
            ("GET", "/v1/lora/adapters/ft-a-model"),
            ("POST", "/v1/lora/adapters/deploy"),
            ("GET", "/v1/logs?component=broker"),
            ("GET", "/v1/logs/broker/today"),
            ("POST", "/internal/v1/adapter-keys"),
            ("POST", "/v1/user/0x00/task"),
            ("POST", "/v1/user/0x00/dataset"),
            ("GET", "/v1/task/pending"),
            ("GET", "/v1/model/x"),
        ]:
            response = await stage.http.request(method, path, headers=headers)
            assert response.status_code == 501, path
            assert response.json()["error"]["remedy"], path
        for path in ("embeddings", "images/generations", "audio/speech"):
            unserved = await stage.http.post(f"/v1/proxy/{path}", json={"model": "llama", "input": "x"}, headers=headers)
            assert (unserved.status_code, unserved.json()["error"]["code"]) == (501, "no_engine"), path
        unknown = await stage.http.post("/v1/proxy/nothing", json={}, headers=headers)
        assert (unknown.status_code, unknown.json()["error"]["message"][:22]) == (404, "endpoint not supported")
        wrong = await stage.http.get("/v1/proxy/chat/completions", headers=headers)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")


async def test_a_websocket_is_refused_in_words(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
        }
        refused = await stage.http.get("/v1/proxy/chat/completions", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "endpoint_not_supported")


async def test_jobs_are_carried_out_beside_each_other(tmp_path: Path) -> None:
    gate = anyio.Event()
    body = msgspec.json.encode({"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]})
    pool = ScriptedPool(lambda _: ScriptedAnswer([body], gate=lambda _: gate))
    async with open_stage(tmp_path, pool, models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        asked = {"model": "painter", "prompt": "a cat"}
        made = [await stage.http.post("/v1/async/images/generations", json=asked, headers=headers) for _ in range(5)]
        with anyio.fail_after(10):
            while True:
                if len(pool.requests) == 3:
                    break
                await anyio.sleep(0.01)
        gate.set()
        for each in made:
            assert (await ended(stage, each.json()["jobId"], headers))["status"] == "completed"
        assert len((await stage.desk.book.receipts()).rows) == 5


async def test_what_is_free_needs_no_token(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        models = (await stage.http.get("/v1/models")).json()
        assert models["data"][0]["id"] == "llama"
        assert (await stage.http.get("/v1/proxy/models")).json() == models
        assert models["data"][0]["pricing"] == {"prompt": str(10**10), "completion": str(2 * 10**10)}
        quote = (await stage.http.get("/v1/quote")).json()
        assert base64.b64decode(quote["report_data"]).rstrip(b"\0").decode() == str(stage.enclave.signer.address)
        assert quote["simulated"] is True
        newer = (await stage.http.get("/v1/quote?legacy=false")).json()
        assert base64.b64decode(newer["report_data"])[32:52] == stage.enclave.signer.address
        report = (await stage.http.get("/v1/proxy/attestation/report", params={"nonce": "ab" * 32})).json()
        assert report["request_nonce"] == "ab" * 32
        assert (await stage.http.get("/v1/receipts")).status_code == 401
        assert (await stage.http.get(f"/v1/user/{key_of('user').address}/unsettledfee")).status_code == 401
        stage.user()
        foreign = await stage.http.get(f"/v1/user/{key_of('other').address}/unsettledfee", headers=token_of(key_of("user")))
        assert foreign.status_code == 403


async def test_a_sealed_request_never_comes_back_in_clear(tmp_path: Path) -> None:
    answers = iter(
        [
            ScriptedAnswer([b"secret words"], content_type="text/plain"),
            json_answer({"error": {"message": "cannot read: secret words"}}, 400),
        ]
    )
    async with open_stage(tmp_path, ScriptedPool(lambda _: next(answers)), models=models_file(tmp_path)) as stage:
        headers = token_of(stage.user())
        recipient = e2ee.parse_encryption_key((await stage.http.get("/v1/e2ee/pubkey")).content)
        public_key = x25519_key_pair(bytes(32))[1]
        sealed = e2ee.seal_request(CHAT, CHAT_PROFILE, recipient=recipient, client_public_key=public_key, seed=bytes(32))
        for status in (502, 400):
            response = await stage.http.post("/v1/proxy/chat/completions", content=sealed.body, headers=headers)
            assert (response.status_code, "secret" in response.text) == (status, False)
        job = await stage.http.post("/v1/async/images/generations", content=sealed.body, headers=headers)
        assert (job.status_code, job.json()["error"]["code"]) == (400, "e2ee")


async def test_pages_of_receipts_are_the_callers_own(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        user, other = stage.user("user"), stage.user("other")
        keys = [(await stage.chat(user)).headers["zg-res-key"] for _ in range(3)]
        await stage.chat(other)
        first = (await stage.http.get("/v1/receipts?limit=2", headers=token_of(user))).json()
        rest = (await stage.http.get(f"/v1/receipts?limit=2&cursor={first['next_cursor']}", headers=token_of(user))).json()
        assert [row["receipt"]["id"] for row in (*first["receipts"], *rest["receipts"])] == keys[::-1]
        assert rest["next_cursor"] is None


@pytest.mark.parametrize("path", ["/v1/proxy/chat/completions", "/v1/proxy/signature/x"])
async def test_pages_of_this_machine_may_call_and_others_may_not(tmp_path: Path, path: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"}
    async with open_stage(tmp_path) as stage:
        allowed = await stage.http.options(path, headers={"Origin": "http://localhost:5173", **asked})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, "http://localhost:5173")
        assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
        assert "POST" in allowed.headers["access-control-allow-methods"]
        foreign = await stage.http.options(path, headers={"Origin": "https://evil.example", **asked})
        assert foreign.status_code == 403
        stage.user()
        headers = {"Origin": "http://localhost:5173", **token_of(key_of("user"))}
        answered = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers=headers)
        assert "ZG-Res-Key" in answered.headers["access-control-expose-headers"]
        refused = await stage.http.post("/v1/proxy/chat/completions", json=CHAT, headers={**headers, "Origin": "https://evil.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden_origin")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_sealed_chat_is_read_by_the_engine_alone_and_answered_sealed(tmp_path: Path, stream: bool) -> None:
    pool = ScriptedPool(
        lambda _: ScriptedAnswer(chat_events(["se", "cret"]), content_type="text/event-stream") if stream else json_answer()
    )
    async with open_stage(tmp_path, pool) as stage:
        headers = token_of(stage.user())
        recipient = e2ee.parse_encryption_key((await stage.http.get("/v1/e2ee/pubkey")).content)
        private_key, public_key = x25519_key_pair(hashlib.sha256(b"client").digest())
        chat = {**CHAT, "stream": stream}
        sealed = e2ee.seal_request(chat, CHAT_PROFILE, recipient=recipient, client_public_key=public_key, seed=bytes(32))
        response = await stage.http.post("/v1/proxy/chat/completions", content=sealed.body, headers=headers)
        assert response.status_code == 200, response.text
        assert not [word for word in (b"Hello", b"secret", b"cret") if word in response.content]
        assert msgspec.json.decode(pool.requests[0].body)["messages"] == CHAT["messages"]
        opener = e2ee.ResponseOpener(CHAT_PROFILE, private_key, sealed.binding)
        if stream:
            payloads = [line[6:] for line in response.content.split(b"\n\n") if line.startswith(b"data: {")]
            opened = [opener.open_frame(payload) for payload in payloads]
            assert response.content.endswith(b"data: [DONE]\n\n")
            assert "cret" in str(opened)
        else:
            assert "Hello" in str(opener.open_answer(response.content))
        key = response.headers["zg-res-key"]
        opener.check_text((await stage.http.get(f"/v1/proxy/signature/{key}")).json()["text"])
        stale = e2ee.PublishedKey(x25519_key_pair(bytes(31) + b"\1")[1], recipient.signer)
        wrong = e2ee.seal_request(chat, CHAT_PROFILE, recipient=stale, client_public_key=public_key, seed=bytes(32))
        refused = await stage.http.post("/v1/proxy/chat/completions", content=wrong.body, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "e2ee_key_mismatch")
