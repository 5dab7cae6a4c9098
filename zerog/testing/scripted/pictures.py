"""Pictures without a model: stripes whose colours the request decides, as PNG. Sources: W3C PNG; OpenAI's API reference, "Images"."""

import base64
import re
import struct
import zlib
from typing import Any, Final

from zerog.compute.provider.engines.tokens import count_tokens
from zerog.testing.scripted.answers import ENGINE, NOTE, InvalidRequestError, digest_of
from zerog.testing.scripted.chat import encode

__all__ = ["edited", "generated", "png"]

SIDE: Final = 256
"""Pixels of a picture for which the client has no wish."""
SIDE_MAX: Final = 2_048
IMAGES_MAX: Final = 10
MAGIC: Final = b"\x89PNG\r\n\x1a\n"
PICTURES: Final = (MAGIC, b"\xff\xd8\xff", b"RIFF", b"GIF8")
"""How files of pictures begin that can be edited."""
BAND: Final = 16
"""Pixels."""


def generated(asked: dict[str, Any]) -> bytes:
    """The answer to a request for pictures. Raises `InvalidRequestError`."""
    return _answer(asked, digest_of(ENGINE, "generation", asked.get("prompt"), asked.get("seed")))


def edited(asked: dict[str, str], picture: bytes) -> bytes:
    """The answer to a request for another version of a picture. Raises `InvalidRequestError`."""
    if not picture.startswith(PICTURES):
        raise InvalidRequestError("image is a PNG, JPEG, WebP or GIF")
    count = asked.get("n", "1")
    if not count.isdigit():
        raise InvalidRequestError("n is a number")
    return _answer({**asked, "n": int(count)}, digest_of(ENGINE, "edit", asked.get("prompt"), zlib.crc32(picture), len(picture)))


def _answer(asked: dict[str, Any], digest: bytes) -> bytes:
    prompt, count = asked.get("prompt"), asked.get("n") or 1
    if not isinstance(prompt, str) or not prompt:
        raise InvalidRequestError("prompt is a text")
    if not isinstance(count, int) or not 1 <= count <= IMAGES_MAX:
        raise InvalidRequestError(f"n is from 1 to {IMAGES_MAX}")
    width, height = _size(asked.get("size"))
    rows = []
    for index in range(count):
        encoded = base64.b64encode(png(digest_of(digest.hex(), index), width, height)).decode()
        place = {"url": "data:image/png;base64," + encoded} if asked.get("response_format") == "url" else {"b64_json": encoded}
        rows.append({**place, "revised_prompt": f"[{NOTE}] {prompt}"})
    tokens = count_tokens(prompt)
    usage = {"input_tokens": tokens, "output_tokens": count, "total_tokens": tokens + count}
    return encode({"created": 0, "data": rows, "output_format": "png", "usage": usage, "system_fingerprint": ENGINE})


def _size(wish: object) -> tuple[int, int]:
    if wish is None or wish in ("", "auto"):
        return SIDE, SIDE
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", wish) if isinstance(wish, str) else None
    if match is None or not (1 <= int(match[1]) <= SIDE_MAX and 1 <= int(match[2]) <= SIDE_MAX):
        raise InvalidRequestError(f"size is WIDTHxHEIGHT, each up to {SIDE_MAX}, or auto")
    return int(match[1]), int(match[2])


def png(digest: bytes, width: int, height: int) -> bytes:
    """A picture of slanted stripes in colours out of `digest`; a text in it says who made it."""
    colours = [digest[first : first + 3] for first in range(0, 30, 3)]
    stripes = b"".join(colour * BAND for colour in colours)
    row = stripes * (width * 3 // len(stripes) + 2)
    shift = len(stripes) // 3
    lines = (b"\0" + row[3 * (y % shift) : 3 * (y % shift) + 3 * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            MAGIC,
            _chunk(b"IHDR", header),
            _chunk(b"tEXt", b"Software\0" + NOTE.encode("latin-1")),
            _chunk(b"IDAT", zlib.compress(b"".join(lines), 1)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
