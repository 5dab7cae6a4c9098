"""Chats in the shape of OpenAI's chat completions. Source: OpenAI's API reference, "Chat" (create, streaming)."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from zerog.compute.provider.engines.tokens import count_tokens
from zerog.testing.scripted.answers import (
    ENGINE,
    Answer,
    InvalidRequestError,
    ToolCall,
    cut,
    digest_of,
    example_of,
    written,
)
from zerog.testing.scripted.answers import text_of as words_of

__all__ = ["Chat", "forced_tool", "prompt_tokens", "read_messages"]

CHOICES_MAX: Final = 128
MESSAGE_TOKENS: Final = 3
"""What a message costs beside its words."""
ARGUMENT_PIECE: Final = 12
"""Characters of a tool's arguments in one event."""
encode: Final = msgspec.json.Encoder().encode


class Chat:
    """One request, read and answered. Raises `InvalidRequestError`."""

    def __init__(self, asked: dict[str, Any], model: str) -> None:
        self.messages: Final = read_messages(asked)
        self.stream: Final = asked.get("stream") is True
        options = asked.get("stream_options")
        self.tells_usage: Final = isinstance(options, dict) and options.get("include_usage") is True
        self.model: Final = model
        self.digest: Final = digest_of(ENGINE, model, self.messages, asked.get("seed"), asked.get("tools"))
        count = asked.get("n") or 1
        if not isinstance(count, int) or not 1 <= count <= CHOICES_MAX:
            raise InvalidRequestError(f"n is from 1 to {CHOICES_MAX}")
        self.answers: Final = [self._answer(asked, index) for index in range(count)]
        self.head: Final = {
            "id": f"chatcmpl-{self.digest.hex()[:24]}",
            "object": "chat.completion.chunk" if self.stream else "chat.completion",
            "created": 0,
            "model": model,
            "system_fingerprint": ENGINE,
        }

    def usage(self) -> dict[str, object]:
        """Tokens of the prompt and of all answers."""
        prompt = prompt_tokens(self.messages)
        completion = sum(len(answer.tokens) for answer in self.answers)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def whole(self) -> bytes:
        """The answer in one piece."""
        choices = [
            {"index": index, "message": _message(answer, self.digest), "logprobs": None, "finish_reason": _reason(answer)}
            for index, answer in enumerate(self.answers)
        ]
        return encode({**self.head, "choices": choices, "usage": self.usage()})

    def events(self) -> Iterator[bytes]:
        """The answer as a stream of events, a token each."""
        for index, answer in enumerate(self.answers):
            yield self._event(index, {"role": "assistant", "content": None if answer.calls else ""})
            for number, call in enumerate(answer.calls):
                for piece in _call_pieces(call, number, self.digest):
                    yield self._event(index, {"tool_calls": [piece]})
            if not answer.calls:
                for token in answer.tokens:
                    yield self._event(index, {"content": token})
            yield self._event(index, {}, _reason(answer))
        if self.tells_usage:
            yield b"data: " + encode({**self.head, "choices": [], "usage": self.usage()}) + b"\n\n"
        yield b"data: [DONE]\n\n"

    def _event(self, index: int, delta: dict[str, object], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self.tells_usage else {}
        return b"data: " + encode({**self.head, "choices": [choice], **usage}) + b"\n\n"

    def _answer(self, asked: dict[str, Any], index: int) -> Answer:
        tokens_max = asked.get("max_completion_tokens", asked.get("max_tokens"))
        if tokens_max is not None and (not isinstance(tokens_max, int) or tokens_max < 1):
            raise InvalidRequestError("max_tokens is a whole number from 1")
        call = forced_tool(asked.get("tools"), asked.get("tool_choice"))
        if call is not None:
            return Answer("", [call.name, call.arguments], "tool_calls", [call])
        stops = asked.get("stop") or []
        digest = digest_of(self.digest.hex(), index) if index else self.digest
        shape = asked.get("response_format")
        kind = shape.get("type") if isinstance(shape, dict) else None
        if kind == "json_object":
            return cut(encode({"engine": ENGINE, "said": written(self.messages, digest)}).decode(), tokens_max, [])
        if kind == "json_schema" and isinstance(shape, dict):
            wanted = shape.get("json_schema")
            return cut(encode(example_of(wanted.get("schema") if isinstance(wanted, dict) else None)).decode(), tokens_max, [])
        return cut(written(self.messages, digest), tokens_max, [stops] if isinstance(stops, str) else list(stops))


def read_messages(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """`messages`. Raises `InvalidRequestError`."""
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise InvalidRequestError("messages is a list of at least one message")
    return messages


def prompt_tokens(messages: list[dict[str, Any]]) -> int:
    """Tokens that a conversation has before it is answered."""
    return MESSAGE_TOKENS + sum(MESSAGE_TOKENS + count_tokens(words_of(message.get("content"))) for message in messages)


def forced_tool(tools: object, choice: object) -> ToolCall | None:
    """The call that the client demands, with arguments that fit; none where it leaves the choice. Raises `InvalidRequestError`."""
    demanded = choice == "required" or isinstance(choice, dict)
    if not demanded:
        return None
    functions = (
        [tool["function"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("function"), dict)]
        if isinstance(tools, list)
        else []
    )
    if isinstance(choice, dict):
        wanted = choice.get("function")
        name = wanted.get("name") if isinstance(wanted, dict) else None
        functions = [function for function in functions if function.get("name") == name]
    if not functions:
        raise InvalidRequestError("tool_choice demands a tool that is not in tools")
    schema = functions[0].get("parameters") or {"type": "object", "properties": {}}
    return ToolCall(str(functions[0].get("name", "")), encode(example_of(schema)).decode())


def _reason(answer: Answer) -> str:
    return "stop" if answer.reason == "stop_sequence" else answer.reason


def _call_id(digest: bytes, number: int) -> str:
    return f"call_{digest_of(digest.hex(), 'call', number).hex()[:24]}"


def _message(answer: Answer, digest: bytes) -> dict[str, object]:
    if not answer.calls:
        return {"role": "assistant", "content": answer.text, "refusal": None}
    calls = [
        {"id": _call_id(digest, number), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for number, call in enumerate(answer.calls)
    ]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}


def _call_pieces(call: ToolCall, number: int, digest: bytes) -> Iterator[dict[str, object]]:
    yield {"index": number, "id": _call_id(digest, number), "type": "function", "function": {"name": call.name, "arguments": ""}}
    for first in range(0, len(call.arguments), ARGUMENT_PIECE):
        yield {"index": number, "function": {"arguments": call.arguments[first : first + ARGUMENT_PIECE]}}
