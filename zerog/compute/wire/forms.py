"""Forms as files travel in them (RFC 7578): written in one way, and read in no other, so that a saved form is the one that was sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zerog.compute.protocol.errors import ComputeError

__all__ = ["FORM_TYPE", "FormError", "FormFile", "boundary_of", "encode_form", "form_type", "read_fields"]

FORM_TYPE: Final = "multipart/form-data"
PREFIX: Final = f"{FORM_TYPE}; boundary="
PARTS_MAX: Final = 1_000
HEAD_BYTES_MAX: Final = 8_192
FIELD_BYTES_MAX: Final = 64 << 10
"""A longer part is not looked into."""
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
"""Source: RFC 2046, 5.1.1, without the space."""
_NAME: Final = re.compile(rb'(?:^|;)[ \t]*name="([^"\r\n]*)"')
_FILE: Final = re.compile(rb"(?:^|;)[ \t]*filename(?:\*)?=")


@dataclass(eq=False)
class FormError(ComputeError):
    """Bytes that are no form, or cannot be put into one."""

    cause: str

    code = "form"
    remedy = "send the bytes and the content type that your HTTP client made, unchanged"

    def __str__(self) -> str:
        return f"the form cannot be read: {self.cause}"


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file in a form."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


def encode_form(fields: Mapping[str, str], files: Mapping[str, FormFile], *, boundary: str) -> tuple[bytes, str]:
    """A form's bytes and its content type. `boundary` must stand in none of the parts: take random text. Raises `FormError`."""
    content_type = form_type(boundary)
    parts = [(f'form-data; name="{_quoted(name)}"', "", value.encode()) for name, value in fields.items()]
    for name, file in files.items():
        if not re.fullmatch(r"[!-~]+(?:; ?[!-~]+)*", file.media_type):
            raise FormError(f"{file.media_type!r} is no media type")
        head = f'form-data; name="{_quoted(name)}"; filename="{_quoted(file.name)}"'
        parts.append((head, f"Content-Type: {file.media_type}\r\n", file.content))
    if any(boundary.encode() in content for *_, content in parts):
        raise FormError("its boundary stands in one of its parts")
    whole = b"".join(
        f"--{boundary}\r\nContent-Disposition: {head}\r\n{further}\r\n".encode() + content + b"\r\n" for head, further, content in parts
    )
    return whole + f"--{boundary}--\r\n".encode(), content_type


def form_type(boundary: str) -> str:
    """The content type of a form, in the one spelling that is kept. Raises `FormError`."""
    if _BOUNDARY.fullmatch(boundary) is None:
        raise FormError(f"{boundary[:80]!r} is no boundary")
    return PREFIX + boundary


def boundary_of(content_type: str) -> str:
    """The boundary that a content type names, in whatever spelling HTTP clients use. Raises `FormError`."""
    kind, *parameters = content_type.split(";")
    named = [
        value.strip() for name, _, value in (parameter.partition("=") for parameter in parameters) if name.strip().lower() == "boundary"
    ]
    if kind.strip().lower() != FORM_TYPE or len(named) != 1:
        raise FormError("the content type names no boundary, or several")
    boundary = named[0].removeprefix('"').removesuffix('"')
    form_type(boundary)
    return boundary


def read_fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """The short fields of a form, without its files; `content_type` as `form_type` writes it. Raises `FormError`."""
    boundary = content_type.removeprefix(PREFIX)
    if content_type != form_type(boundary):
        raise FormError("its content type is not written as it is kept")
    opening, delimiter = f"--{boundary}\r\n".encode(), f"\r\n--{boundary}".encode()
    if not body.startswith(opening) or not body.endswith((delimiter + b"--", delimiter + b"--\r\n")):
        raise FormError("it does not begin and end with the boundary of its content type")
    parts = body[len(opening) : body.rindex(delimiter + b"--")].split(delimiter + b"\r\n", PARTS_MAX)
    if len(parts) > PARTS_MAX:
        raise FormError(f"it has more than {PARTS_MAX} parts")
    fields: dict[str, bytes] = {}
    for part in parts:
        name, content = _field(part)
        if name is None:
            continue
        if name in fields:
            raise FormError(f"the field {name[:80]!r} stands twice")
        fields[name] = content
    return fields


def _field(part: bytes) -> tuple[str | None, bytes]:
    """Name and content of a part; no name for files and for what is too long."""
    end = part.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    if end < 0:
        raise FormError("a part has no head, or one without end")
    for line in part[:end].split(b"\r\n"):
        title, _, value = line.partition(b":")
        if title.strip().lower() != b"content-disposition":
            continue
        found = _NAME.search(value)
        content = part[end + 4 :]
        if found is None or _FILE.search(value) or len(content) > FIELD_BYTES_MAX:
            return None, b""
        return found[1].decode(errors="replace"), content
    raise FormError("a part has no name")


def _quoted(text: str) -> str:
    """As browsers write names. Source: WHATWG HTML, multipart/form-data."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
