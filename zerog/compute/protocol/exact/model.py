"""What a model has to be for the exact engine, and for whoever replays its answers."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from zerog.compute.protocol.exact.sampling import Sampling
from zerog.primitives import Hash32

__all__ = ["Finish", "Machine", "Score", "ServedModel", "TokenNews", "Vocabulary"]

Finish: TypeAlias = Literal["stop", "length"]


class TokenNews(Protocol):
    """One token of one sequence, as a step brings it."""

    @property
    def sequence(self) -> int: ...
    @property
    def token(self) -> int: ...
    @property
    def logprob(self) -> float:
        """Natural logarithm of the token's probability."""

    @property
    def top(self) -> Sequence[tuple[int, float]]:
        """The likeliest tokens with theirs."""

    @property
    def finish(self) -> Finish | None:
        """`stop`: this token ends every answer. `length`: it is the last that was asked for."""

    @property
    def trace_root(self) -> bytes | None:
        """With the last token, where it was asked for."""


class Score(Protocol):
    """What came out when tokens were chosen again."""

    @property
    def position(self) -> int | None:
        """Number of the first token that is another one than was given, counted from the beginning of all; `None`: they are the same."""

    @property
    def expected(self) -> int | None:
        """The token that came out there."""

    @property
    def logprobs(self) -> Sequence[float]:
        """Of each token that was given, from `first` on."""

    @property
    def trace_root(self) -> bytes | None:
        """Of all of them, where it was asked for."""


class Machine(Protocol):
    """A model that computes. It is used by one thread at a time."""

    @property
    def slots(self) -> int:
        """How many sequences it computes at once."""

    @property
    def context(self) -> int:
        """Tokens that a sequence can have, prompt and answer together."""

    def add(self, tokens: Sequence[int], sampling: Sampling) -> tuple[int, int]:
        """Begin a sequence in a slot that is free; returns its name, and how many tokens of the prompt are known already."""

    def step(self) -> Sequence[TokenNews]:
        """Compute one token of every sequence that has its prompt read, and read on in the others' prompts."""

    def cancel(self, sequence: int) -> bytes | None:
        """Compute no more of it; returns the trace of its tokens, where it was asked for. One that has finished is gone by itself."""

    def embed(self, tokens: Sequence[int]) -> bytes:
        """The text's vector of length 1: four bytes a number, the lowest first."""

    def score(self, tokens: Sequence[int], first: int, sampling: Sampling) -> "Score":
        """Choose again each token from number `first` on, with those before it as they are given: it is quicker than choosing them one
        after the other."""

    def idle_release(self) -> None:
        """Give back the memory that only makes it faster, weights too; whoever asks next waits until they are there again."""


class Vocabulary(Protocol):
    """The tokens of a model."""

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def end_tokens(self) -> Sequence[int]:
        """Those that end an answer."""

    def encode(self, text: str) -> list[int]:
        """Plain text as tokens: nothing in it becomes a control token."""

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The bytes of tokens, one after the other; control tokens have none."""


class ServedModel(Protocol):
    """A model with all that an engine needs of it."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def engine_version(self) -> str:
        """Changes whenever the same request could get another answer."""

    @property
    def sha256(self) -> Hash32:
        """Of its file."""

    @property
    def root(self) -> Hash32:
        """Of its file in 0G Storage."""

    @property
    def details(self) -> Mapping[str, object]:
        """What a list of models tells of it: its architecture, its size, its limits; JSON values."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def machine(self) -> Machine: ...
    def prompt(self, messages: bytes) -> list[int]:
        """A conversation (JSON: objects with `role` and `content`) in the model's template, as tokens."""
