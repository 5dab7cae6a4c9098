"""The door through which JSON becomes our own types: any class with `from_json` can stand in a decoded structure."""

import re
from itertools import accumulate
from typing import Final

__all__ = ["decode_hook", "is_nested_deeper"]

_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = [1 if byte in b"[{" else -1 for byte in range(256)]


def decode_hook(kind: type, value: object) -> object:
    """What msgspec calls for a type that it does not know (its `dec_hook`). Raises `ValueError` when the value does not fit."""
    from_json = getattr(kind, "from_json", None)
    if from_json is None:
        raise NotImplementedError(f"{kind.__qualname__} cannot be read from JSON")
    result: object = from_json(value)
    return result


def is_nested_deeper(text: bytes | bytearray | memoryview, levels: int) -> bool:
    """Whether arrays and objects of a JSON text lie more than `levels` deep in each other, also where the text is not whole.

    A decoder recurses once a level, and how far it may do that is the process' to say: some libraries lift Python's limit so far that a
    hostile text overflows the stack of a thread. So what comes from others is looked at first.
    """
    content = bytes(text) if isinstance(text, memoryview) else text
    if content.count(b"[") + content.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", content).translate(None, _NO_BRACKET)
    return any(depth > levels for depth in accumulate(map(_STEP.__getitem__, brackets)))
