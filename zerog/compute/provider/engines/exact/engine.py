"""The exact engine: a model in this process whose answers come out the same, bit for bit, on every machine."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeVar

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus

from zerog.compute.protocol.exact import (
    ENGINE,
    ChatAsked,
    ContextLengthError,
    EmbeddingAsked,
    ServedModel,
    answer_texts,
    embedding_texts,
    read_chat,
    read_embedding,
    read_messages,
)
from zerog.compute.provider.engines.errors import NoEngineError
from zerog.compute.provider.engines.exact.driver import Driver, DriverRules
from zerog.compute.provider.engines.exact.errors import ModelMissingError
from zerog.compute.provider.engines.exact.shapes import AnswerFacts, ChatShape, MessagesShape, Shape, embeddings_body
from zerog.compute.provider.engines.exact.work import ChatWork, EmbeddingWork
from zerog.compute.provider.engines.interface import EngineIdentity, EngineRequest, ModelInfo
from zerog.compute.provider.engines.tokens import count_tokens

_Read = TypeVar("_Read")

__all__ = ["ExactAnswer", "ExactEngine", "ExactVector"]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
SEED_BITS: Final = 53
"""Of a seed that nobody named: every reader of JSON reads it as it is."""
QUICK_BYTES: Final = 4 << 10
"""A body of no more than this is read, and made into tokens, in well under a millisecond."""
FINGERPRINT_DIGITS: Final = 16


class ExactEngine:
    """One model, or none yet. It answers while `run` runs."""

    def __init__(
        self,
        name: str,
        load_model: Callable[[], ServedModel | None],
        *,
        wish: str = "smollm2",
        rules: DriverRules | None = None,
        draw: Callable[[int], int] = secrets.randbits,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`load_model` finds the model and opens it, in a thread; `wish` is what it looks for in the cache.

        `draw` gives so many random bits for the seeds that nobody named.
        """
        self.name: Final = name
        self.wish: Final = wish
        self._load_model: Final = load_model
        self._rules: Final = rules
        self._draw: Final = draw
        self._now_s: Final = now_s
        self._model: ServedModel | None = None
        self._driver: Driver | None = None

    @property
    def model(self) -> ServedModel | None:
        """What answers; `None` before `run` has begun, and without a model."""
        return self._model

    @property
    def load(self) -> tuple[int, int]:
        """How many answers are computed, and how many requests wait."""
        return (0, 0) if self._driver is None else (self._driver.active, self._driver.waiting)

    @property
    def missing(self) -> ModelMissingError | None:
        """Why it cannot answer, if it cannot."""
        command = f"zerog model pull {self.wish}"
        return None if self._model is not None else ModelMissingError(self.name, "has no model", command)

    @property
    def identity(self) -> EngineIdentity:
        """Without a model there is no hash in it."""
        model = self._model
        if model is None:
            return EngineIdentity(name=ENGINE, version="none")
        return EngineIdentity(
            name=ENGINE, version=model.engine_version, model_sha256=model.sha256, model_root=model.root, details=model.details
        )

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Open the model, then compute until cancelled. Reports when it can be asked. Raises `ModelError`s for a file that is no model."""
        model = self._model = await to_thread.run_sync(self._load_model)
        if model is None:
            task_status.started()
            await anyio.sleep_forever()
            return
        self._driver = Driver(self.name, model.machine, model.vocabulary.decode, self._rules)
        task_status.started()
        await self._driver.run()

    @asynccontextmanager
    async def answer(self, request: EngineRequest) -> AsyncIterator["ExactAnswer | ExactVector"]:
        """Answer; leaving early ends the work.

        Raises `ModelMissingError`, `EngineBusyError`, `NoEngineError` for another kind of service, and `InvalidChatError`,
        `UnsupportedParameterError` and `ContextLengthError` for what is not done.
        """
        model, driver = self._parts()
        if request.path == "/embeddings":
            asked, texts = await _off_loop(request.body, lambda: self._read_embedding(request, model))
            vector = ExactVector(self, driver, request, asked, texts)
            try:
                yield vector
            finally:
                vector.cancel()
            return
        chat, prompt = await _off_loop(request.body, lambda: self._read(request, model))
        sampling = chat.sampling_for(len(prompt), model.machine.context, self._draw(SEED_BITS))
        work = driver.chat(request.user, prompt, sampling)
        try:
            yield ExactAnswer(self.identity, work, self._shape(request, chat, model), is_stream=chat.stream)
        finally:
            driver.cancel(work)

    async def models(self) -> Sequence[ModelInfo]:
        """The one. Raises `ModelMissingError`."""
        await anyio.lowlevel.checkpoint()
        model, _ = self._parts()
        return [ModelInfo(id=model.id, owned_by=ENGINE, context_tokens=model.machine.context)]

    def count_tokens(self, text: str) -> int:
        """The model's own."""
        return count_tokens(text) if self._model is None else len(self._model.vocabulary.encode(text))

    def release(self) -> None:
        """Give back what memory it has for answers, as it does by itself when nobody has asked for a while."""
        if self._driver is not None:
            self._driver.release()

    async def aclose(self) -> None:
        """Nothing is open but while `run` runs."""
        await anyio.lowlevel.checkpoint()

    @property
    def fingerprint(self) -> str:
        """`system_fingerprint`: the engine's version, and the beginning of the model's hash."""
        identity = self.identity
        digest = "" if identity.model_sha256 is None else identity.model_sha256.hex()[:FINGERPRINT_DIGITS]
        return f"{identity.version}-{digest}"

    def _parts(self) -> tuple[ServedModel, Driver]:
        missing = self.missing
        if missing is not None:
            raise missing
        if self._model is None or self._driver is None:
            raise RuntimeError("an engine that has a model runs")
        return self._model, self._driver

    def _read(self, request: EngineRequest, model: ServedModel) -> tuple[ChatAsked, Sequence[int]]:
        """A chat and its prompt as tokens."""
        if request.path == "/chat/completions":
            asked = read_chat(request.body, model.vocabulary.vocabulary_size)
        elif request.path == "/messages":
            asked = read_messages(request.body)
        else:
            raise NoEngineError(request.service_type.value)
        return asked, model.prompt(asked.messages)

    def _read_embedding(self, request: EngineRequest, model: ServedModel) -> tuple[EmbeddingAsked, tuple[Sequence[int], ...]]:
        asked = read_embedding(request.body, model.vocabulary.vocabulary_size)
        texts = tuple(model.vocabulary.encode(each) if isinstance(each, str) else each for each in asked.inputs)
        longest = max(map(len, texts))
        if longest > model.machine.context:
            raise ContextLengthError(model.machine.context, longest, 0)
        return asked, texts

    def _shape(self, request: EngineRequest, chat: ChatAsked, model: ServedModel) -> Shape:
        facts = AnswerFacts(
            id=secrets.token_hex(12),
            model=request.model,
            created_s=int(self._now_s()),
            fingerprint=self.fingerprint,
            bytes_of=model.vocabulary.decode,
        )
        return MessagesShape(facts) if request.path == "/messages" else ChatShape(chat, facts)


