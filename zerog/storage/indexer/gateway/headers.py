"""Headers of files that users stored: nothing in them is run by a browser, and a part can be asked for.

Sources: RFC 9110 (ranges, conditions), RFC 6266 and RFC 8187 (names of files).
"""

import mimetypes
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from zerog._kernel import keccak256
from zerog.primitives import Hash32

__all__ = ["entity_tag", "file_headers", "is_same_entity", "is_unchanged", "wanted_range"]

ANYTHING: Final = "application/octet-stream"
PASSIVE_TYPES: Final = ("audio/", "font/", "image/", "video/")
PASSIVE: Final = frozenset({"application/json", "application/pdf", "application/zip", "application/gzip", "text/plain", "text/csv"})
"""Types that are named to the browser. All others, which a browser may run, are just bytes."""
ACTIVE: Final = frozenset({"image/svg+xml"})

_RANGE: Final = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def entity_tag(roots: Sequence[Hash32]) -> str:
    """A file's tag: its root, or the hash of the roots of its fragments."""
    return f'"{roots[0] if len(roots) == 1 else Hash32(keccak256(b"".join(roots)))}"'


def file_headers(name: str, tag: str, *, is_immutable: bool) -> dict[str, str]:
    """What goes with a file, whatever part of it is sent."""
    return {
        "Content-Type": media_type(name),
        "Content-Disposition": disposition(name),
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "public, max-age=31536000, immutable" if is_immutable else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def media_type(name: str) -> str:
    """By the name alone; the bytes are not looked into."""
    guessed, encoding = mimetypes.guess_type(name, strict=True)
    if guessed is None or encoding is not None or guessed in ACTIVE:
        return ANYTHING
    return guessed if guessed in PASSIVE or guessed.startswith(PASSIVE_TYPES) else ANYTHING


def disposition(name: str) -> str:
    """To be saved under this name: in ASCII for old clients, in UTF-8 for all others."""
    clean = _UNSAFE.sub("", PurePosixPath(name.replace("\\", "/")).name) or "file"
    plain = clean.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_").replace("%", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean.encode(errors='replace'), safe='')}"


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the file already."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def is_same_entity(if_range: str | None, tag: str) -> bool:
    """Whether a range may be sent: the client's other parts are of the same file."""
    return if_range is None or if_range.strip() == tag


def wanted_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and end of the part that is asked for; `None` for the whole, also where several parts are asked for.

    Raises `IndexError` if there is no such part.
    """
    match = _RANGE.fullmatch(header.lower()) if header is not None else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1 if last else size_bytes)
        if last and int(last) < start:
            return None
    if start >= end:
        raise IndexError(header)
    return start, end
