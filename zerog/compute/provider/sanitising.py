"""An answer as the client gets it: under the provider's names, without what tells who computes behind it and what that costs.

Source: 0gfoundation/0g-serving-broker, `api/inference/internal/ctrl/sanitize.go` (2026): the id becomes one made of `ZG-Res-Key`, the model
the public one, and fields of identity and cost that aggregators add go, at any depth outside of what a model wrote; what is signed is what
is left. Values that stay are passed on to the byte.
"""

import re
from typing import Final

import msgspec

__all__ = ["AnswerNames", "decode_object", "is_text", "sanitised"]

FINGERPRINT: Final = "system_fingerprint"
TOP_FIELDS: Final = frozenset({FINGERPRINT, "provider_name", "x_groq", "kv_transfer_params"})
"""Fields of an answer that tell of the server behind the provider."""
LEAKING_FIELDS: Final = frozenset({"provider", "is_byok", "cost", "cost_details", "native_finish_reason", "reasoning_details"})
"""Fields that tell of an aggregator and of what it takes, wherever they stand."""
WRITTEN_FIELDS: Final = frozenset({"content", "arguments"})
"""What a model or a user wrote; whatever it contains is left alone."""
DEPTH_MAX: Final = 32

_LEAK: Final = re.compile(rb'"(?:provider|is_byok|cost|cost_details|native_finish_reason|reasoning_details)"\s*:')
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class AnswerNames:
    """What stands for the upstream's id and model in one answer, as JSON."""

    __slots__ = ("anthropic_id", "hidden", "id", "model")

    def __init__(self, key: str, model: str, *, keeps_fingerprint: bool = False) -> None:
        """`keeps_fingerprint`: that of a model whose hash is in the receipt, and which hides nobody."""
        self.id: Final = msgspec.Raw(_encode(f"chatcmpl-{key}"))
        self.anthropic_id: Final = msgspec.Raw(_encode(f"msg_{key}"))
        self.model: Final = msgspec.Raw(_encode(model))
        self.hidden: Final = TOP_FIELDS - {FINGERPRINT} if keeps_fingerprint else TOP_FIELDS


def decode_object(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """A JSON object whose values stay as they are. Raises `msgspec.DecodeError`."""
    return _decode_object(data)


def sanitised(answer: dict[str, msgspec.Raw], data: bytes, names: AnswerNames) -> bytes:
    """The object `data` as it goes to the client; `answer` is it decoded, and is changed. Raises `msgspec.DecodeError`."""
    if _LEAK.search(data):
        answer = {name: _clean(name, value, 0) for name, value in answer.items() if name not in LEAKING_FIELDS}
    if "id" in answer:
        answer["id"] = names.anthropic_id if is_text(answer, "type", b'"message"') else names.id
    if "model" in answer:
        answer["model"] = names.model
    if not names.hidden.isdisjoint(answer):
        answer = {name: value for name, value in answer.items() if name not in names.hidden}
    if "message" in answer and is_text(answer, "type", b'"message_start"'):  # The Anthropic stream's first event.
        answer["message"] = msgspec.Raw(sanitised(_decode_object(answer["message"]), b"", names))
    return _encode(answer)


def is_text(answer: dict[str, msgspec.Raw], name: str, json_text: bytes) -> bool:
    """Whether a value stands there in these very bytes."""
    value = answer.get(name)
    return value is not None and memoryview(value) == json_text


def _clean(name: str, value: msgspec.Raw, depth: int) -> msgspec.Raw:
    """A value without fields that leak."""
    text = bytes(value)
    if name in WRITTEN_FIELDS or depth >= DEPTH_MAX or not _LEAK.search(text):
        return value
    if text[:1] == b"{":
        fields = _decode_object(text)
        return msgspec.Raw(
            _encode({inner: _clean(inner, each, depth + 1) for inner, each in fields.items() if inner not in LEAKING_FIELDS})
        )
    if text[:1] == b"[":
        return msgspec.Raw(_encode([_clean("", each, depth + 1) for each in _decode_list(text)]))
    return value
