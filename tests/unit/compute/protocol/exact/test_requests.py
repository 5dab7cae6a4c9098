"""What the exact engine takes of a request, and what it refuses in words."""

from typing import Any

import msgspec
import pytest

from zerog.compute.protocol.exact import (
    ContextLengthError,
    InvalidChatError,
    UnsupportedParameterError,
    read_chat,
    read_embedding,
    read_messages,
)

VOCABULARY = 1_000
HELLO = [{"role": "user", "content": "Hello"}]


def chat(**members: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": HELLO, **members})


def test_a_bare_request_has_what_is_usual() -> None:
    asked = read_chat(chat(), VOCABULARY)
    assert msgspec.json.decode(asked.messages) == HELLO
    sampling = asked.sampling_for(10, 100, seed=7)
    assert (sampling.max_tokens, sampling.seed, sampling.temperature, sampling.top_p, sampling.top_k) == (90, 7, 0.2, 0.9, 0)
    assert (sampling.top_logprobs, sampling.stop, sampling.logit_bias, sampling.trace) == (None, (), (), False)
    assert (asked.stream, asked.includes_usage, asked.returns_token_ids) == (False, False, False)
    assert asked.sampling_for(10, 8_192, seed=7).max_tokens == 512
    for named, heat in (({"temperature": 1}, (1.0, 1.0)), ({"top_p": 0.5}, (0.2, 0.5)), ({"temperature": 0, "top_p": 1}, (0.0, 1.0))):
        sampling = read_chat(chat(**named), VOCABULARY).sampling
        assert (sampling.temperature, sampling.top_p) == heat


def test_every_parameter_is_read() -> None:
    asked = read_chat(
        chat(
            max_tokens=50, max_completion_tokens=5, temperature=0, top_p=0.5, top_k=40, min_p=0.05, repetition_penalty=1.1,
            seed=-1, stop="END", frequency_penalty=-2,
            presence_penalty=1.5, logit_bias={"7": -100, "3": 1}, logprobs=True, top_logprobs=3, stream=True, return_token_ids=True,
            stream_options={"include_usage": True}, return_trace_root=True, user="me", metadata={}, n=1, response_format={"type": "text"},
        ),
        VOCABULARY,
    )  # fmt: skip
    sampling = asked.sampling_for(10, 100, seed=7)
    assert sampling.texts() == {
        "max_tokens": "5",
        "seed": str(2**64 - 1),
        "temperature": "0",
        "top_p": "0.5",
        "top_k": "40",
        "min_p": "0.05",
        "repetition_penalty": "1.1",
        "frequency_penalty": "-2",
        "presence_penalty": "1.5",
        # Made with `printf '{"3":"1","7":"-100"}' | sha256sum` and `printf '["END"]' | sha256sum`.
        "logit_bias_sha256": "0x49719c139d249e809d100b23fb7368b17dee0b4ed340160a6c1d7dbdaa684311",
        "stop_sha256": "0xe4509dbbbaabf2d2e414924eff1992c0388a99646271858cc849d919e72d1450",
    }
    assert (sampling.logit_bias, sampling.stop, sampling.top_logprobs, sampling.trace) == (((3, 1.0), (7, -100.0)), ("END",), 3, True)
    assert (asked.stream, asked.includes_usage, asked.returns_token_ids) == (True, True, True)


def test_developers_are_systems_and_parts_of_text_are_one_text() -> None:
    messages = [{"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]}, *HELLO]
    assert msgspec.json.decode(read_chat(chat(messages=messages), VOCABULARY).messages)[0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"min_tokens": 3}, "min_tokens"),
        ({"guided_json": {}}, "guided_json"),
        ({"length_penalty": 1.1}, "length_penalty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}, "reads text alone"),
        ({"messages": [{"role": "tool", "content": "sunny", "tool_call_id": "1"}]}, "tools"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]}, "tools"),
    ],
)
def test_what_it_does_not_do_is_refused_and_named(members: dict[str, Any], word: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=word) as refused:
        read_chat(chat(**members), VOCABULARY)
    assert (refused.value.http_status, "another engine" in refused.value.remedy) == (400, True)


@pytest.mark.parametrize(
    "members", [{"min_p": 0}, {"repetition_penalty": 1}, {"min_tokens": 0}, {"tools": []}, {"tool_choice": "auto"}, {"n": None}]
)
def test_values_that_change_nothing_are_taken(members: dict[str, Any]) -> None:
    assert read_chat(chat(**members), VOCABULARY).sampling == read_chat(chat(), VOCABULARY).sampling


@pytest.mark.parametrize(
    "members",
    [
        {"messages": []},
        {"messages": [{"role": "nobody", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"temperature": 2.1},
        {"temperature": "0"},
        {"top_p": 0},
        {"top_p": -0.1},
        {"seed": 2**64},
        {"seed": -(2**63) - 1},
        {"stop": ""},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"presence_penalty": 3},
        {"logit_bias": {"1000": 1}},
        {"logit_bias": {"-1": 1}},
        {"logit_bias": {"1": 101}},
        {"top_logprobs": 2},
        {"logprobs": True, "top_logprobs": 21},
    ],
)
def test_what_is_no_request_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidChatError):
        read_chat(chat(**members), VOCABULARY)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 1_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    for read in (read_messages, lambda body: read_chat(body, VOCABULARY), lambda body: read_embedding(body, VOCABULARY)):
        with pytest.raises(InvalidChatError):
            read(body)


@pytest.mark.parametrize(("prompt", "wanted"), [(100, 0), (101, 1), (60, 41)])
def test_what_does_not_fit_is_refused(prompt: int, wanted: int) -> None:
    asked = read_chat(chat(**({"max_tokens": wanted} if wanted else {})), VOCABULARY)
    with pytest.raises(ContextLengthError, match="maximum context length is 100 tokens"):
        asked.sampling_for(prompt, 100, seed=0)


def test_messages_of_anthropic_say_the_same_in_their_own_words() -> None:
    body = {"model": "m", "messages": HELLO, "max_tokens": 9, "system": [{"type": "text", "text": "Be brief."}], "stop_sequences": ["."]}
    asked = read_messages(msgspec.json.encode(body))
    assert msgspec.json.decode(asked.messages) == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert (asked.sampling.max_tokens, asked.sampling.stop) == (9, (".",))
    for change in ({"max_tokens": None}, {"messages": [{"role": "system", "content": "x"}]}):
        with pytest.raises(InvalidChatError):
            read_messages(msgspec.json.encode(body | change))
    for refused in ({"tools": [{"name": "f"}]}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}):
        with pytest.raises(UnsupportedParameterError):
            read_messages(msgspec.json.encode(body | refused))


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), ([1, 2], ((1, 2),)), ([[1, 2], [3]], ((1, 2), (3,)))],
)
def test_embeddings_are_of_texts_or_tokens(given: object, inputs: object) -> None:
    assert read_embedding(msgspec.json.encode({"input": given}), VOCABULARY).inputs == inputs


@pytest.mark.parametrize("given", ["", [], ["a", 1], [[]], [""], [1_000], [-1], ["a"] * 2_049, None])
def test_embeddings_of_nothing_are_refused(given: object) -> None:
    with pytest.raises(InvalidChatError):
        read_embedding(msgspec.json.encode({"input": given}), VOCABULARY)


def test_the_width_of_a_vector_is_the_models() -> None:
    assert read_embedding(b'{"input":"a","encoding_format":"base64"}', VOCABULARY).is_base64
    with pytest.raises(UnsupportedParameterError, match="dimensions"):
        read_embedding(b'{"input":"a","dimensions":64}', VOCABULARY)
