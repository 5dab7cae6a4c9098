"""The scripted engine: real bytes of every kind, the same for the same request, and each answer says what it is."""

import base64
import io
import math
import struct
import wave
import zlib

import pytest

from tests.unit.compute.engines.asking import ask, chat, form, request
from zerog.compute.provider.engines import count_tokens, split_tokens
from zerog.testing.scripted import ScriptedEngine

ENGINE = ScriptedEngine()
SAYS_SO = "scripted test engine"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}


def sound(seconds: float, rate: int = 8_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setparams((1, 2, rate, 0, "NONE", ""))
        opened.writeframes(b"\0\1" * round(seconds * rate))
    return file.getvalue()


async def test_a_chat_is_answered_the_same_each_time_and_counts_its_tokens() -> None:
    first = await ask(ENGINE, request(body=chat("How are you?")))
    again = await ask(ENGINE, request(body=chat("How are you?", temperature=1.7)))
    seeded = await ask(ENGINE, request(body=chat("How are you?", seed=5)))
    told = first.json()
    text = told["choices"][0]["message"]["content"]
    assert first.body == again.body
    assert first.body != seeded.body
    assert SAYS_SO in text
    assert told["system_fingerprint"] == "scripted-test-engine"
    assert told["usage"]["completion_tokens"] == count_tokens(text)
    assert SAYS_SO in (ENGINE.identity.note or "")


async def test_a_stream_says_the_same_as_the_whole_and_tells_its_usage_only_if_asked() -> None:
    whole = (await ask(ENGINE, request(body=chat("Stream, please")))).json()
    told = await ask(ENGINE, request(body=chat("Stream, please", stream=True, stream_options={"include_usage": True}), stream=True))
    events = told.events()
    assert told.content_type == "text/event-stream"
    assert len(told.chunks) == len(events)
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-2]) == whole["choices"][0]["message"]["content"]
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["usage"] == whole["usage"]
    assert events[-1] is None
    silent = (await ask(ENGINE, request(body=chat("Stream, please", stream=True), stream=True))).events()
    assert not any(event and event.get("usage") for event in silent)


async def test_an_answer_ends_where_the_client_wants() -> None:
    short = (await ask(ENGINE, request(body=chat(max_tokens=4)))).json()
    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 4)
    counted = (await ask(ENGINE, request(body=chat("count to 50", stop=[" 30", " 9 "])))).json()["choices"][0]
    assert (counted["finish_reason"], counted["message"]["content"][-4:]) == ("stop", " 7 8")
    both = (await ask(ENGINE, request(body=chat(n=2)))).json()["choices"]
    assert len({choice["message"]["content"] for choice in both}) == 2


async def test_a_tool_is_called_where_the_client_demands_it() -> None:
    asked = chat(tools=[TOOL], tool_choice="required")
    choice = (await ask(ENGINE, request(body=asked))).json()["choices"][0]
    call = choice["message"]["tool_calls"][0]["function"]
    assert (choice["finish_reason"], call["name"], call["arguments"]) == ("tool_calls", "weather", '{"city":"scripted-test-engine"}')
    events = (await ask(ENGINE, request(body={**asked, "stream": True}, stream=True))).events()
    pieces = [event["choices"][0]["delta"].get("tool_calls", [{}])[0].get("function", {}) for event in events[:-1]]
    assert "".join(piece.get("arguments", "") for piece in pieces) == call["arguments"]
    free = (await ask(ENGINE, request(body=chat(tools=[TOOL])))).json()["choices"][0]
    assert free["finish_reason"] == "stop"
    missing = await ask(ENGINE, request(body=chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "other"}})))
    assert missing.status == 400


async def test_messages_have_anthropics_shape() -> None:
    asked = chat(max_tokens=50, system="Be brief.")
    told = (await ask(ENGINE, request("/messages", asked))).json()
    assert (told["type"], told["stop_reason"], told["usage"]["output_tokens"]) == (
        "message",
        "end_turn",
        count_tokens(told["content"][0]["text"]),
    )
    events = (await ask(ENGINE, request("/messages", {**asked, "stream": True}, stream=True))).events()
    assert [event["type"] for event in (events[0], events[1], events[-3], events[-2], events[-1])] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == told["content"][0]["text"]
    tool = {"name": "weather", "input_schema": TOOL["function"]["parameters"]}  # type: ignore[index]
    used = (await ask(ENGINE, request("/messages", {**asked, "tools": [tool], "tool_choice": {"type": "any"}}))).json()
    assert (used["stop_reason"], used["content"][0]["name"]) == ("tool_use", "weather")


