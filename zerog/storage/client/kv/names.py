"""How streams are named: by 32 bytes, or by a word that stands for its hash."""

from typing import TypeAlias

from zerog._kernel import keccak256
from zerog.primitives import Hash32

__all__ = ["StreamName", "stream_id"]

StreamName: TypeAlias = Hash32 | str
"""A stream by its id, by the hex of its id, or by a word."""


def stream_id(name: StreamName) -> Hash32:
    """The id of a stream: itself, what its hex says, or the Keccak-256 of a word's UTF-8.

    Raises `ValueError` for an empty word, and for hex (`0x…`) that is not of 32 bytes.
    """
    if isinstance(name, bytes):
        return Hash32(name)
    if name[:2] in ("0x", "0X"):
        return Hash32.from_json(name)
    if not name:
        raise ValueError("a stream is named by 32 bytes or by a word, not by nothing")
    return Hash32(keccak256(name.encode()))
