"""The exact engine over a model of bytes: the shapes of its answers, who is served when, and what ends early."""

import base64
import struct
import threading
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.compute.engines.asking import ask, chat, request
from tests.unit.compute.engines.exact.conftest import running_engine
from zerog.compute.protocol.exact import ContextLengthError, InvalidChatError, UnsupportedParameterError, answer_texts
from zerog.compute.provider.engines import EngineBrokenAnswerError, EngineRequest, EngineUnavailableError, NoEngineError
from zerog.compute.provider.engines.exact import DriverRules, EngineBusyError, ExactAnswer, ExactEngine, ModelMissingError
from zerog.primitives import Address
from zerog.testing.byte_model import END_TOKEN, ByteModel

pytestmark = pytest.mark.anyio

PROMPT = b'[{"role":"user","content":"Hello"}]'


def asked(user: int = 1, words: str = "Hello", path: str = "/chat/completions", **members: Any) -> EngineRequest:
    return request(path, chat(words, **members), stream=members.get("stream") is True, user=Address(bytes([user]) * 20))


def says(text: str) -> ByteModel:
    return ByteModel(lambda _: text)


async def test_a_whole_answer_has_all_that_the_api_names() -> None:
    async with running_engine(says("Grüße")) as engine:
        told = (await ask(engine, asked())).json()
    assert told.pop("id").startswith("chatcmpl-")
    assert told == {
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
        "system_fingerprint": f"exact-test-{ByteModel.sha256.hex()[:16]}",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Grüße", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": len(PROMPT),
            "completion_tokens": 8,
            "total_tokens": len(PROMPT) + 8,
            "prompt_tokens_details": {"cached_tokens": len(PROMPT) // 2},
        },
        "seed": 4,
    }


async def test_a_stream_has_whole_characters_and_ends_as_the_whole_does() -> None:
    async with running_engine(says("Grüße 🌳!")) as engine:
        told = await ask(engine, asked(stream=True, stream_options={"include_usage": True}))
        whole = (await ask(engine, asked())).json()
    events = told.events()
    assert told.content_type == "text/event-stream"
    pieces = [event["choices"][0]["delta"].get("content") for event in events[:-3]]
    assert "".join(pieces) == "Grüße 🌳!"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert (events[-2]["choices"], events[-2]["usage"], events[-1]) == ([], whole["usage"], None)
    assert all(event["usage"] is None for event in events[:-2])
    async with running_engine(says("a")) as engine:
        silent = (await ask(engine, asked(stream=True))).events()
    assert not any("usage" in event for event in silent if event)


async def test_an_answer_ends_at_its_length_at_its_end_and_at_a_text() -> None:
    model = says("one two three")
    async with running_engine(model) as engine:
        short = (await ask(engine, asked(max_tokens=5))).json()
        cut = (await ask(engine, asked(stop=["wo t", "zzz"]))).json()
        streamed = (await ask(engine, asked(stop="wo t", stream=True))).events()
    assert (short["choices"][0]["message"]["content"], short["choices"][0]["finish_reason"]) == ("one t", "length")
    assert (cut["choices"][0]["message"]["content"], cut["choices"][0]["finish_reason"]) == ("one t", "stop")
    assert cut["usage"]["completion_tokens"] == len("one two t")
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in streamed if event) == "one t"
    assert model.cancelled == [1, 2]


