"""A charged request as a provider reads it: what model, how much at most, and the body that goes on to the model's server.

Only what decides about price and way is looked at; all the rest of a body passes as it came.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.errors import RequestError
from zerog.compute.provider.sanitising import decode_object, is_text

__all__ = ["PAID_PATHS", "Asked", "PaidPath", "read_asked"]

FIELD_BYTES_MAX: Final = 4_096
"""Of a field of a form that is looked at."""
IMAGES_MAX: Final = 128
PICTURE_BYTES: Final = "b64_json"
"""The `response_format` in which an engine sends pictures and not their addresses."""
CHOICES_MAX: Final = 128
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class PaidPath:
    """A route that is charged."""

    path: str
    service_types: tuple[ServiceType, ...]
    """What has to be served for this route; the first that is."""
    is_form: bool = False
    has_images: bool = False
    is_chat: bool = False
    is_anthropic: bool = False


PAID_PATHS: Final = {
    each.path: each
    for each in (
        PaidPath("/chat/completions", (ServiceType.CHATBOT,), is_chat=True),
        PaidPath("/messages", (ServiceType.CHATBOT,), is_anthropic=True),
        PaidPath("/embeddings", (ServiceType.EMBEDDING,)),
        PaidPath("/images/generations", (ServiceType.TEXT_TO_IMAGE,), has_images=True),
        PaidPath("/images/edits", (ServiceType.IMAGE_EDITING,), is_form=True, has_images=True),
        PaidPath("/audio/transcriptions", (ServiceType.SPEECH_TO_TEXT,), is_form=True),
        PaidPath("/audio/speech", (ServiceType.TEXT_TO_SPEECH,)),
    )
}
"""Source: the routes of 0gfoundation/0g-serving-broker's `api/inference/internal/proxy/proxy.go`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a body asks for."""

    model: str | None
    stream: bool = False
    images: int = 0
    completion_tokens_max: int | None = None
    """For all answers together; `None`: the client does not say."""
    choices: int = 1
    fields: dict[str, msgspec.Raw] | None = None
    """Of a JSON body."""
    wants_addresses: bool = False
    """Whether pictures are to come as addresses, where they can be fetched."""
    model_at: tuple[int, int] | None = None
    """Where the model's name stands in a form."""
    format_at: tuple[int, int] | None = None
    """Where that wish stands in a form."""

    def upstream_body(self, body: bytes, path: PaidPath, model: str) -> bytes:
        """The body with the name that the model has upstream; of a stream the usage is asked for, of pictures the bytes."""
        if self.fields is None:
            return self._upstream_form(body, model)
        fields = self.fields
        wants_usage = self.stream and path.is_chat and not _includes_usage(fields)
        if model == self.model and not wants_usage and not self.wants_addresses:
            return body
        fields = {**fields, "model": msgspec.Raw(_encode(model))}
        if wants_usage:
            fields["stream_options"] = msgspec.Raw(_encode({**_options(fields), "include_usage": True}))
        if self.wants_addresses:
            fields["response_format"] = msgspec.Raw(_encode(PICTURE_BYTES))
        return _encode(fields)

    def _upstream_form(self, body: bytes, model: str) -> bytes:
        changes: list[tuple[tuple[int, int], bytes]] = []
        if self.model_at is not None and self.model != model:
            changes.append((self.model_at, model.encode()))
        if self.format_at is not None and self.wants_addresses:
            changes.append((self.format_at, PICTURE_BYTES.encode()))
        for (start, end), value in sorted(changes, reverse=True):
            body = b"".join((body[:start], value, body[end:]))
        return body


class _Head(msgspec.Struct):
    """What is looked at in a JSON body. A value of the wrong kind is refused here, before anything is paid."""

    model: str | None = None
    stream: bool | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_decode_head: Final = msgspec.json.Decoder(_Head).decode


def read_asked(path: PaidPath, body: bytes, content_type: str) -> Asked:
    """Raises `RequestError` for a body that is none for this route."""
    if path.is_form and content_type.startswith("multipart/form-data"):
        return _read_form(path, body, content_type)
    try:
        head = _decode_head(body)
        fields = decode_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is not the JSON that this route takes: {error}") from error
    if head.stream and path.has_images:
        raise RequestError("pictures come as a whole: leave `stream` out")
    bounds = [bound for bound in (head.max_completion_tokens, head.max_tokens) if bound is not None]
    if bounds and min(bounds) < 0:
        raise RequestError(f"max_tokens is {min(bounds)}")
    return Asked(
        model=head.model,
        stream=bool(head.stream),
        images=_images(path, head.n),
        completion_tokens_max=max(bounds, default=None),  # Servers differ in which of the two they honour.
        choices=_within("n", head.n, CHOICES_MAX),
        fields=fields,
        wants_addresses=path.has_images and is_text(fields, "response_format", b'"url"'),
    )


def _includes_usage(fields: dict[str, msgspec.Raw]) -> bool:
    return is_text(_options(fields), "include_usage", b"true")


def _options(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """`stream_options`, empty where it is none."""
    value = fields.get("stream_options")
    return decode_object(value) if value is not None and bytes(value)[:1] == b"{" else {}


def _images(path: PaidPath, count: int | None) -> int:
    return _within("n", count, IMAGES_MAX) if path.has_images else 0


def _within(name: str, count: int | None, most: int) -> int:
    if count is None:
        return 1
    if not 1 <= count <= most:
        raise RequestError(f"{name} is {count}, and has to be from 1 to {most}")
    return count


class _FormFields:
    """Takes the few short fields of a form that matter, and where they stand; files are passed over unread."""

    WANTED: Final = frozenset({b"model", b"n", b"stream", b"response_format"})

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.places: dict[bytes, tuple[int, int]] = {}
        self._name: bytes | None = None
        self._header = b""
        self._value = b""

    def callbacks(self) -> dict[str, object]:
        """For the parser, which is fed the whole body at once: its offsets are those of the body."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._header_value,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._name, self._header, self._value = None, b"", b""

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header = data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(data[start:end])
            name = options.get(b"name")
            self._name = name if name in self.WANTED and b"filename" not in options else None

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            return
        if len(self._value) + end - start > FIELD_BYTES_MAX:
            raise RequestError(f"the field {self._name.decode()} of the form is longer than {FIELD_BYTES_MAX} bytes")
        first, _ = self.places.get(self._name, (start, end))
        self.places[self._name] = (first, end)
        self._value += data[start:end]

    def _end(self) -> None:
        if self._name is not None:
            if self._name in self.values:
                raise RequestError(f"the field {self._name.decode()} stands twice in the form")
            self.values[self._name] = self._value


def _read_form(path: PaidPath, body: bytes, content_type: str) -> Asked:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError("the content type names no boundary of the form")
    found = _FormFields()
    try:
        parser = MultipartParser(boundary, found.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise RequestError(f"the form cannot be read: {error}") from error
    values = found.values
    try:
        model = values[b"model"].decode() if b"model" in values else None
        count = int(values[b"n"]) if b"n" in values else None
    except ValueError as error:
        raise RequestError(f"a field of the form cannot be read: {error}") from error
    return Asked(
        model=model,
        stream=values.get(b"stream") in (b"true", b"1"),
        images=_images(path, count),
        wants_addresses=path.has_images and values.get(b"response_format") == b"url",
        model_at=found.places.get(b"model"),
        format_at=found.places.get(b"response_format"),
    )
