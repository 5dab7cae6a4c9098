"""The words of chats as they come: out of whole answers, and out of the events of streams."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from zerog.compute.client.errors import ProviderAnswerError

__all__ = ["EventWords", "completion_id", "words_of"]

LINE_BYTES_MAX: Final = 16 << 20
DONE: Final = b"[DONE]"


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    error: msgspec.Raw = msgspec.Raw(b"null")


_COMPLETION: Final = msgspec.json.Decoder(_Completion)


def words_of(body: bytes, url: str) -> list[str]:
    """What the model says in a chat's JSON, whole or a piece of it. Raises `ProviderAnswerError`, also where it tells of a failure."""
    try:
        completion = _COMPLETION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderAnswerError(url, f"an answer that cannot be read ({error})") from None
    if bytes(completion.error) != b"null":
        raise ProviderAnswerError(url, f"the answer breaks off: {bytes(completion.error).decode(errors='replace')}")
    parts = (choice.delta or choice.message for choice in completion.choices[:1])
    return [part.content for part in parts if part is not None and part.content]


class EventWords:
    """Reads a stream of events piece by piece. Source: WHATWG HTML, server-sent events."""

    def __init__(self, url: str, words: Callable[[bytes], list[str]]) -> None:
        """`words` takes what one event carries."""
        self._url: Final = url
        self._words: Final = words
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """The words that `piece` completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise ProviderAnswerError(self._url, "an event that does not end")
        for line in lines:
            yield from self._of_line(line)

    def finish(self) -> Iterator[str]:
        """Those of a last line that nothing ends."""
        rest, self._rest = self._rest, b""
        yield from self._of_line(rest)

    def _of_line(self, line: bytes) -> list[str]:
        data = line[len(b"data:") :].strip() if line.startswith(b"data:") else b""
        return [] if data in (b"", DONE) else self._words(data)


class _Identified(msgspec.Struct):
    id: str


def completion_id(body: bytes, url: str) -> str:
    """Where the model's own enclave signs, the id of the completion names the signature. Raises `ProviderAnswerError`."""
    first = next((line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:")), body)
    try:
        return msgspec.json.decode(first, type=_Identified).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProviderAnswerError(url, "neither the answer nor its headers say what it is called") from None
