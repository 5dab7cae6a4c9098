"""The one task that makes a model compute: it takes requests in turn, lets them run together, and hands out their tokens.

The model is asked in a thread, one call after the other, so that nothing of it is ever used by two at once. Between two calls tokens are
handed out, and what has ended makes room; while the next call runs, the event loop sends them.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from zerog.compute.protocol.exact import Machine, Sampling, TokenNews
from zerog.compute.provider.engines.errors import EngineBrokenAnswerError, EngineUnavailableError
from zerog.compute.provider.engines.exact.errors import EngineBusyError
from zerog.compute.provider.engines.exact.turns import QueueFullError, Turns
from zerog.compute.provider.engines.exact.work import BytesOf, ChatWork, EmbeddingWork

__all__ = ["Driver", "DriverRules"]

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverRules:
    """Bounds of one driver."""

    waiting_max: int = 64
    """Requests that may wait for a place."""
    waiting_of_user_max: int = 16
    """Of one user."""
    idle_s: float = 30.0
    """After so long without a request the memory for weights and sequences is given back; the next request packs the weights again."""


class Driver:
    """Carries out what is asked of one model, while `run` runs."""

    def __init__(self, name: str, machine: Machine, bytes_of: BytesOf, rules: DriverRules | None = None) -> None:
        """`name` is the engine's, for messages."""
        self.name: Final = name
        self.rules: Final = rules or DriverRules()
        self._machine: Final = machine
        self._bytes_of: Final = bytes_of
        self._limiter: Final = CapacityLimiter(1)
        self._waiting: Final[Turns[ChatWork | EmbeddingWork]] = Turns(self.rules.waiting_max, self.rules.waiting_of_user_max)
        self._active: Final[dict[int, ChatWork]] = {}
        self._given_up: Final[list[int]] = []
        self._news = anyio.Event()
        self._is_release_asked = False
        self._is_stopped = False

    @property
    def active(self) -> int:
        """Answers that are being computed."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    def chat(self, user: Hashable, prompt: Sequence[int], sampling: Sampling) -> ChatWork:
        """Ask for an answer. Raises `EngineBusyError`, `EngineUnavailableError`."""
        return self._put(ChatWork(user, prompt, sampling, self._bytes_of))

    def embed(self, user: Hashable, tokens: Sequence[int]) -> EmbeddingWork:
        """Ask for a vector. Raises `EngineBusyError`, `EngineUnavailableError`."""
        return self._put(EmbeddingWork(user, tokens))

    def cancel(self, work: ChatWork | EmbeddingWork) -> None:
        """Nobody wants it any more. What has ended is left as it is."""
        work.is_given_up = True
        if work.is_over or self._waiting.remove(work.user, work):
            return
        if isinstance(work, ChatWork) and work.sequence is not None:
            self._active.pop(work.sequence, None)
            self._given_up.append(work.sequence)

    def release(self) -> None:
        """Give the memory back as soon as there is nothing to do: nobody is expected to ask soon."""
        self._is_release_asked = True
        self._news.set()

    async def run(self) -> None:
        """Compute until cancelled; then all fail that still wait."""
        try:
            while True:
                while self._given_up:
                    self._machine.cancel(self._given_up.pop())
                await self._admit()
                if self._active:
                    for news in await self._ask(self._machine.step):
                        self._deliver(news)
                elif not self._waiting and not self._given_up:
                    await self._idle()
        finally:
            self._is_stopped = True
            for work in (*self._active.values(), *self._waiting):
                work.fail(EngineUnavailableError(self.name, "is being stopped"))

    async def _admit(self) -> None:
        """Fill the free slots, by turns; vectors are computed at once, one of them before the next token."""
        while self._waiting and len(self._active) < self._machine.slots:
            work = self._waiting.take()
            try:
                if isinstance(work, EmbeddingWork):
                    work.receive(await self._ask(partial(self._machine.embed, work.prompt)))
                    return
                sequence, work.cached_tokens = await self._ask(partial(self._machine.add, work.prompt, work.sampling))
            except (ValueError, OSError) as error:  # Of this request alone: there is no memory for it, or it is none for the model.
                log.warning("engine_refused", engine=self.name, cause=str(error))
                work.fail(EngineBrokenAnswerError(self.name, f"cannot compute it: {error}"))
                continue
            if work.is_given_up:  # While it was begun.
                self._machine.cancel(sequence)
                continue
            work.sequence = sequence
            self._active[sequence] = work

    def _deliver(self, news: TokenNews) -> None:
        work = self._active.get(news.sequence)
        if work is None:
            return  # Given up while this token was computed.
        work.receive(news)
        if work.finish is not None:
            del self._active[news.sequence]
        if work.finish is not None and news.finish is None:  # A text ended it, of which the model knows nothing.
            work.close(self._machine.cancel(news.sequence))

    async def _idle(self) -> None:
        """Wait for a request; after a while without the memory that nobody needs now."""
        with anyio.move_on_after(0 if self._is_release_asked else self.rules.idle_s):
            await self._news.wait()
        if not self._news.is_set():
            self._is_release_asked = False
            await self._ask(self._machine.idle_release)
            log.debug("engine_idle", engine=self.name)
            await self._news.wait()
        self._news = anyio.Event()

    async def _ask(self, call: Callable[[], _Result]) -> _Result:
        """Let the model compute, in a thread."""
        return await to_thread.run_sync(call, limiter=self._limiter)

    def _put(self, work: "_AnyWork") -> "_AnyWork":
        if self._is_stopped:
            raise EngineUnavailableError(self.name, "is being stopped")
        try:
            self._waiting.put(work.user, work)
        except QueueFullError as error:
            whose = "of one user's requests" if error.of_user else "requests"
            limit = self.rules.waiting_of_user_max if error.of_user else self.rules.waiting_max
            raise EngineBusyError(self.name, f"has {limit} {whose} waiting", 1.0 + len(self._waiting) / self._machine.slots) from None
        self._news.set()
        return work


_AnyWork = TypeVar("_AnyWork", ChatWork, EmbeddingWork)
