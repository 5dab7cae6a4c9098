"""What is read from an engine's bytes: the same whatever the pieces, nothing that tells of the engine, all of what the model wrote."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.protocol.fees import Usage
from zerog.compute.provider.errors import BrokenAnswerError
from zerog.compute.provider.metering import AnswerReader, EventReader, JsonReader, usage_from
from zerog.compute.provider.sanitising import LEAKING_FIELDS, AnswerNames
from zerog.compute.provider.sse import EVENT_BYTES_MAX, EventSplitter
from zerog.compute.provider.texts import request_words

NAMES = AnswerNames("key", "public")
WORDS = st.text(max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from(sorted(LEAKING_FIELDS)), inner, max_size=4),
    max_leaves=12,
)


def read(reader: AnswerReader, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """What goes out before the end, and what is held back."""
    return b"".join([reader.feed(piece) for piece in pieces]), reader.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


def event(value: object, line_end: bytes = b"\n") -> bytes:
    return b"data: " + msgspec.json.encode(value) + line_end * 2


@given(words=st.lists(WORDS, min_size=1, max_size=6), places=st.lists(st.integers(0, 10_000)), line_end=st.sampled_from([b"\n", b"\r\n"]))
def test_a_stream_is_the_same_however_it_comes_in_pieces(words: list[str], places: list[int], line_end: bytes) -> None:
    events = [event({"id": "x", "choices": [{"delta": {"content": word}}]}, line_end) for word in words]
    stream = b": comment" + line_end * 2 + b"".join(events) + event({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, line_end)
    stream += b"data: [DONE]" + line_end * 2
    reader = EventReader(NAMES)
    passed, held = read(reader, cut(stream, places))
    assert held == b"data: [DONE]\n\n"
    told = [msgspec.json.decode(part[6:]) for part in passed.split(b"\n\n") if part]
    assert [each["choices"][0]["delta"]["content"] for each in told[:-1]] == words
    assert {each["id"] for each in told[:-1]} == {"chatcmpl-key"}
    assert reader.usage() == Usage(prompt_tokens=3, completion_tokens=4)
    assert b"comment" not in passed


@given(written=JSON_VALUES, beside=st.dictionaries(WORDS, JSON_VALUES, max_size=4))
def test_fields_that_leak_go_at_any_depth_and_what_a_model_wrote_stays(written: Any, beside: dict[str, Any]) -> None:
    answer = {**beside, "choices": [{"message": {"content": written, "native_finish_reason": "x"}}], "usage": {"cost_details": {"a": 1}}}
    _, whole = read(JsonReader(NAMES), [msgspec.json.encode(answer)])
    told = msgspec.json.decode(whole)
    assert told["choices"][0]["message"] == {"content": written}
    assert leaks(told) == []


def leaks(value: object) -> list[str]:
    if isinstance(value, list):
        return [leak for item in value for leak in leaks(item)]
    if not isinstance(value, dict):
        return []
    own = [name for name in value if name in LEAKING_FIELDS]
    return own + [leak for name, item in value.items() if name not in ("content", "arguments") for leak in leaks(item)]


def test_numbers_pass_as_they_were_written() -> None:
    _, whole = read(JsonReader(NAMES), [b'{"id":"a","big":12345678901234567890123,"small":1.10e-3,"provider":"x"}'])
    assert whole == b'{"id":"chatcmpl-key","big":12345678901234567890123,"small":1.10e-3}'


CACHED_OPENAI = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
CACHED_ANTHROPIC = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (CACHED_OPENAI, Usage(prompt_tokens=5, cached_tokens=3, completion_tokens=2)),
        (CACHED_ANTHROPIC, Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2)),
        ({"type": "duration", "seconds": 0.2}, Usage(seconds=1)),
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(prompt_tokens=7)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1, "completion_tokens": 2**60}, None),
        ({"prompt_tokens": "many"}, None),
        ({}, None),
        (7, None),
    ],
)
def test_usage_is_read_as_servers_write_it_and_nonsense_is_counted_instead(usage: object, expected: Usage | None) -> None:
    assert usage_from(msgspec.Raw(msgspec.json.encode(usage))) == expected


def test_an_event_without_end_is_given_up() -> None:
    splitter = EventSplitter()
    for _ in range(EVENT_BYTES_MAX >> 20):
        assert splitter.feed(b"x" * (1 << 20)) == []
    with pytest.raises(BrokenAnswerError):
        splitter.feed(b"x")


def test_words_are_those_that_a_model_reads() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look at"}, {"type": "image_url", "image_url": {"url": "http"}}]}
        ],
        "tools": [{"type": "function", "function": {"name": "find", "description": "finds it"}}],
    }
    assert request_words(msgspec.json.encode(body)) == "look at find finds it"