async def test_tokens_probabilities_and_a_trace_are_told_where_they_are_asked_for() -> None:
    wishes: dict[str, Any] = {"return_token_ids": True, "logprobs": True, "top_logprobs": 2, "return_trace_root": True, "seed": 9}
    async with running_engine(says("é")) as engine:
        whole = (await ask(engine, asked(**wishes))).json()
        events = (await ask(engine, asked(**wishes, stream=True))).events()[:-1]
        none = (await ask(engine, asked(logprobs=True))).json()["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    choice = whole["choices"][0]
    assert (whole["prompt_token_ids"], choice["token_ids"], whole["seed"]) == (list(PROMPT), [0xC3, 0xA9, END_TOKEN], 9)
    assert [entry["bytes"] for entry in choice["logprobs"]["content"]] == [[0xC3], [0xA9]]
    assert choice["logprobs"]["content"][0]["top_logprobs"][1] == {"token": " ", "logprob": -1.5, "bytes": [32]}
    assert none == []
    streamed = [event["choices"][0] for event in events]
    assert events[0]["prompt_token_ids"] == list(PROMPT)
    assert [token for part in streamed for token in part.get("token_ids", [])] == choice["token_ids"]
    assert [entry for part in streamed for entry in (part["logprobs"] or {}).get("content", [])] == choice["logprobs"]["content"]
    assert whole["trace_root"] == events[-1]["trace_root"]
    assert len(whole["trace_root"]) == 66


async def test_a_text_that_ends_an_answer_leaves_its_trace() -> None:
    async with running_engine(says("one two")) as engine:
        cut = (await ask(engine, asked(stop="e", return_trace_root=True))).json()
        short = (await ask(engine, asked(max_tokens=3, return_trace_root=True))).json()
    assert cut["trace_root"] == short["trace_root"]


async def test_a_receipt_can_say_what_decided_the_answer() -> None:
    async with running_engine(says("Hi")) as engine, engine.answer(asked(temperature=0.5, max_tokens=7)) as answer:
        async for _ in answer.chunks():
            pass
        identity = answer.identity
        assert isinstance(answer, ExactAnswer)
        work = answer._work
    assert (identity.name, identity.version, identity.model_sha256) == ("exact", "exact-test", ByteModel.sha256)
    assert identity.parameters == answer_texts(work.sampling, list(PROMPT), [72, 105, END_TOKEN], None)
    assert (identity.parameters["seed"], identity.parameters["temperature"], identity.parameters["max_tokens"]) == ("4", "0.5", "7")


async def test_messages_have_anthropics_shape() -> None:
    async with running_engine(says("one two")) as engine:
        whole = (await ask(engine, asked(path="/messages", max_tokens=50, stop_sequences=["tw"]))).json()
        streamed = (await ask(engine, asked(path="/messages", max_tokens=3, stream=True))).events()
    assert (whole["content"], whole["stop_reason"], whole["stop_sequence"]) == ([{"type": "text", "text": "one "}], "stop_sequence", "tw")
    known = len(PROMPT) // 2
    usage = {"input_tokens": len(PROMPT) - known, "cache_read_input_tokens": known, "cache_creation_input_tokens": 0}
    assert whole["usage"] == {**usage, "output_tokens": 6}
    kinds = [event["type"] for event in streamed]
    assert kinds[:2] + kinds[-3:] == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert "".join(event["delta"]["text"] for event in streamed if event["type"] == "content_block_delta") == "one"
    assert streamed[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    }


async def test_vectors_come_as_numbers_and_as_bytes_and_the_receipt_names_their_tokens() -> None:
    body = {"model": "m", "input": ["ab", "c"]}
    async with running_engine(says("")) as engine:
        told = (await ask(engine, request("/embeddings", body))).json()
        packed = (await ask(engine, request("/embeddings", {**body, "encoding_format": "base64"}))).json()
        async with (
            engine.answer(request("/embeddings", {"input": [[97, 98], [99]]})) as same,
            engine.answer(request("/embeddings", {"input": ["a", "bc"]})) as other,
        ):
            assert same.identity.parameters != other.identity.parameters
    vectors = [row["embedding"] for row in told["data"]]
    assert [list(struct.unpack("<8f", base64.b64decode(row["embedding"]))) for row in packed["data"]] == vectors
    assert [vector.index(1.0) for vector in vectors] == [(97 + 98) % 8, 99 % 8]
    assert told["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"tools": [{"type": "function"}]}, UnsupportedParameterError),
        ({"messages": []}, InvalidChatError),
        ({"max_tokens": 4_096}, ContextLengthError),
        ({"messages": [{"role": "user", "content": "x" * 5_000}]}, ContextLengthError),
    ],
)
async def test_what_it_does_not_do_is_refused_before_anything_is_computed(members: dict[str, Any], error: type[Exception]) -> None:
    model = says("x")
    async with running_engine(model) as engine:
        with pytest.raises(error):
            await ask(engine, asked(**members))
        with pytest.raises(NoEngineError):
            await ask(engine, request("/audio/speech", {"input": "a"}))
        with pytest.raises(ContextLengthError):
            await ask(engine, request("/embeddings", {"input": "x" * 5_000}))
    assert model.begun == []


async def test_without_a_model_it_says_what_brings_one() -> None:
    async with running_engine(None) as engine:
        with pytest.raises(ModelMissingError) as missing:
            await ask(engine, asked())
        with pytest.raises(ModelMissingError):
            await engine.models()
        assert engine.identity.model_sha256 is None
        assert engine.count_tokens("a word") == 2
    assert missing.value.http_status == 503
    assert "zerog model pull" in missing.value.remedy


async def test_a_model_says_what_it_is() -> None:
    async with running_engine(says("")) as engine:
        [info] = await engine.models()
        assert (info.id, info.context_tokens, engine.count_tokens("é")) == ("bytes", 4_096, 2)


class Gate:
    """Steps wait for it, in their thread."""

    def __init__(self) -> None:
        self.semaphore = threading.Semaphore(0)
        self.waits = threading.Semaphore(0)

    def __call__(self) -> None:
        self.waits.release()
        assert self.semaphore.acquire(timeout=30)

    def open(self) -> None:
        self.semaphore.release(10_000)

    async def reached(self) -> None:
        assert await anyio.to_thread.run_sync(lambda: self.waits.acquire(timeout=30))


