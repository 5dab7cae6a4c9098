"""The scripted engine behind the interface of all engines."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio.lowlevel
import msgspec
from anyio import to_thread
from anyio.abc import TaskStatus

from zerog.compute.provider.engines.interface import EngineIdentity, EngineRequest, ModelInfo
from zerog.compute.provider.engines.tokens import count_tokens
from zerog.testing.scripted.answers import ENGINE, NOTE, InvalidRequestError
from zerog.testing.scripted.chat import Chat, encode
from zerog.testing.scripted.embeddings import embeddings
from zerog.testing.scripted.forms import read_form
from zerog.testing.scripted.messages import Messages
from zerog.testing.scripted.pictures import edited, generated
from zerog.testing.scripted.sound import spoken, transcribed

__all__ = ["ScriptedAnswer", "ScriptedEngine"]

VERSION: Final = "1"
"""Changes when the same request gets another answer."""
IDENTITY: Final = EngineIdentity(name=ENGINE, version=VERSION, note=NOTE)
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
QUICK_BYTES: Final = 16 << 10
"""A chat of no more than this is answered in well under a millisecond, without a thread."""


@dataclass(slots=True)
class ScriptedAnswer:
    """An answer whose pieces are made as they are asked for."""

    status: int
    content_type: str
    pieces: Iterator[bytes]
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> EngineIdentity:
        """That of the engine."""
        return IDENTITY

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, an event each if it is a stream."""
        for piece in self.pieces:
            await anyio.lowlevel.checkpoint()
            yield piece


class ScriptedEngine:
    """Answers every kind of service without a model, and says so in every answer."""

    def __init__(self, models: Sequence[str] = ("scripted",)) -> None:
        self._models: Final = tuple(ModelInfo(id=model, owned_by=ENGINE) for model in models)

    @property
    def identity(self) -> EngineIdentity:
        """Its name says what it is, and its note too."""
        return IDENTITY

    @asynccontextmanager
    async def answer(self, request: EngineRequest) -> AsyncIterator[ScriptedAnswer]:
        """Answer; what is no request gets 400 and a path that nobody knows 404, as servers do."""
        is_quick = request.path in QUICK and len(request.body) <= QUICK_BYTES
        yield answer_to(request) if is_quick else await to_thread.run_sync(answer_to, request)

    async def models(self) -> Sequence[ModelInfo]:
        """Those that it was made with; it answers for any name."""
        await anyio.lowlevel.checkpoint()
        return self._models

    def count_tokens(self, text: str) -> int:
        """By the same tokens as its own answers."""
        return count_tokens(text)

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Nothing goes on between requests."""
        task_status.started()
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Nothing is open."""
        await anyio.lowlevel.checkpoint()


def answer_to(request: EngineRequest) -> ScriptedAnswer:
    """The answer to a request."""
    make = ROUTES.get(request.path)
    if make is None:
        return _refusal(404, f"the scripted test engine has no route {request.path[:200]}")
    try:
        return make(request)
    except InvalidRequestError as error:
        return _refusal(400, error.cause)


def _refusal(status: int, cause: str) -> ScriptedAnswer:
    error = {"message": f"{cause} [{NOTE}]", "type": "invalid_request_error", "param": None, "code": None}
    return ScriptedAnswer(status, JSON, iter([encode({"error": error})]))


def _read(request: EngineRequest) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"the body is no JSON: {error}") from error
    if not isinstance(asked, dict):
        raise InvalidRequestError("the body is a JSON object")
    return asked


def _chat(request: EngineRequest) -> ScriptedAnswer:
    return _told(Chat(_read(request), request.model))


def _messages(request: EngineRequest) -> ScriptedAnswer:
    return _told(Messages(_read(request), request.model))


def _told(chat: Chat | Messages) -> ScriptedAnswer:
    return ScriptedAnswer(200, EVENTS, chat.events()) if chat.stream else ScriptedAnswer(200, JSON, iter([chat.whole()]))


def _embeddings(request: EngineRequest) -> ScriptedAnswer:
    return ScriptedAnswer(200, JSON, iter([embeddings(_read(request), request.model)]))


def _generation(request: EngineRequest) -> ScriptedAnswer:
    return ScriptedAnswer(200, JSON, iter([generated(_read(request))]))


def _edit(request: EngineRequest) -> ScriptedAnswer:
    form = read_form(request.body, request.content_type)
    return ScriptedAnswer(200, JSON, iter([edited(form.fields, form.file("image", "image[]"))]))


def _transcription(request: EngineRequest) -> ScriptedAnswer:
    form = read_form(request.body, request.content_type)
    heard = transcribed(form.fields, form.file("file"))
    return ScriptedAnswer(200, heard.content_type, iter([heard.data]))


def _speech(request: EngineRequest) -> ScriptedAnswer:
    said = spoken(_read(request))
    return ScriptedAnswer(200, said.content_type, iter([said.data]))


ROUTES: Final[dict[str, Callable[[EngineRequest], ScriptedAnswer]]] = {
    "/chat/completions": _chat,
    "/messages": _messages,
    "/embeddings": _embeddings,
    "/images/generations": _generation,
    "/images/edits": _edit,
    "/audio/transcriptions": _transcription,
    "/audio/speech": _speech,
}
QUICK: Final = ("/chat/completions", "/messages")
