"""What an answer costs and what the client gets of it, read from its bytes as they come. Nothing here waits or knows the time.

A reader is fed the pieces that a model's server sends, and gives back what may go to the client at once. What it holds back until
`finish` is the end of the answer: it leaves only when the charge is durable.
"""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from typing import Final

import msgspec

from zerog.compute.protocol.e2ee import ResponseSealer
from zerog.compute.protocol.fees import Usage
from zerog.compute.provider.errors import BrokenAnswerError
from zerog.compute.provider.pictures import picture_hashes, pictures_in, with_addresses
from zerog.compute.provider.sanitising import AnswerNames, decode_object, is_text, sanitised
from zerog.compute.provider.sse import EventSplitter, event_bytes, event_data
from zerog.compute.provider.texts import answer_words

__all__ = ["AnswerReader", "EventReader", "JsonReader", "RawReader", "usage_from"]

ANSWER_BYTES_MAX: Final = 64 << 20
"""Of an answer that is kept in memory as a whole."""
WORDS_BYTES_MAX: Final = 10 << 20
"""Of a stream that is kept until its end tells how many tokens it had."""
LARGE_BYTES: Final = 512 << 10
"""It takes more than a millisecond to read and hash this."""
DONE: Final = b"[DONE]"
TOKENS_MAX: Final = 2**48
"""A count of tokens beyond this is no count."""


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _UsageFields(msgspec.Struct):
    """`usage` of the OpenAI and the Anthropic API. Sources: their references of chat, embeddings, transcriptions and messages."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    seconds: float | None = None


_decode_usage: Final = msgspec.json.Decoder(_UsageFields).decode


class AnswerReader(ABC):
    """Reads one answer."""

    def __init__(self) -> None:
        self.image_hashes: list[bytes] = []
        """SHA-256 of each picture in the answer."""
        self.pictures: list[bytes] = []
        """Those of which the client gets the addresses, so that they have to be kept."""

    @property
    def is_large(self) -> bool:
        """Whether `finish`, or counting `words`, takes a while."""
        return False

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client of `chunk` and what came before it. Raises `BrokenAnswerError`."""

    @abstractmethod
    def finish(self) -> bytes:
        """The rest, after the last piece. Raises `BrokenAnswerError`."""

    def drop_unfinished(self) -> None:  # noqa: B027 - most readers have nothing of the kind.
        """No more will be read: forget what has come of a part that is not complete."""

    def usage(self) -> Usage | None:
        """What the server says it used, once all was read; `None` if it says nothing that can be used."""
        return None

    def words(self) -> str:
        """What the model wrote, once all was read, for counting it."""
        return ""


class RawReader(AnswerReader):
    """Sound, plain text and whatever else is passed on as it is: all but the last piece at once."""

    def __init__(self, *, is_text: bool) -> None:
        super().__init__()
        self._is_text: Final = is_text
        self._held = b""
        self._text: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        held, self._held = self._held, chunk
        if self._is_text:
            self._text.append(chunk)
        return held

    def finish(self) -> bytes:
        return self._held

    def words(self) -> str:
        return b"".join(self._text).decode(errors="replace")


class JsonReader(AnswerReader):
    """One JSON object: it is passed on when all of it is there."""

    def __init__(
        self, names: AnswerNames, sealer: ResponseSealer | None = None, *, has_images: bool = False, addresses: str | None = None
    ) -> None:
        """`addresses`, followed by a number, take the place of pictures."""
        super().__init__()
        self._names: Final = names
        self._sealer: Final = sealer
        self._has_images: Final = has_images
        self._addresses: Final = addresses
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._answer: dict[str, msgspec.Raw] = {}

    @property
    def is_large(self) -> bool:
        return self._size_bytes > LARGE_BYTES

    def feed(self, chunk: bytes) -> bytes:
        self._size_bytes += len(chunk)
        if self._size_bytes > ANSWER_BYTES_MAX:
            raise BrokenAnswerError(f"it is longer than {ANSWER_BYTES_MAX} bytes")
        self._parts.append(chunk)
        return b""

    def finish(self) -> bytes:
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        try:
            self._answer = decode_object(whole)
            shown = dict(self._answer)
            if self._has_images:
                self._read_pictures(shown)
            answer = sanitised(shown, whole, self._names)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BrokenAnswerError(str(error)) from error
        return self._sealer.seal_answer(answer) if self._sealer else answer

    def _read_pictures(self, shown: dict[str, msgspec.Raw]) -> None:
        data = shown.get("data")
        if self._addresses is None or data is None:
            self.image_hashes = picture_hashes(data)
            return
        self.pictures = pictures_in(data)
        self.image_hashes = [hashlib.sha256(picture).digest() for picture in self.pictures]
        shown["data"] = with_addresses(data, self._addresses)

    def usage(self) -> Usage | None:
        found = usage_from(self._answer.get("usage")) or _duration(self._answer.get("duration"))
        if found is None and self.image_hashes:
            found = Usage()
        return found if found is None or not self.image_hashes else dataclasses.replace(found, images=len(self.image_hashes))

    def words(self) -> str:
        return answer_words(bytes(self._answer[name]) for name in ("choices", "content", "text") if name in self._answer)


