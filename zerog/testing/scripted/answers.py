"""What the scripted engine answers, before it has the shape of an API: words, calls of tools, values that fit a schema."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from zerog.compute.provider.engines.tokens import split_tokens

__all__ = ["ENGINE", "NOTE", "Answer", "InvalidRequestError", "ToolCall", "cut", "digest_of", "example_of", "text_of", "written"]

ENGINE: Final = "scripted-test-engine"
"""Stands in `system_fingerprint`, and in files that have a place for it."""
NOTE: Final = "scripted test engine: no model computed this"
COUNT: Final = re.compile(r"\bcount to (\d{1,5})\b", re.IGNORECASE)
"""A wish that it fulfils: so a test gets an answer as long as it likes."""
COUNT_MAX: Final = 20_000
WORDS: Final = (
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "jasper", "kelp", "lagoon", "meadow", "north",
    "orchard", "prairie", "quartz", "river", "summit", "tundra", "upland", "valley", "willow", "zenith",
)  # fmt: skip
EXCERPT_CHARACTERS: Final = 80
DEPTH_MAX: Final = 8
_canonical: Final = msgspec.json.Encoder(order="deterministic").encode


@dataclass(eq=False)
class InvalidRequestError(Exception):
    """A request that the engine answers with 400."""

    cause: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the client is asked to call."""

    name: str
    arguments: str
    """JSON."""


@dataclass(slots=True)
class Answer:
    """One answer to a chat."""

    text: str
    tokens: list[str]
    reason: str
    """`stop`, `length`, `stop_sequence` or `tool_calls`."""
    calls: list[ToolCall] = field(default_factory=list)
    stopped_by: str | None = None


def digest_of(*parts: object) -> bytes:
    """32 bytes that only these JSON values have."""
    return hashlib.sha256(_canonical(parts)).digest()


def text_of(content: object) -> str:
    """The words of a message's `content`: text, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text", part.get("content", "")) for part in content if isinstance(part, dict))
        return " ".join(text_of(text) for text in texts)
    return ""


def written(messages: list[dict[str, Any]], digest: bytes) -> str:
    """What it says to a conversation: what it is, what it was told last, and a few words that the request decides."""
    last = messages[-1]
    said = text_of(last.get("content"))
    counted = COUNT.search(said)
    if counted:
        return f"[{NOTE}] " + " ".join(str(number) for number in range(1, min(int(counted[1]), COUNT_MAX) + 1))
    words = " ".join(WORDS[byte % len(WORDS)] for byte in digest[:8])
    excerpt = said if len(said) <= EXCERPT_CHARACTERS else said[:EXCERPT_CHARACTERS] + "…"
    return f"[{NOTE}] The {last.get('role', 'user')} said “{excerpt}”. My words for it: {words}."


def cut(text: str, tokens_max: int | None, stops: list[str]) -> Answer:
    """`text` up to the first of the `stops`, and at most so many tokens of it."""
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    reason, stopped_by = "stop", None
    if found:
        end, stopped_by = min(found)
        text, reason = text[:end], "stop_sequence"
    tokens = split_tokens(text)
    if tokens_max is not None and len(tokens) > tokens_max:
        tokens, reason, stopped_by = tokens[:tokens_max], "length", None
        text = "".join(tokens)
    return Answer(text, tokens, reason, stopped_by=stopped_by)


def example_of(schema: object, depth: int = 0) -> Any:
    """A value that a JSON schema of the usual kind allows, and always the same."""
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return None
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(name), list) and schema[name]:
            return example_of(schema[name][0], depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    return _example_of_kind(kind, schema, depth)


def _example_of_kind(kind: object, schema: dict[str, Any], depth: int) -> Any:
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        wanted = schema.get("required", list(properties))
        return {name: example_of(properties.get(name, {"type": "string"}), depth + 1) for name in wanted}
    if kind == "array":
        count = schema.get("minItems", 1)
        return [example_of(schema.get("items", {"type": "string"}), depth + 1)] * min(count if isinstance(count, int) else 1, 16)
    simple: dict[object, Any] = {
        "integer": schema.get("minimum", 0),
        "number": schema.get("minimum", 0.5),
        "boolean": True,
        "string": ENGINE,
    }
    return simple.get(kind)
