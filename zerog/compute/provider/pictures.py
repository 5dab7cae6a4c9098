"""Pictures in an answer: their bytes and hashes, and the addresses that take their place for a client that wants addresses.

Source: 0gfoundation/0g-serving-broker, `api/inference/internal/ctrl/image_store.go` and `text_to_image.go` (2026): the broker keeps the
pictures, so that nobody is sent to a server that only the broker can reach; what is signed are the pictures and not their addresses.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from zerog.compute.provider.errors import BrokenAnswerError

__all__ = ["PICTURES_PATH", "PictureRules", "content_type_of", "picture_hashes", "pictures_in", "with_addresses"]

PICTURES_PATH: Final = "/v1/proxy/images/"
KINDS: Final = ((b"\x89PNG\r\n\x1a\n", b"image/png"), (b"\xff\xd8\xff", b"image/jpeg"), (b"GIF8", b"image/gif"))
"""How files of pictures begin. Source: WHATWG, "MIME Sniffing", 6.1."""


@dataclass(frozen=True, kw_only=True)
class PictureRules:
    """How long, how many and for whom pictures are kept."""

    kept_s: float = 86_400.0
    bytes_max: int = 2 << 30
    """Of all that are kept; the oldest go for new ones."""
    per_minute: int = 120
    """That one network address may fetch. Source: 0gfoundation/0g-serving-broker, `api/inference/internal/proxy/proxy.go`."""


class _Image(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None


_decode_images: Final = msgspec.json.Decoder(list[_Image]).decode
_decode_rows: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_encode: Final = msgspec.json.Encoder().encode


def picture_hashes(data: msgspec.Raw | None) -> list[bytes]:
    """SHA-256 of each picture in the `data` of an answer; of one that is only named, of its address. Answers without pictures have none."""
    if data is None:
        return []
    try:
        images = _decode_images(data)
        if not all(image.b64_json or image.url for image in images):
            return []
        return [hashlib.sha256(_bytes_or_address(image)).digest() for image in images]
    except (msgspec.DecodeError, binascii.Error):
        return []


def pictures_in(data: msgspec.Raw | None) -> list[bytes]:
    """The pictures themselves. Raises `BrokenAnswerError` where one is not there."""
    try:
        images = _decode_images(data) if data is not None else []
        return [base64.b64decode(image.b64_json or "", validate=True) for image in images if _is_there(image)]
    except (msgspec.DecodeError, binascii.Error) as error:
        raise BrokenAnswerError(f"its pictures cannot be read: {error}") from error


def with_addresses(data: msgspec.Raw, base: str) -> msgspec.Raw:
    """`data` with `base` and its number in place of each picture; all else of it stays. Raises `msgspec.DecodeError`."""
    rows = [
        {"url": msgspec.Raw(_encode(f"{base}{index}")), **{name: value for name, value in row.items() if name not in ("b64_json", "url")}}
        for index, row in enumerate(_decode_rows(data))
    ]
    return msgspec.Raw(_encode(rows))


def content_type_of(picture: bytes) -> bytes:
    """What its first bytes say that it is; nothing that a browser runs."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return b"image/webp"
    return next((kind for mark, kind in KINDS if picture.startswith(mark)), b"application/octet-stream")


def _is_there(image: _Image) -> bool:
    if not image.b64_json:
        raise BrokenAnswerError("it names a picture and does not hold it")
    return True


def _bytes_or_address(image: _Image) -> bytes:
    return base64.b64decode(image.b64_json, validate=True) if image.b64_json else (image.url or "").encode()