async def _off_loop(body: bytes, read: Callable[[], _Read]) -> _Read:
    return read() if len(body) <= QUICK_BYTES else await to_thread.run_sync(read)


class ExactAnswer:
    """A chat's answer as it is computed."""

    status: Final = 200

    def __init__(self, identity: EngineIdentity, work: ChatWork, shape: Shape, *, is_stream: bool) -> None:
        self._identity: Final = identity
        self._work: Final = work
        self._shape: Final = shape
        self._is_stream: Final = is_stream

    @property
    def content_type(self) -> str:
        """Of a stream or of one object."""
        return EVENTS if self._is_stream else JSON

    @property
    def identity(self) -> EngineIdentity:
        """What computed it and from what; the answer's own part is there once all of it has come."""
        work = self._work
        texts = answer_texts(work.sampling, work.prompt, work.tokens, work.trace_root)
        return replace(self._identity, parameters=texts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises `EngineUnavailableError` where it breaks off."""
        work, shape = self._work, self._shape
        if not self._is_stream:
            pieces = [piece async for piece in work.pieces()]
            yield shape.whole(work, pieces)
            return
        is_first = True
        async for piece in work.pieces():
            told = shape.piece(piece)
            if is_first:
                told, is_first = shape.first(work) + told, False
            if told:
                yield told
        yield shape.last(work)


class ExactVector:
    """Vectors as they are computed, one after the other."""

    status: Final = 200
    content_type: Final = JSON

    def __init__(
        self, engine: ExactEngine, driver: Driver, request: EngineRequest, asked: EmbeddingAsked, texts: tuple[Sequence[int], ...]
    ) -> None:
        self._engine: Final = engine
        self._driver: Final = driver
        self._request: Final = request
        self._asked: Final = asked
        self._texts: Final = texts
        self._work: EmbeddingWork | None = None

    @property
    def identity(self) -> EngineIdentity:
        """What computed them and from what."""
        return replace(self._engine.identity, parameters=embedding_texts(self._texts))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises `EngineUnavailableError` where it breaks off."""
        vectors = []
        for tokens in self._texts:
            self._work = self._driver.embed(self._request.user, tokens)
            vectors.append(await self._work.vector())
        count = sum(map(len, self._texts))
        engine, asked = self._engine, self._asked
        yield await to_thread.run_sync(
            lambda: embeddings_body(vectors, count, model=self._request.model, fingerprint=engine.fingerprint, is_base64=asked.is_base64)
        )

    def cancel(self) -> None:
        """Nobody wants them any more."""
        if self._work is not None:
            self._driver.cancel(self._work)
