"""Recursive Length Prefix in Python, for what is small: strings and lists of them, in the one form that is allowed.

Source: Ethereum Yellow Paper, appendix B; ethereum/go-ethereum, rlp/decode.go (what is refused).
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

__all__ = ["Item", "RlpError", "decode", "decode_number", "encode", "encode_number"]

Item: TypeAlias = "bytes | Sequence[Item]"

SHORT_MAX: Final = 55
"""Longest payload whose length stands in the first byte."""
STRING: Final = 0x80
LIST: Final = 0xC0
DEPTH_MAX: Final = 8


class RlpError(ValueError):
    """Bytes that are not the encoding of anything."""


def encode(item: Item) -> bytes:
    """A string, or a list of items."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < STRING:
            return item
        return _head(STRING, len(item)) + item
    payload = b"".join(encode(part) for part in item)
    return _head(LIST, len(payload)) + payload


def encode_number(number: int) -> bytes:
    """A number as the string to encode: big-endian without leading zeros, so 0 is empty."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """The one item that `data` is. Raises `RlpError` where there is more or less, or another form of the same."""
    item, end = _decode(data, 0, len(data), DEPTH_MAX)
    if end != len(data):
        raise RlpError(f"{len(data) - end} bytes follow the item")
    return item


def decode_number(text: Item, bits: int) -> int:
    """The inverse of `encode_number`. Raises `RlpError`."""
    if not isinstance(text, bytes) or text[:1] == b"\0" or len(text) * 8 > bits:
        raise RlpError(f"a number of {bits} bits is a string without leading zeros")
    return int.from_bytes(text, "big")


def _head(kind: int, size_bytes: int) -> bytes:
    if size_bytes <= SHORT_MAX:
        return bytes([kind + size_bytes])
    length = encode_number(size_bytes)
    return bytes([kind + SHORT_MAX + len(length)]) + length


def _decode(data: bytes, start: int, end: int, depth: int) -> tuple[Item, int]:
    """The item at `start`, and where it ends. Nothing at or beyond `end` belongs to it."""
    kind, first, last = _span(data, start, end)
    if kind == STRING:
        text = data[first:last]
        if last - first == 1 and first > start and text[0] < STRING:
            raise RlpError("a byte below 128 stands for itself")
        return text, last
    if not depth:
        raise RlpError(f"lists are nested deeper than {DEPTH_MAX}")
    items: list[Item] = []
    while first < last:
        item, first = _decode(data, first, last, depth - 1)
        items.append(item)
    return items, last


def _span(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Whether a string or a list begins at `start`, and where its payload begins and ends."""
    if start >= end:
        raise RlpError("an item is missing")
    prefix = data[start]
    if prefix < STRING:
        return STRING, start, start + 1
    kind = STRING if prefix < LIST else LIST
    size_bytes, first = prefix - kind, start + 1
    if size_bytes > SHORT_MAX:
        first += size_bytes - SHORT_MAX
        length = data[start + 1 : min(first, end)]
        if first > end or length[:1] == b"\0":
            raise RlpError("a length is cut off, or has leading zeros")
        size_bytes = int.from_bytes(length, "big")
        if size_bytes <= SHORT_MAX:
            raise RlpError("a short length has the long form")
    if first + size_bytes > end:
        raise RlpError("an item is cut off")
    return kind, first, first + size_bytes
