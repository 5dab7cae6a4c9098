"""A model without weights, for what drives models: its tokens are bytes, and its answers are texts that a test gives it."""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal

from zerog.compute.protocol.exact import Sampling
from zerog.primitives import Hash32

__all__ = ["END_TOKEN", "ByteModel"]

END_TOKEN: Final = 256
WIDTH: Final = 8
"""Numbers of a vector."""


@dataclass(frozen=True, slots=True)
class _News:
    """One token."""

    sequence: int
    token: int
    logprob: float
    top: Sequence[tuple[int, float]]
    finish: Literal["stop", "length"] | None
    trace_root: bytes | None


@dataclass(frozen=True, slots=True)
class _Score:
    """What came out."""

    position: int | None
    expected: int | None
    logprobs: Sequence[float]
    trace_root: bytes | None


@dataclass(slots=True)
class _Sequence:
    """An answer on its way."""

    rest: Iterator[int]
    sampling: Sampling
    told: list[int] = field(default_factory=list)

    def trace(self) -> bytes | None:
        return hashlib.sha256(bytes(str(self.told), "ascii")).digest() if self.sampling.trace else None


class ByteModel:
    """A model, its vocabulary and its machine in one. It remembers what was done with it."""

    id: Final = "bytes"
    engine_version: Final = "exact-test"
    sha256: Final = Hash32(hashlib.sha256(b"bytes").digest())
    root: Final = Hash32(hashlib.sha256(b"root").digest())
    details: Final[Mapping[str, object]] = {"architecture": "bytes", "limits": "it has no weights"}
    vocabulary_size: Final = END_TOKEN + 1
    end_tokens: Final = (END_TOKEN,)

    def __init__(
        self,
        says: Callable[[str], str] = lambda prompt: f"You said: {prompt}",
        *,
        slots: int = 8,
        context: int = 4_096,
        before_step: Callable[[], None] = lambda: None,
    ) -> None:
        """`says` turns a prompt into an answer; `before_step` is called in the thread of each step."""
        self.slots: Final = slots
        self.context: Final = context
        self.begun: Final[list[str]] = []
        """Prompts in the order in which they were begun."""
        self.cancelled: Final[list[int]] = []
        self.steps = 0
        self.released: Final = threading.Event()
        self._says: Final = says
        self._before_step: Final = before_step
        self._names: Final = count()
        self._sequences: Final[dict[int, _Sequence]] = {}

    @property
    def vocabulary(self) -> "ByteModel":
        return self

    @property
    def machine(self) -> "ByteModel":
        return self

    def prompt(self, messages: bytes) -> list[int]:
        """The messages as they are."""
        return list(messages)

    def encode(self, text: str) -> list[int]:
        """A token a byte."""
        return list(text.encode())

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The end of an answer has none."""
        return bytes(token for token in tokens if token != END_TOKEN)

    def add(self, tokens: Sequence[int], sampling: Sampling) -> tuple[int, int]:
        """Begin; the first half of every prompt is known already."""
        if len(self._sequences) >= self.slots:
            raise RuntimeError("there is no free slot")
        prompt, name = bytes(tokens).decode(), next(self._names)
        self.begun.append(prompt)
        self._sequences[name] = _Sequence(iter((*self._says(prompt).encode(), END_TOKEN)), sampling)
        return name, len(tokens) // 2

    def step(self) -> list[_News]:
        """A byte of each."""
        self._before_step()
        self.steps += 1
        news = [self._next(name, sequence) for name, sequence in self._sequences.items()]
        for told in news:
            if told.finish is not None:
                del self._sequences[told.sequence]
        return news

    def cancel(self, sequence: int) -> bytes | None:
        """It must be there."""
        self.cancelled.append(sequence)
        return self._sequences.pop(sequence).trace()

    def score(self, tokens: Sequence[int], first: int, sampling: Sampling) -> "_Score":
        """Say it again, and compare."""
        again = _Sequence(iter((*self._says(bytes(tokens[:first]).decode()).encode(), END_TOKEN)), sampling)
        for position in range(first, len(tokens)):
            expected = next(again.rest, END_TOKEN)
            if expected != tokens[position]:
                return _Score(position, expected, (), None)
            again.told.append(expected)
        return _Score(None, None, (-0.5,) * (len(tokens) - first), again.trace())

    def embed(self, tokens: Sequence[int]) -> bytes:
        """A direction that only these tokens have."""
        vector = [0.0] * WIDTH
        vector[sum(tokens) % WIDTH] = 1.0
        return struct.pack(f"<{WIDTH}f", *vector)

    def idle_release(self) -> None:
        """There is nothing to give back; whoever waits for it is told."""
        self.released.set()

    def _next(self, name: int, sequence: _Sequence) -> _News:
        token = next(sequence.rest)
        sequence.told.append(token)
        finish: Literal["stop", "length"] | None = None
        if token == END_TOKEN:
            finish = "stop"
        elif len(sequence.told) >= sequence.sampling.max_tokens:
            finish = "length"
        wanted = sequence.sampling.top_logprobs
        top = [(token, -0.5), (32, -1.5)][: wanted or 0]
        return _News(name, token, -0.5, top, finish, sequence.trace() if finish else None)
