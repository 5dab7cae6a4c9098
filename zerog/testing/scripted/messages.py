"""Chats in the shape of Anthropic's Messages. Source: Anthropic's API reference, "Messages" (create, streaming)."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from zerog.testing.scripted.answers import ENGINE, Answer, InvalidRequestError, cut, digest_of, text_of, written
from zerog.testing.scripted.chat import ARGUMENT_PIECE, encode, forced_tool, prompt_tokens, read_messages

__all__ = ["Messages"]

REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "tool_calls": "tool_use"}


class Messages:
    """One request, read and answered. Raises `InvalidRequestError`."""

    def __init__(self, asked: dict[str, Any], model: str) -> None:
        messages = read_messages(asked)
        system = text_of(asked.get("system"))
        self.messages: Final = [{"role": "system", "content": system}, *messages] if system else messages
        self.stream: Final = asked.get("stream") is True
        self.model: Final = model
        self.digest: Final = digest_of(ENGINE, "messages", model, self.messages, asked.get("tools"))
        tokens_max = asked.get("max_tokens")
        if not isinstance(tokens_max, int) or tokens_max < 1:
            raise InvalidRequestError("max_tokens is a whole number from 1, and must be given")
        call = forced_tool(*_as_openai(asked.get("tools"), asked.get("tool_choice")))
        if call is not None:
            self.answer = Answer("", [call.name, call.arguments], "tool_calls", [call])
        else:
            self.answer = cut(written(self.messages, self.digest), tokens_max, list(asked.get("stop_sequences") or []))

    def whole(self) -> bytes:
        """The answer in one piece."""
        return encode(self._message([self._block()], REASONS[self.answer.reason], self.answer.stopped_by, len(self.answer.tokens)))

    def events(self) -> Iterator[bytes]:
        """The answer as a stream of events, a token each."""
        yield _event("message_start", message=self._message([], None, None, 1))
        if self.answer.calls:
            yield _event("content_block_start", index=0, content_block={**self._block(), "input": {}})
            arguments = self.answer.calls[0].arguments
            for first in range(0, len(arguments), ARGUMENT_PIECE):
                piece = {"type": "input_json_delta", "partial_json": arguments[first : first + ARGUMENT_PIECE]}
                yield _event("content_block_delta", index=0, delta=piece)
        else:
            yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            for token in self.answer.tokens:
                yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
        yield _event("content_block_stop", index=0)
        delta = {"stop_reason": REASONS[self.answer.reason], "stop_sequence": self.answer.stopped_by}
        yield _event("message_delta", delta=delta, usage={"output_tokens": len(self.answer.tokens)})
        yield _event("message_stop")

    def _message(self, content: list[object], reason: str | None, stopped_by: str | None, output_tokens: int) -> dict[str, object]:
        return {
            "id": f"msg_{self.digest.hex()[:24]}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stopped_by,
            "usage": {"input_tokens": prompt_tokens(self.messages), "output_tokens": output_tokens},
            "system_fingerprint": ENGINE,
        }

    def _block(self) -> dict[str, object]:
        if not self.answer.calls:
            return {"type": "text", "text": self.answer.text}
        call = self.answer.calls[0]
        return {
            "type": "tool_use",
            "id": f"toolu_{self.digest.hex()[24:48]}",
            "name": call.name,
            "input": msgspec.json.decode(call.arguments),
        }


def _event(kind: str, **fields: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **fields}) + b"\n\n"


def _as_openai(tools: object, choice: object) -> tuple[object, object]:
    """Tools and the choice of one as OpenAI writes them."""
    listed = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    functions = [{"function": {"name": tool.get("name"), "parameters": tool.get("input_schema")}} for tool in listed]
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool" and isinstance(choice, dict):
        return functions, {"function": {"name": choice.get("name")}}
    return functions, "required" if kind == "any" else "auto"
