"""What a replay finds, where it does not find the same answer.

ComputeError
├── DifferenceError      the answer is not what the model gives, or not for what was asked
└── NotReplayableError   the answer cannot be made again here
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zerog.compute.protocol.errors import ComputeError

__all__ = ["DifferenceError", "NotReplayableError", "Part"]

Part: TypeAlias = Literal["model", "parameters", "seed", "prompt", "token", "text", "end", "usage", "probabilities", "trace", "vector"]
"""Where the first difference is."""


@dataclass(eq=False)
class DifferenceError(ComputeError):
    """The answer is not what the model gives, or not for what was asked."""

    part: Part
    cause: str

    code = "replay_differs"
    remedy = "do not rely on the answer: whoever signed it signed what this model does not say to this request"

    def __str__(self) -> str:
        return f"{self.part}: {self.cause}"


@dataclass(eq=False)
class NotReplayableError(ComputeError):
    """The answer cannot be made again here, which says nothing about whether it is true."""

    cause: str
    advice: str

    code = "replay_impossible"

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return self.advice

    def __str__(self) -> str:
        return f"the answer cannot be made again here: {self.cause}"
