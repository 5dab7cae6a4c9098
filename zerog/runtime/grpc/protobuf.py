"""From bytes to a message of protocol buffers, with errors as those of every other decoder. Importing this loads protobuf."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

__all__ = ["reader", "writer"]

M = TypeVar("M", bound=Message)


def reader(kind: type[M]) -> Callable[[bytes], M]:
    """What reads a message of `kind`; raises `ValueError` for bytes that are none."""

    def read(data: bytes) -> M:
        try:
            return kind.FromString(data)
        except DecodeError as error:
            raise ValueError(str(error)) from None

    return read


def writer(kind: type[M]) -> Callable[[M], bytes]:
    """What writes a message of `kind`."""
    return kind.SerializeToString