async def test_embeddings_have_length_one_and_one_value_in_both_encodings() -> None:
    texts = ["the quick brown fox", "the quick brown dog", "an unrelated sentence about money"]
    told = (await ask(ENGINE, request("/embeddings", {"model": "m", "input": texts}))).json()
    packed = (await ask(ENGINE, request("/embeddings", {"model": "m", "input": texts, "encoding_format": "base64"}))).json()
    vectors = [row["embedding"] for row in told["data"]]
    assert [list(struct.unpack("<256f", base64.b64decode(row["embedding"]))) for row in packed["data"]] == vectors
    assert all(math.isclose(sum(value * value for value in vector), 1, abs_tol=1e-5) for vector in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > 0.5 > far
    assert told["usage"]["prompt_tokens"] == sum(count_tokens(text) for text in texts)


def pixels_of(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and raw rows, read as the standard says; each checksum is checked."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + length
    assert SAYS_SO.encode() in chunks[b"tEXt"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    return width, height, zlib.decompress(chunks[b"IDAT"])


async def test_pictures_are_png_files_of_the_size_asked_for() -> None:
    told = (await ask(ENGINE, request("/images/generations", {"prompt": "a fox", "n": 2, "size": "300x200"}))).json()
    first, second = (base64.b64decode(row["b64_json"]) for row in told["data"])
    width, height, rows = pixels_of(first)
    assert (width, height, len(rows), first != second) == (300, 200, 200 * (1 + 3 * 300), True)
    linked = (await ask(ENGINE, request("/images/generations", {"prompt": "a fox", "response_format": "url", "size": "300x200"}))).json()
    assert base64.b64decode(linked["data"][0]["url"].partition(",")[2]) == first
    body, kind = form({"prompt": "redder"}, {"image": first})
    edited = (await ask(ENGINE, request("/images/edits", body, content_type=kind))).json()
    assert pixels_of(base64.b64decode(edited["data"][0]["b64_json"]))[:2] == (256, 256)
    body, kind = form({"prompt": "redder"}, {"image": b"no picture"})
    assert (await ask(ENGINE, request("/images/edits", body, content_type=kind))).status == 400


@pytest.mark.parametrize("shape", ["json", "text", "verbose_json", "srt", "vtt"])
async def test_a_transcription_tells_the_length_of_the_sound(shape: str) -> None:
    body, kind = form({"model": "m", "response_format": shape}, {"file": sound(2.5)})
    told = await ask(ENGINE, request("/audio/transcriptions", body, content_type=kind))
    assert told.status == 200
    assert b"2.50 seconds" in told.body
    assert SAYS_SO.encode() in told.body
    if shape == "verbose_json":
        assert told.json()["duration"] == 2.5
    if shape == "json":
        assert told.json()["usage"] == {"type": "duration", "seconds": 2}


async def test_speech_is_a_wav_file_with_a_tone_a_word() -> None:
    told = await ask(ENGINE, request("/audio/speech", {"model": "m", "input": "one two three", "voice": "alloy"}))
    with wave.open(io.BytesIO(told.body)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getnframes()) == (24_000, 1, 3 * 1_200)
    assert (told.content_type, SAYS_SO.encode() in told.body) == ("audio/wav", True)
    bare = await ask(ENGINE, request("/audio/speech", {"input": "one two three", "voice": "alloy", "response_format": "pcm"}))
    assert told.body.endswith(bare.body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", b"{"),
        ("/chat/completions", []),
        ("/chat/completions", {"messages": []}),
        ("/chat/completions", chat(max_tokens=0)),
        ("/messages", chat()),
        ("/embeddings", {"input": []}),
        ("/embeddings", {"input": "a", "dimensions": 10**9}),
        ("/images/generations", {"prompt": "a", "size": "9999x9999"}),
        ("/images/generations", {"prompt": "a", "n": 1_000}),
        ("/audio/speech", {"input": "a", "response_format": "mp3"}),
        ("/audio/transcriptions", b"no form"),
        ("/videos", {}),
    ],
)
async def test_what_is_no_request_is_refused_in_words(path: str, body: object) -> None:
    told = await ask(ENGINE, request(path, body))
    assert told.status == (404 if path == "/videos" else 400)
    assert SAYS_SO in told.json()["error"]["message"]


@pytest.mark.parametrize("text", ["", "   ", "Hello, world!  ", "überlange Wörter", "a\n\nb\t", "日本語のテキスト", "x" * 1_000])
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text
    assert len(split_tokens(text)) == count_tokens(text)
