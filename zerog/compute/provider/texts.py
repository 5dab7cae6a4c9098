"""The words of requests and answers, for counting tokens where a model's server does not say how many there were."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

__all__ = ["answer_words", "request_words"]

PROMPT_FIELDS: Final = ("system", "messages", "prompt", "input", "tools")
WORD_FIELDS: Final = frozenset({"content", "text", "reasoning", "reasoning_content", "thinking", "refusal", "partial_json", "transcript"})
"""Fields of a message, or of a piece of one, that a model reads or writes."""
NESTED_FIELDS: Final = frozenset({"delta", "message", "tool_calls", "function", "content_block"})
CALL_FIELDS: Final = frozenset({"name", "arguments"})
DEPTH_MAX: Final = 16


def request_words(body: bytes) -> str:
    """What a request gives a model to read; roles and names of fields count as a space."""
    fields = msgspec.json.decode(body)
    if not isinstance(fields, dict):
        return ""
    return " ".join(word for name in PROMPT_FIELDS if name in fields for word in _strings(fields[name], 0))


def answer_words(pieces: Iterable[bytes]) -> str:
    """What a model wrote: `pieces` are values of `choices`, `delta` or `content`, as JSON, in order."""
    return "".join(word for piece in pieces for word in _written(msgspec.json.decode(piece), 0))


def _strings(value: object, depth: int) -> Iterator[str]:
    """Every string but those that name a file or a picture."""
    if isinstance(value, str):
        yield value
    elif depth < DEPTH_MAX and isinstance(value, list):
        for item in value:
            yield from _strings(item, depth + 1)
    elif depth < DEPTH_MAX and isinstance(value, dict):
        for name, item in value.items():
            if name not in ("url", "data", "image_url", "file_data", "role", "type"):
                yield from _strings(item, depth + 1)


def _written(value: object, depth: int) -> Iterator[str]:
    if depth >= DEPTH_MAX:
        return
    if isinstance(value, list):
        for item in value:
            yield from _written(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in NESTED_FIELDS or isinstance(item, list):
                yield from _written(item, depth + 1)
            elif isinstance(item, str) and (name in WORD_FIELDS or name in CALL_FIELDS):
                yield item
