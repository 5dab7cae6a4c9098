"""An engine that answers what a test tells it to, and accounts that are what a test says: for the routes alone, without chain or server."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines import EngineIdentity, EngineRequest
from zerog.primitives import Address

__all__ = ["ANSWER", "ScriptedAccount", "ScriptedAccounts", "ScriptedAnswer", "ScriptedPool", "chat_events", "json_answer"]

ANSWER = {
    "id": "gen-1",
    "object": "chat.completion",
    "created": 1,
    "model": "upstream/model-7b",
    "provider": "SomebodyElse",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello, cost and provider."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, "cost": 0.25},
}

IDENTITY = EngineIdentity(name="test", version="1", note="for tests")


@dataclass
class ScriptedAnswer:
    """What the engine sends. `gate`, if set, is awaited before each piece but the first."""

    chunks_to_send: Sequence[bytes]
    status: int = 200
    content_type: str = "application/json"
    gate: Callable[[int], "anyio.Event | None"] | None = None
    error: Exception | None = None
    """Raised after the last piece."""
    identity: EngineIdentity = IDENTITY

    async def chunks(self) -> AsyncIterator[bytes]:
        for index, chunk in enumerate(self.chunks_to_send):
            event = self.gate(index) if self.gate else None
            if event is not None:
                await event.wait()
            else:
                await anyio.lowlevel.checkpoint()
            yield chunk
        if self.error is not None:
            raise self.error


def json_answer(value: object = ANSWER, status: int = 200) -> ScriptedAnswer:
    """A whole answer."""
    return ScriptedAnswer([msgspec.json.encode(value)], status)


def chat_events(words: Sequence[str], *, usage: bool = True, done: bool = True) -> list[bytes]:
    """A stream of a chat, an event a word."""
    head = {"id": "gen-1", "object": "chat.completion.chunk", "model": "upstream/model-7b", "provider": "SomebodyElse"}
    events: list[object] = [{**head, "choices": [{"index": 0, "delta": {"content": word}}]} for word in words]
    if usage:
        events.append({**head, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(words), "cost": 1.5}})
    lines = [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events]
    return [b": KEEP AWAKE\n\n", *lines, *([b"data: [DONE]\n\n"] if done else [])]


@dataclass
class ScriptedPool:
    """One engine for everything."""

    answers: Callable[[EngineRequest], ScriptedAnswer] = lambda _: json_answer()
    requests: list[EngineRequest] = field(default_factory=list)
    identity: EngineIdentity = IDENTITY

    def choose(self, service_type: ServiceType, model: str) -> tuple["ScriptedPool", str]:
        return self, "upstream/model-7b"

    @asynccontextmanager
    async def answer(self, request: EngineRequest) -> AsyncIterator[ScriptedAnswer]:
        self.requests.append(request)
        yield self.answers(request)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@dataclass
class ScriptedAccount:
    locked_wei: int = 5 * 10**18
    acknowledged: bool = True
    generation: int = 0
    revoked_bitmap: int = 0


class ScriptedAccounts(dict[Address, ScriptedAccount]):
    """Accounts by user."""

    async def account(self, user: Address, *, max_age_s: float = 0) -> ScriptedAccount | None:
        await anyio.lowlevel.checkpoint()
        return self.get(user)
