"""From tokens to text: whole characters only, and nothing that may be the beginning of a text at which the answer has to stop."""

import codecs
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Writing"]


class Writing:
    """One answer as it grows. Whoever has all tokens of an answer gets the same text from them, in the same pieces."""

    __slots__ = ("_bytes_of", "_held", "_stop", "_utf8", "stopped_by")

    def __init__(self, bytes_of: Callable[[Sequence[int]], bytes], stop: Sequence[str] = ()) -> None:
        """`bytes_of` is the model's vocabulary: a token may be a part of a character, and then its bytes are no text by themselves."""
        self._bytes_of: Final = bytes_of
        self._stop: Final = tuple(stop)
        self._utf8: Final = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped_by: str | None = None
        """The text that ended the answer."""

    def add(self, token: int) -> str:
        """What can be told once this token has come."""
        return self._tell(self._utf8.decode(self._bytes_of((token,))))

    def end(self) -> str:
        """The rest, once all tokens have come: a character that was not finished is told as U+FFFD."""
        told = self._tell(self._utf8.decode(b"", final=True))
        held, self._held = self._held, ""
        return told + held

    def _tell(self, text: str) -> str:
        if self.stopped_by is not None:
            return ""
        if not self._stop:
            return text
        self._held += text
        found = min(((at, stop) for stop in self._stop if (at := self._held.find(stop)) >= 0), default=None)
        if found is not None:
            at, self.stopped_by = found
            told, self._held = self._held[:at], ""
            return told
        kept = max(_overlap(self._held, stop) for stop in self._stop)
        told, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return told


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