class EventReader(AnswerReader):
    """A stream of events, each with a JSON object: they are passed on as they come, but for the one that says that it was the last."""

    def __init__(self, names: AnswerNames, sealer: ResponseSealer | None = None) -> None:
        super().__init__()
        self._names: Final = names
        self._sealer: Final = sealer
        self._splitter: Final = EventSplitter()
        self._first_usage: msgspec.Raw | None = None
        self._last_usage: msgspec.Raw | None = None
        self._pieces: list[msgspec.Raw] = []
        self._pieces_bytes = 0
        self._held: list[bytes] = []

    @property
    def is_large(self) -> bool:
        return self._pieces_bytes > LARGE_BYTES

    def feed(self, chunk: bytes) -> bytes:
        events = self._splitter.feed(chunk)
        if len(events) == 1:
            return self._pass(events[0])
        return b"".join([self._pass(event) for event in events])

    def finish(self) -> bytes:
        last = self._splitter.rest()
        if last:
            self._held.append(self._pass(last))
        if self._sealer:
            self._held.append(self._sealer.finish())
        held, self._held = b"".join(self._held), []
        return held

    def drop_unfinished(self) -> None:
        self._splitter.rest()

    def usage(self) -> Usage | None:
        return usage_from(self._first_usage, self._last_usage)

    def words(self) -> str:
        return answer_words(bytes(piece) for piece in self._pieces)

    def _pass(self, event: bytes) -> bytes:
        """What the client gets of one event now."""
        data = event_data(event)
        if data is None:
            return b""  # A comment, or an event without data, which no client sees.
        if data == DONE:
            self._held.append(self._sealer.seal_event(DONE) if self._sealer else b"data: [DONE]\n\n")
            return b""
        try:
            answer = decode_object(data)
            self._note(answer)
            clean = sanitised(answer, data, self._names)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BrokenAnswerError(f"an event of its stream: {error}") from error
        passed = self._sealer.seal_event(clean) if self._sealer else event_bytes(event, clean)
        if "type" in answer and is_text(answer, "type", b'"message_stop"'):
            self._held.append(passed)
            return b""
        return passed

    def _note(self, answer: dict[str, msgspec.Raw]) -> None:
        """Remember what the answer costs, and what it says as long as that is not known."""
        if "error" in answer and not is_text(answer, "error", b"null"):
            raise BrokenAnswerError("it broke off with an error")
        if "usage" in answer and not is_text(answer, "usage", b"null"):
            self._last_usage = answer["usage"]
        elif "message" in answer:
            self._first_usage = decode_object(answer["message"]).get("usage")
        piece = answer.get("choices") or answer.get("delta")
        if piece is not None and self._last_usage is None and self._pieces_bytes <= WORDS_BYTES_MAX:
            self._pieces.append(piece)
            self._pieces_bytes += len(memoryview(piece))


def usage_from(*parts: msgspec.Raw | None) -> Usage | None:
    """What a server used, from the values of `usage` that it sent; of two that tell of the same thing, the later one counts."""
    merged = _UsageFields()
    for part in parts:
        if part is None:
            continue
        try:
            fields = _decode_usage(part)
        except msgspec.DecodeError:
            return None
        for name in _UsageFields.__struct_fields__:
            value = getattr(fields, name)
            if value is not None:
                setattr(merged, name, value)
    return _counted(merged)


def _counted(fields: _UsageFields) -> Usage | None:
    prompt = fields.prompt_tokens if fields.prompt_tokens is not None else fields.input_tokens
    completion = fields.completion_tokens if fields.completion_tokens is not None else fields.output_tokens
    details = fields.prompt_tokens_details or fields.input_tokens_details
    cached = (details.cached_tokens if details is not None else None) or 0
    if fields.prompt_tokens is None and fields.input_tokens is not None:  # Anthropic counts what was cached beside the rest.
        cached += fields.cache_read_input_tokens or 0
        prompt = fields.input_tokens + (fields.cache_read_input_tokens or 0) + (fields.cache_creation_input_tokens or 0)
    if prompt is None and completion is None and fields.seconds is None:
        return None
    prompt, completion, seconds = prompt or 0, completion or 0, fields.seconds or 0
    if not (0 <= cached <= prompt <= TOKENS_MAX and 0 <= completion <= TOKENS_MAX and 0 <= seconds <= TOKENS_MAX):
        return None
    return Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion, seconds=max(1, round(seconds)) if seconds else 0)


def _duration(value: msgspec.Raw | None) -> Usage | None:
    """Seconds that a detailed transcription tells of."""
    try:
        seconds = msgspec.json.decode(value, type=float, strict=False) if value is not None else 0.0
    except msgspec.DecodeError:
        return None
    return Usage(seconds=max(1, round(seconds))) if 0 < seconds <= TOKENS_MAX else None
