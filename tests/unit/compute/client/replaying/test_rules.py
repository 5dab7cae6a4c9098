"""A replay over a model of bytes: each thing that can be changed in an answer or its receipt is found, and named by what it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.compute.engines.asking import chat, request
from tests.unit.compute.engines.exact.conftest import running_engine
from zerog.compute.client.replaying import DifferenceError, NotReplayableError, replay
from zerog.compute.client.verifying import ReplayTask
from zerog.compute.protocol.exact import tokens_sha256
from zerog.compute.protocol.fees import Usage
from zerog.compute.protocol.receipts import EngineIdentity, Receipt
from zerog.compute.provider.engines import ExactEngine
from zerog.primitives import Address, Hash32
from zerog.testing.byte_model import END_TOKEN, ByteModel

pytestmark = pytest.mark.anyio

CHAT = "/chat/completions"
TRUTH = "One, two; three 🌳 four."


def truthful() -> ByteModel:
    return ByteModel(lambda prompt: TRUTH if "Hello" in prompt else prompt)


async def asked(model: ByteModel, path: str = CHAT, body: object = None, **members: Any) -> ReplayTask:
    """What `model` answers, with what its receipt says."""
    async with running_engine(model) as engine:
        return await asked_of(engine, path, body, **members)


async def asked_of(engine: ExactEngine, path: str = CHAT, body: object = None, **members: Any) -> ReplayTask:
    """What an engine that runs answers."""
    wanted = {**chat("Hello"), **members} if body is None else body
    sent = request(path, wanted, stream=members.get("stream") is True)
    async with engine.answer(sent) as answer:
        content = b"".join([chunk async for chunk in answer.chunks()])
        identity = answer.identity
    return ReplayTask(
        path="/v1/proxy" + path,
        request=sent.body,
        answer=content,
        receipt=receipt_of(
            EngineIdentity(
                name=identity.name,
                version=identity.version,
                model_sha256=identity.model_sha256,
                parameters=dict(identity.parameters or {}),
            )
        ),
    )


def receipt_of(engine: EngineIdentity) -> Receipt:
    """A receipt of which only the engine matters here."""
    nobody, nothing = Address(bytes(20)), Hash32(bytes(32))
    return Receipt(
        version=1,
        id="1",
        chain_id=1,
        provider=nobody,
        user=nobody,
        service_type="chatbot",
        model="scripted",
        request_sha256=nothing,
        response_sha256=nothing,
        signed_text="",
        usage=Usage(),
        input_fee="0",
        output_fee="0",
        fee="0",
        created_at_ms=1,
        signer=nobody,
        engine=engine,
    )


def computed(task: ReplayTask, **members: Any) -> ReplayTask:
    """By another engine, as the receipt says."""
    engine = msgspec.structs.replace(task.receipt.engine, **members)
    return replace(task, receipt=msgspec.structs.replace(task.receipt, engine=engine))


SHAPES: list[dict[str, Any]] = [
    {},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"return_token_ids": True},
    {"return_token_ids": True, "stream": True},
    {"max_tokens": 5},
    {"max_tokens": 19, "return_token_ids": True},
    {"stop": "three"},
    {"stop": ["wo", "x"], "return_token_ids": True, "stream": True},
    {"temperature": 0.3, "top_p": 0.9, "top_k": 7, "seed": 3, "presence_penalty": 1, "logit_bias": {"5": 1}},
    {"logprobs": True, "top_logprobs": 2, "return_token_ids": True},
    {"return_trace_root": True, "return_token_ids": True},
    {"return_trace_root": True, "stop": ";"},
]


@pytest.mark.parametrize("members", SHAPES)
async def test_what_the_model_says_is_replayed(members: dict[str, Any]) -> None:
    replayed = replay(await asked(truthful(), **members), truthful())
    assert replayed.model == "bytes"
    reads = bool(members.get("return_token_ids"))
    assert replayed.method == ("read" if reads else "written" if "stop" in members else "found")
    if members.get("max_tokens") in (None, 5):
        assert replayed.tokens == {True: 5, False: len(TRUTH.encode()) + 1}["max_tokens" in members] or "stop" in members


async def test_an_answer_cut_within_a_character_is_written_anew() -> None:
    assert replay(await asked(truthful(), max_tokens=18), truthful()).method == "written"


@pytest.mark.parametrize("members", [{}, {"stream": True}, {"stop_sequences": ["two"]}])
async def test_messages_of_anthropic_are_replayed(members: dict[str, Any]) -> None:
    replayed = replay(await asked(truthful(), "/messages", max_tokens=64, **members), truthful())
    assert replayed.method == ("written" if "stop_sequences" in members else "found")


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_vectors_are_replayed(encoding: str) -> None:
    body = {"input": ["ab", "d"], "encoding_format": encoding}
    terms = await asked(truthful(), "/embeddings", body)
    assert replay(terms, truthful()).tokens == 3
    other = replace(terms, request=msgspec.json.encode({**body, "input": ["ab", "c"]}))
    assert part_of(other) == "prompt"
    first = msgspec.json.decode(terms.answer)
    first["data"][0], first["data"][1] = ({**first["data"][1 - at], "index": at} for at in range(2))
    assert part_of(replace(terms, answer=msgspec.json.encode(first))) == "vector"
    first["data"].pop()
    assert part_of(replace(terms, answer=msgspec.json.encode(first))) == "vector"


def part_of(terms: ReplayTask, model: ByteModel | None = None) -> str:
    with pytest.raises(DifferenceError) as found:
        replay(terms, model or truthful())
    return found.value.part


def changed(terms: ReplayTask, **texts: str) -> ReplayTask:
    """With another receipt."""
    return computed(terms, parameters={**(terms.receipt.engine.parameters or {}), **texts})


def reworded(terms: ReplayTask, change: Callable[[dict[str, Any]], None]) -> ReplayTask:
    """With another answer, of which the receipt knows nothing."""
    answer = msgspec.json.decode(terms.answer)
    change(answer)
    return replace(terms, answer=msgspec.json.encode(answer))


def asks(terms: ReplayTask, **members: Any) -> ReplayTask:
    """With another request."""
    return replace(terms, request=msgspec.json.encode({**msgspec.json.decode(terms.request), **members}))


def set_text(answer: dict[str, Any], text: str) -> None:
    answer["choices"][0]["message"]["content"] = text


@pytest.mark.parametrize(
    ("change", "part"),
    [
        pytest.param(lambda terms: computed(terms, model_sha256=Hash32(b"\1" * 32)), "model", id="another model"),
        pytest.param(lambda terms: changed(terms, seed="8"), "seed", id="another seed in the receipt"),
        pytest.param(lambda terms: asks(terms, seed=8), "seed", id="another seed in the request"),
        pytest.param(lambda terms: reworded(terms, lambda told: told.update(seed=8)), "seed", id="another seed in the answer"),
        pytest.param(lambda terms: changed(terms, seed="much"), "seed", id="no seed"),
        pytest.param(lambda terms: changed(terms, temperature="0.1"), "parameters", id="another temperature"),
        pytest.param(lambda terms: asks(terms, top_p=0.1), "parameters", id="another top_p in the request"),
        pytest.param(lambda terms: changed(terms, stop_sha256="0x00"), "parameters", id="a stop that was not asked for"),
        pytest.param(lambda terms: changed(terms, wish="yes"), "parameters", id="a parameter that there is not"),
        pytest.param(lambda terms: asks(terms, messages=[{"role": "user", "content": "Hello!"}]), "prompt", id="a byte of the prompt"),
        pytest.param(lambda terms: changed(terms, prompt_tokens_sha256="0x00"), "prompt", id="another prompt in the receipt"),
        pytest.param(lambda terms: asks(terms, tools=[{"type": "function"}]), "prompt", id="a request that is refused"),
        pytest.param(lambda terms: changed(terms, completion_tokens_sha256="0x00"), "token", id="other tokens in the receipt"),
        pytest.param(lambda terms: reworded(terms, lambda told: set_text(told, TRUTH + "!")), "text", id="another text"),
        pytest.param(
            lambda terms: reworded(terms, lambda told: told["choices"][0].update(finish_reason="length")), "end", id="another end"
        ),
        pytest.param(lambda terms: reworded(terms, lambda told: told["usage"].update(completion_tokens=99)), "usage", id="other usage"),
        pytest.param(lambda terms: reworded(terms, lambda told: told["usage"].update(prompt_tokens=99)), "usage", id="a longer prompt"),
        pytest.param(lambda terms: reworded(terms, lambda told: told.update(trace_root="0x00")), "trace", id="another trace"),
        pytest.param(lambda terms: changed(terms, trace_root=str(Hash32(bytes(32)))), "trace", id="another trace in the receipt"),
    ],
)
async def test_what_is_changed_is_named(change: Callable[[ReplayTask], ReplayTask], part: str) -> None:
    terms = await asked(truthful(), seed=7, return_trace_root=True)
    assert replay(terms, truthful()).method == "found"
    assert part_of(change(terms)) == part


def with_tokens(terms: ReplayTask, tokens: list[int], text: str) -> ReplayTask:
    """A provider that signs what it likes: words, tokens and hash fit together."""

    def say(told: dict[str, Any]) -> None:
        told["choices"][0]["token_ids"] = tokens
        told["usage"]["completion_tokens"] = len(tokens)
        set_text(told, text)

    return changed(reworded(terms, say), completion_tokens_sha256=str(tokens_sha256(tokens)))


async def test_a_provider_that_changes_a_token_is_told_which() -> None:
    terms = await asked(truthful(), return_token_ids=True)
    lie = TRUTH.replace("two", "too")
    with pytest.raises(DifferenceError, match=r"token: number 7 of 27 is 111 \('o'\), and the model gives 119 \('w'\)"):
        replay(with_tokens(terms, [*lie.encode(), END_TOKEN], lie), truthful())


async def test_a_provider_that_breaks_off_or_goes_on_is_found() -> None:
    terms = await asked(truthful(), return_token_ids=True)
    assert part_of(with_tokens(terms, list(b"One"), "One")) == "end"
    assert part_of(with_tokens(terms, [*TRUTH.encode(), END_TOKEN, 65], TRUTH + "A")) in ("token", "end")
    assert part_of(with_tokens(terms, [*TRUTH.encode(), 999], TRUTH)) == "token"
    assert part_of(with_tokens(terms, [], "")) == "token"
    stopped = await asked(truthful(), return_token_ids=True, stop="two")
    assert part_of(with_tokens(stopped, list(b"One, two;"), "One, ")) == "end"


async def test_another_model_gives_another_answer() -> None:
    liar = ByteModel(lambda _: "Something else.")
    for members in ({}, {"return_token_ids": True}, {"stop": "else"}):
        assert part_of(await asked(liar, **members)) in ("token", "text")


async def test_probabilities_are_held_against_the_models() -> None:
    terms = await asked(truthful(), return_token_ids=True, logprobs=True)

    def doubt(told: dict[str, Any]) -> None:
        told["choices"][0]["logprobs"]["content"][2]["logprob"] = -0.25

    assert part_of(reworded(terms, doubt)) == "probabilities"


async def test_what_cannot_be_replayed_is_no_lie() -> None:
    terms = await asked(truthful())
    for other in (
        computed(terms, name="openai", model_sha256=None),
        computed(terms, version="99"),
        replace(terms, path="/v1/proxy/images/generations"),
        replace(terms, answer=b"{"),
        reworded(terms, lambda told: told["choices"].append(told["choices"][0])),
    ):
        with pytest.raises(NotReplayableError):
            replay(other, truthful())
