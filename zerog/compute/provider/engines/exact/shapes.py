"""Answers in the shapes of the APIs: chats as OpenAI and as Anthropic write them, and vectors.

Sources: OpenAI's API reference, "Chat" (create, streaming) and "Embeddings"; Anthropic's, "Messages" (create, streaming); vLLM's API for
`prompt_token_ids` and `token_ids`. `seed` and `trace_root` are ours.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from zerog.compute.protocol.exact import ChatAsked
from zerog.compute.provider.engines.exact.work import BytesOf, ChatWork, Piece, SampledToken

__all__ = ["AnswerFacts", "ChatShape", "MessagesShape", "Shape", "embeddings_body"]

_encode: Final = msgspec.json.Encoder().encode
DONE: Final = b"data: [DONE]\n\n"
NOTHING: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """What stands in an answer beside what the model wrote."""

    id: str
    model: str
    created_s: int
    fingerprint: str
    bytes_of: BytesOf


class Shape(Protocol):
    """How one API writes an answer."""

    def first(self, work: ChatWork) -> bytes:
        """What a stream begins with."""

    def piece(self, piece: Piece) -> bytes:
        """What a stream says of a piece; nothing where there is nothing to tell."""

    def last(self, work: ChatWork) -> bytes:
        """What a stream ends with."""

    def whole(self, work: ChatWork, pieces: Sequence[Piece]) -> bytes:
        """The answer in one."""


class ChatShape:
    """OpenAI's."""

    def __init__(self, asked: ChatAsked, facts: AnswerFacts) -> None:
        self._asked: Final = asked
        self._facts: Final = facts
        self._head: Final[dict[str, object]] = {
            "id": f"chatcmpl-{facts.id}",
            "object": "chat.completion.chunk" if asked.stream else "chat.completion",
            "created": facts.created_s,
            "model": facts.model,
            "system_fingerprint": facts.fingerprint,
        }

    def first(self, work: ChatWork) -> bytes:
        """Who speaks."""
        prompt: dict[str, object] = {"prompt_token_ids": work.prompt} if self._asked.returns_token_ids else {}
        return self._event({"role": "assistant", "content": ""}, top=prompt)

    def piece(self, piece: Piece) -> bytes:
        """Its words."""
        further = self._further([piece])
        return self._event({"content": piece.text}, further) if piece.text or further else b""

    def last(self, work: ChatWork) -> bytes:
        """Why it ended, what it used if that was asked for, and that it is over."""
        events = self._event({}, {"finish_reason": work.finish}, self._result(work))
        if self._asked.includes_usage:
            events += b"data: " + _encode({**self._head, "choices": [], "usage": _usage(work)}) + b"\n\n"
        return events + DONE

    def whole(self, work: ChatWork, pieces: Sequence[Piece]) -> bytes:
        """As one object."""
        text = "".join(piece.text for piece in pieces)
        choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "logprobs": None}
        choice |= {**self._further(pieces), "finish_reason": work.finish}
        prompt = {"prompt_token_ids": work.prompt} if self._asked.returns_token_ids else {}
        return _encode({**self._head, **prompt, "choices": [choice], "usage": _usage(work), **self._result(work)})

    def _event(self, delta: dict[str, object], further: dict[str, object] | None = None, top: Mapping[str, object] = NOTHING) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **(further or {})}
        usage = {"usage": None} if self._asked.includes_usage else {}
        return b"data: " + _encode({**self._head, **top, "choices": [choice], **usage}) + b"\n\n"

    def _further(self, pieces: Sequence[Piece]) -> dict[str, object]:
        """Tokens and probabilities, where they were asked for."""
        told: dict[str, object] = {}
        sampled = [token for piece in pieces for token in piece.logprobs]
        if self._asked.sampling.top_logprobs is not None and sampled:
            told["logprobs"] = {"content": [self._logprob(token) for token in sampled], "refusal": None}
        if self._asked.returns_token_ids:
            told["token_ids"] = [token for piece in pieces for token in piece.tokens]
        return told

    def _logprob(self, sampled: SampledToken) -> dict[str, object]:
        return {**self._named(sampled.token, sampled.logprob), "top_logprobs": [self._named(*each) for each in sampled.top]}

    def _named(self, token: int, logprob: float) -> dict[str, object]:
        content = self._facts.bytes_of((token,))
        return {"token": content.decode(errors="replace"), "logprob": logprob, "bytes": list(content)}

    def _result(self, work: ChatWork) -> dict[str, object]:
        trace = {"trace_root": f"0x{work.trace_root.hex()}"} if work.trace_root is not None else {}
        return {"seed": work.sampling.seed, **trace}


def _usage(work: ChatWork) -> dict[str, object]:
    prompt, completion = len(work.prompt), len(work.tokens)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": work.cached_tokens},
    }


class MessagesShape:
    """Anthropic's."""

    def __init__(self, facts: AnswerFacts) -> None:
        self._facts: Final = facts

    def first(self, work: ChatWork) -> bytes:
        """The message, with nothing in it yet."""
        block = {"type": "text", "text": ""}
        start = _named_event("message_start", message=self._message(work, [], is_done=False))
        return start + _named_event("content_block_start", index=0, content_block=block)

    def piece(self, piece: Piece) -> bytes:
        """Its words."""
        delta = {"type": "text_delta", "text": piece.text}
        return _named_event("content_block_delta", index=0, delta=delta) if piece.text else b""

    def last(self, work: ChatWork) -> bytes:
        """Why it ended, and what it used."""
        delta = {"stop_reason": _stop_reason(work), "stop_sequence": work.stopped_by}
        return b"".join(
            (
                _named_event("content_block_stop", index=0),
                _named_event("message_delta", delta=delta, usage={"output_tokens": len(work.tokens)}),
                _named_event("message_stop"),
            )
        )

    def whole(self, work: ChatWork, pieces: Sequence[Piece]) -> bytes:
        """As one object."""
        text = "".join(piece.text for piece in pieces)
        return _encode(self._message(work, [{"type": "text", "text": text}], is_done=True))

    def _message(self, work: ChatWork, content: list[dict[str, str]], *, is_done: bool) -> dict[str, object]:
        known = work.cached_tokens
        usage = {
            "input_tokens": len(work.prompt) - known,
            "cache_read_input_tokens": known,
            "cache_creation_input_tokens": 0,
            "output_tokens": len(work.tokens) if is_done else 1,
        }
        return {
            "id": f"msg_{self._facts.id}",
            "type": "message",
            "role": "assistant",
            "model": self._facts.model,
            "content": content,
            "stop_reason": _stop_reason(work) if is_done else None,
            "stop_sequence": work.stopped_by if is_done else None,
            "usage": usage,
            "system_fingerprint": self._facts.fingerprint,
        }


def _stop_reason(work: ChatWork) -> str:
    if work.stopped_by is not None:
        return "stop_sequence"
    return "max_tokens" if work.finish == "length" else "end_turn"


def _named_event(kind: str, **members: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **members}) + b"\n\n"


def embeddings_body(vectors: Sequence[bytes], prompt_tokens: int, *, model: str, fingerprint: str, is_base64: bool) -> bytes:
    """Vectors, each of four bytes a number, the lowest first."""
    rows = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector).decode() if is_base64 else struct.unpack(f"<{len(vector) // 4}f", vector),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return _encode({"object": "list", "data": rows, "model": model, "usage": usage, "system_fingerprint": fingerprint})
