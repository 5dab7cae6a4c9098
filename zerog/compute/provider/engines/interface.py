"""What a provider asks of an engine, and gets from it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from zerog.compute.protocol.constants import ServiceType
from zerog.primitives import Hash32

__all__ = ["Engine", "EngineAnswer", "EngineIdentity", "EnginePool", "EngineRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """What computes, as it stands in receipts."""

    name: str
    version: str
    note: str | None = None
    """What a user must know, such as that answers are scripted."""
    model_sha256: Hash32 | None = None


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


class EngineAnswer(Protocol):
    """An answer whose head has come."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; pieces are merged only if they wait already."""


class Engine(Protocol):
    """One server, or a model in this process."""

    @property
    def identity(self) -> EngineIdentity: ...

    def answer(self, request: EngineRequest) -> AbstractAsyncContextManager[EngineAnswer]:
        """Ask; leaving the context ends the request. Raises `ComputeError`s for a server that is away, late or broken."""

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has for the model, where nobody says so."""


class EnginePool(Protocol):
    """All engines of one provider."""

    def choose(self, service_type: ServiceType, model: str) -> tuple[Engine, str]:
        """The engine that answers for a public model, and its own name for it. Raises `ComputeError`s if there is none."""
