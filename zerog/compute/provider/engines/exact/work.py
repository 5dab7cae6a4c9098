"""What is asked of a model: an answer that grows token by token, or a vector."""

from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio

from zerog.compute.protocol.exact import Finish, Sampling, TokenNews, Writing
from zerog.compute.provider.engines.errors import EngineError

__all__ = ["BytesOf", "ChatWork", "EmbeddingWork", "Piece", "SampledToken"]

BytesOf: TypeAlias = Callable[[Sequence[int]], bytes]


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A token with its probability."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(slots=True)
class Piece:
    """What has come of an answer since it was last looked at."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[SampledToken] = field(default_factory=list)


class _Work:
    """What both kinds have in common: somebody waits for it, and it ends, well or not."""

    def __init__(self, user: Hashable, prompt: Sequence[int]) -> None:
        self.user: Final = user
        self.prompt: Final = prompt
        self.is_over = False
        self.is_given_up = False
        self.error: EngineError | None = None
        self._news = anyio.Event()

    def fail(self, error: EngineError) -> None:
        """End it without a result."""
        self.error = error
        self._end()

    def _end(self) -> None:
        self.is_over = True
        self._news.set()

    def _tell(self) -> None:
        self._news.set()

    async def _wait(self) -> None:
        await self._news.wait()
        self._news = anyio.Event()


class ChatWork(_Work):
    """One answer. Tokens that nobody takes are kept: there are no more of them than were asked for."""

    def __init__(self, user: Hashable, prompt: Sequence[int], sampling: Sampling, bytes_of: BytesOf) -> None:
        super().__init__(user, prompt)
        self.sampling: Final = sampling
        self.sequence: int | None = None
        self.cached_tokens = 0
        """How many tokens of the prompt were known already."""
        self.tokens: Final[list[int]] = []
        """All that were sampled, also one that ends answers, and those of a stop."""
        self.finish: Finish | None = None
        self.trace_root: bytes | None = None
        self._writing: Final = Writing(bytes_of, sampling.stop)
        self._piece = Piece()

    @property
    def stopped_by(self) -> str | None:
        """The text that ended the answer, if one did."""
        return self._writing.stopped_by

    def receive(self, news: TokenNews) -> None:
        """Take the next token. Where `finish` is known then and the model does not know of it, `close` follows."""
        piece = self._piece
        self.tokens.append(news.token)
        piece.tokens.append(news.token)
        if news.finish != "stop":
            piece.text += self._writing.add(news.token)
            if self.sampling.top_logprobs is not None:
                piece.logprobs.append(SampledToken(news.token, news.logprob, tuple(news.top)))
        self.finish = "stop" if self._writing.stopped_by is not None else news.finish
        if news.finish is not None:
            piece.text += self._writing.end()
            self.close(news.trace_root)
        elif self.finish is None:
            self._tell()

    def close(self, trace_root: bytes | None) -> None:
        """That was the last token."""
        self.trace_root = trace_root
        self._end()

    async def pieces(self) -> AsyncIterator[Piece]:
        """The answer as it grows. What has come while nobody looked is one piece. Raises `EngineError`s."""
        while True:
            piece, self._piece = self._piece, Piece()
            if piece.tokens:
                yield piece
            elif self.error is not None:
                raise self.error
            elif self.is_over:
                return
            else:
                await self._wait()


class EmbeddingWork(_Work):
    """One vector."""

    def __init__(self, user: Hashable, prompt: Sequence[int]) -> None:
        super().__init__(user, prompt)
        self._vector = b""

    def receive(self, vector: bytes) -> None:
        """Here it is."""
        self._vector = vector
        self._end()

    async def vector(self) -> bytes:
        """Wait for it. Raises `EngineError`s."""
        while not self.is_over:
            await self._wait()
        if self.error is not None:
            raise self.error
        return self._vector
