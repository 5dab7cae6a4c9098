"""What a provider asks of an engine, and gets from it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from anyio.abc import TaskStatus

from zerog.compute.protocol.constants import ServiceType
from zerog.primitives import Address, Hash32

__all__ = ["Engine", "EngineAnswer", "EngineChoice", "EngineIdentity", "EngineRequest", "ModelInfo", "PooledEngine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """What computes, as it stands in receipts."""

    name: str
    version: str
    note: str | None = None
    """What a user must know, such as that answers are scripted."""
    model_sha256: Hash32 | None = None
    """Of the model's file, where the engine has it: then its answers can be recomputed."""
    model_root: Hash32 | None = None
    """Of the same file in 0G Storage."""
    details: Mapping[str, object] | None = None
    """What a list of models tells of the file beside that; JSON values."""
    parameters: Mapping[str, str] | None = None
    """Of one answer: what decided it beside model and prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """A request as an engine gets it."""

    service_type: ServiceType
    path: str
    """Without a version: `/chat/completions`."""
    body: bytes = field(repr=False)
    content_type: str
    model: str
    """The engine's own name for it."""
    stream: bool
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    user: Address | None = None
    """Who asks, for an engine of our own in which users take turns; no server is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that an engine says it has."""

    id: str
    owned_by: str = ""
    context_tokens: int | None = None


class EngineAnswer(Protocol):
    """An answer whose head has come."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def identity(self) -> EngineIdentity:
        """What computed it; complete once all of it has come."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; pieces are merged only if they wait already.

        Raises `EngineTimeoutError` and `EngineBrokenAnswerError` where it breaks off: an iteration that ends has given all.
        """


class Engine(Protocol):
    """One server, or a model in this process."""

    @property
    def identity(self) -> EngineIdentity: ...

    def answer(self, request: EngineRequest) -> AbstractAsyncContextManager[EngineAnswer]:
        """Ask; leaving the context ends the request. Raises `EngineError`s for a server that is away, late or broken."""

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for the model, where nobody says so."""


class PooledEngine(Engine, Protocol):
    """An engine that says what it has, and is closed in the end."""

    async def models(self) -> Sequence[ModelInfo]:
        """What it says it has. Raises `EngineError`s."""

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Do what answers need that no request does by itself, until cancelled. Reports when it can be asked."""

    async def aclose(self) -> None:
        """Close what is open to it."""


class EngineChoice(Protocol):
    """What a request needs of all engines of a provider."""

    def choose(self, service_type: ServiceType, model: str) -> tuple[Engine, str]:
        """The engine that answers for a public model, and its own name for it. Raises `ComputeError`s if there is none."""
