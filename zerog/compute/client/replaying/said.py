"""A saved answer as somebody who replays it reads it: its words, and whatever else it says of itself.

Sources: as of the engine's shapes: OpenAI's API reference, "Chat" and "Embeddings"; Anthropic's, "Messages"; vLLM's API for token ids.
"""

import base64
import binascii
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from zerog.compute.client.replaying.differences import NotReplayableError

__all__ = ["Said", "read_chat_answer", "read_messages_answer", "read_vectors"]

ADVICE: Final = "only answers to chats and embeddings, as the exact engine writes them, can be made again"
FINISH_OF: Final = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
FLOAT_BYTES: Final = 4

_Shape = TypeVar("_Shape")


@dataclass(slots=True)
class Said:
    """What an answer says."""

    text: str = ""
    finish: str | None = None
    stopped_by: str | None = None
    """The text that ended it, where the API tells that."""
    tokens: list[int] | None = None
    """Of the answer, where they were asked for."""
    prompt_tokens: list[int] | None = None
    prompt_count: int | None = None
    completion_count: int | None = None
    seed: int | None = None
    trace_root: str | None = None
    logprobs: list[float] = field(default_factory=list)


# ---- OpenAI's chats ----------------------------------------------------------------------------------------------


class _Words(msgspec.Struct):
    content: str | None = None


class _Probability(msgspec.Struct):
    logprob: float


class _Probabilities(msgspec.Struct):
    content: list[_Probability] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Words | None = None
    message: _Words | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None
    logprobs: _Probabilities | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    prompt_token_ids: list[int] | None = None
    usage: _Usage | None = None
    seed: int | None = None
    trace_root: str | None = None


def read_chat_answer(body: bytes, *, is_stream: bool) -> Said:
    """Raises `NotReplayableError` for what no exact engine has written."""
    said = Said()
    for part in _events(body) if is_stream else [body]:
        completion = _decoded(part, _Completion)
        said.prompt_tokens = completion.prompt_token_ids or said.prompt_tokens
        said.seed = said.seed if completion.seed is None else completion.seed
        said.trace_root = completion.trace_root or said.trace_root
        if completion.usage is not None:
            said.prompt_count, said.completion_count = completion.usage.prompt_tokens, completion.usage.completion_tokens
        if len(completion.choices) > 1 or any(choice.index for choice in completion.choices):
            raise NotReplayableError("it has several choices", ADVICE)
        for choice in completion.choices:
            _add(said, choice)
    return said


def _add(said: Said, choice: _Choice) -> None:
    words = choice.delta or choice.message
    said.text += (words.content if words is not None else None) or ""
    said.finish = choice.finish_reason or said.finish
    if choice.token_ids is not None:
        said.tokens = [*(said.tokens or []), *choice.token_ids]
    if choice.logprobs is not None:
        said.logprobs += [each.logprob for each in choice.logprobs.content or []]


# ---- Anthropic's messages ----------------------------------------------------------------------------------------


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: _Usage | None = None


class _Delta(msgspec.Struct):
    text: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


def read_messages_answer(body: bytes, *, is_stream: bool) -> Said:
    """Raises `NotReplayableError` for what no exact engine has written."""
    said = Said()
    if not is_stream:
        message = _decoded(body, _Message)
        said.text = "".join(block.text for block in message.content)
        _end(said, message.stop_reason, message.stop_sequence)
        _count(said, message.usage)
        return said
    for part in _events(body):
        event = _decoded(part, _Event)
        if event.message is not None:
            _count(said, event.message.usage)
        if event.delta is not None:
            said.text += event.delta.text
            _end(said, event.delta.stop_reason, event.delta.stop_sequence)
        if event.usage is not None:
            said.completion_count = event.usage.output_tokens
    return said


def _end(said: Said, reason: str | None, stopped_by: str | None) -> None:
    if reason is not None:
        said.finish, said.stopped_by = FINISH_OF.get(reason, reason), stopped_by


def _count(said: Said, usage: _Usage | None) -> None:
    if usage is not None and usage.input_tokens is not None:
        said.prompt_count = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        said.completion_count = usage.output_tokens


# ---- vectors -----------------------------------------------------------------------------------------------------


class _Row(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Vectors(msgspec.Struct):
    data: list[_Row]


def read_vectors(body: bytes) -> list[bytes]:
    """Each as the engine computed it: four bytes a number, the lowest first. Raises `NotReplayableError`."""
    rows = _decoded(body, _Vectors).data
    if [row.index for row in rows] != list(range(len(rows))):
        raise NotReplayableError("its vectors are not in their order", ADVICE)
    return [_packed(row.embedding) for row in rows]


def _packed(vector: str | Sequence[float]) -> bytes:
    try:
        if isinstance(vector, str):
            return base64.b64decode(vector, validate=True)
        return struct.pack(f"<{len(vector)}f", *vector)
    except (binascii.Error, struct.error, OverflowError) as error:
        raise NotReplayableError(f"a vector in it is none ({error})", ADVICE) from None


# ---- what they share ---------------------------------------------------------------------------------------------


def _events(body: bytes) -> Iterator[bytes]:
    """The data of a stream's events. Source: HTML standard, section 9.2."""
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        data = line[len(b"data:") :].strip() if line.startswith(b"data:") else b""
        if data not in (b"", b"[DONE]"):
            yield data


def _decoded(body: bytes, kind: type[_Shape]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotReplayableError(f"the answer cannot be read ({error})", ADVICE) from None