async def test_users_take_turns_and_more_than_may_wait_are_sent_away() -> None:
    gate = Gate()
    model = ByteModel(lambda _: "x", slots=1, before_step=gate)
    rules = DriverRules(waiting_max=5, waiting_of_user_max=3)
    async with running_engine(model, rules=rules) as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, engine, asked(1, "first"))
        await gate.reached()
        for user, words in [(1, "1b"), (1, "1c"), (1, "1d"), (2, "2a"), (3, "3a")]:
            await begun(tasks, engine, asked(user, words))
        with pytest.raises(EngineBusyError, match="5 requests waiting") as busy:
            await ask(engine, asked(4))
        assert busy.value.retry_after_s > 5
        assert engine.load == (1, 5)
        gate.open()
    assert [msgspec.json.decode(prompt)[0]["content"] for prompt in model.begun] == ["first", "1b", "2a", "3a", "1c", "1d"]


async def test_one_user_cannot_fill_the_queue() -> None:
    gate = Gate()
    model = ByteModel(lambda _: "x", slots=1, before_step=gate)
    async with running_engine(model, rules=DriverRules(waiting_of_user_max=1)) as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, engine, asked(1))
        await gate.reached()
        await begun(tasks, engine, asked(1))
        with pytest.raises(EngineBusyError, match="one user's"):
            await ask(engine, asked(1))
        await begun(tasks, engine, asked(2))
        gate.open()


async def begun(tasks: anyio.abc.TaskGroup, engine: ExactEngine, wanted: EngineRequest) -> None:
    """Ask in a task of its own; returns when it waits."""

    async def answer(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with engine.answer(wanted) as told:
            task_status.started()
            async for _ in told.chunks():
                pass

    await tasks.start(answer)


async def test_eight_at_once_get_their_own_answers() -> None:
    model = ByteModel(lambda prompt: prompt.upper())
    told: dict[str, str] = {}

    async def ask_once(number: int, words: str) -> None:
        told[words] = (await ask(engine, asked(number % 5, words))).json()["choices"][0]["message"]["content"]

    async with running_engine(model) as engine, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask_once, number, f"question {number}")
    assert all(msgspec.json.decode(text.lower())[0]["content"] == words for words, text in told.items())
    assert len(told) == 20


async def test_who_leaves_early_ends_his_work_and_nobody_elses() -> None:
    gate = Gate()
    model = ByteModel(lambda _: "a long answer", before_step=gate)
    async with running_engine(model) as engine, anyio.create_task_group() as tasks:
        async with engine.answer(asked(1)):
            await gate.reached()
            tasks.start_soon(ask, engine, asked(2))
        async with engine.answer(asked(3)):
            pass  # It left before its turn came.
        gate.open()
    assert model.cancelled == [0]
    assert len(model.begun) <= 3
    assert not model._sequences


async def test_who_leaves_while_his_work_is_begun_leaves_no_work_behind() -> None:
    gate = Gate()

    def says(_: str) -> str:
        gate()
        return "a long answer"

    model = ByteModel(says, slots=1)
    async with running_engine(model) as engine:
        async with engine.answer(asked(1)):
            await gate.reached()
        gate.open()
        assert (await ask(engine, asked(2))).status == 200
    assert model.cancelled == [0]


async def test_an_engine_that_stops_fails_what_waits() -> None:
    gate = Gate()
    model = ByteModel(lambda _: "x" * 4_000, slots=1, before_step=gate)
    failures: list[BaseException] = []

    async def ask_and_fail(engine: ExactEngine, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with engine.answer(asked()) as answer:
            task_status.started()
            with pytest.raises(EngineUnavailableError) as failed:
                async for _ in answer.chunks():
                    pass
            failures.append(failed.value)

    async with anyio.create_task_group() as tasks, running_engine(model) as engine:
        for _ in range(2):
            await tasks.start(ask_and_fail, engine)
        await gate.reached()
        gate.open()
    assert len(failures) == 2
    with pytest.raises(EngineUnavailableError):
        await ask(engine, asked())


async def test_a_request_that_the_machine_cannot_hold_fails_alone() -> None:
    def says(prompt: str) -> str:
        if "much" in prompt:
            raise OSError("there is no memory")
        return "x"

    async with running_engine(ByteModel(says)) as engine:
        with pytest.raises(EngineBrokenAnswerError, match="there is no memory"):
            await ask(engine, asked(1, "too much"))
        assert (await ask(engine, asked(1, "little"))).status == 200


async def test_an_idle_model_gives_its_memory_back_once_and_works_again() -> None:
    model = says("x")
    async with running_engine(model, rules=DriverRules(idle_s=0.01)) as engine:
        await ask(engine, asked())
        assert await anyio.to_thread.run_sync(model.released.wait, 10)
        steps = model.steps
        assert (await ask(engine, asked())).status == 200
        assert model.steps > steps


async def test_memory_is_given_back_when_nobody_is_expected_to_ask_soon() -> None:
    model = says("x")
    async with running_engine(model, rules=DriverRules(idle_s=600)) as engine:
        await ask(engine, asked())
        engine.release()
        assert await anyio.to_thread.run_sync(model.released.wait, 10)
        assert (await ask(engine, asked())).status == 200
