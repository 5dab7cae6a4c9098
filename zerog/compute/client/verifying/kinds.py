"""What answers are kept of: for each path what is asked there, how, and what of the answer is signed."""

from dataclasses import dataclass
from typing import Final

import msgspec

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.forms import FORM_TYPE, FormError, read_fields
from zerog.primitives import is_nested_deeper

__all__ = ["EVENTS_TYPE", "JSON_TYPE", "KINDS", "AskedFor", "Kind", "asked_for", "json_object", "kind_of"]

JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream"
NESTING_MAX: Final = 128
TEXT_TYPES: Final = ("text/plain", "text/vtt", "text/srt", "application/x-subrip")
SOUND_TYPES: Final = (
    "audio/mpeg",
    "audio/wav",
    "audio/opus",
    "audio/ogg",
    "audio/aac",
    "audio/flac",
    "audio/pcm",
    "application/octet-stream",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request."""

    path: str
    service_type: ServiceType
    may_be_form: bool = False
    may_stream: bool = False
    has_images: bool = False
    """The signed text then names each picture instead of the whole answer."""
    other_types: tuple[str, ...] = ()
    """Of answers beside JSON and events."""


KINDS: Final = {
    kind.path: kind
    for kind in (
        Kind("/v1/proxy/chat/completions", ServiceType.CHATBOT, may_stream=True),
        Kind("/v1/proxy/messages", ServiceType.CHATBOT, may_stream=True),
        Kind("/v1/proxy/embeddings", ServiceType.EMBEDDING),
        Kind("/v1/proxy/images/generations", ServiceType.TEXT_TO_IMAGE, has_images=True),
        Kind("/v1/proxy/images/edits", ServiceType.IMAGE_EDITING, may_be_form=True, has_images=True),
        Kind("/v1/proxy/audio/transcriptions", ServiceType.SPEECH_TO_TEXT, may_be_form=True, may_stream=True, other_types=TEXT_TYPES),
        Kind("/v1/proxy/audio/speech", ServiceType.TEXT_TO_SPEECH, may_stream=True, other_types=SOUND_TYPES),
    )
}
"""By path, as it stands in a file."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What the bytes of a request say in clear."""

    model: str | None
    stream: bool


def kind_of(file: AnswerFile) -> Kind:
    """Raises `AnswerRefutedError` for a path that no answer is kept of."""
    kind = KINDS.get(file.request.path)
    if kind is None:
        raise AnswerRefutedError("request", f"{file.request.path} is nothing that an answer is kept of")
    return kind


def asked_for(file: AnswerFile, kind: Kind) -> AskedFor:
    """Read the request, in JSON or as a form. Raises `AnswerRefutedError`."""
    content_type = file.request.content_type
    if kind.may_be_form and content_type.startswith(FORM_TYPE):
        try:
            fields = read_fields(file.request.body, content_type)
        except FormError as error:
            raise AnswerRefutedError("request", str(error)) from None
        model = fields.get("model")
        return AskedFor(None if model is None else model.decode(errors="replace"), fields.get("stream") in (b"true", b"1"))
    if content_type != JSON_TYPE:
        raise AnswerRefutedError("request", f"{content_type} to {kind.path} is nothing that an answer is kept of")
    asked = json_object(file.request.body)
    if asked is None:
        raise AnswerRefutedError("request", "its body is no JSON object")
    told = asked.get("model")
    if told is not None and not isinstance(told, str):
        raise AnswerRefutedError("request", f"the model {told!r} is no name")
    return AskedFor(told, asked.get("stream") is True)


def json_object(body: bytes) -> dict[str, object] | None:
    """A JSON object, or `None` for anything else."""
    if is_nested_deeper(body, NESTING_MAX):
        return None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
