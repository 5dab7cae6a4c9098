"""What the exact engine does not take.

ComputeError
├── InvalidChatError            a request that is none
├── UnsupportedParameterError   a request for something that the engine does not do
└── ContextLengthError          more tokens than the model can hold
"""

from dataclasses import dataclass

from zerog.compute.protocol.errors import ComputeError

__all__ = ["ContextLengthError", "InvalidChatError", "UnsupportedParameterError"]


@dataclass(eq=False)
class InvalidChatError(ComputeError):
    """A request that is none. Its message quotes nothing of a prompt."""

    cause: str

    code = "invalid_request"
    remedy = "see OpenAI's API reference for the form of a request"
    http_status = 400

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class UnsupportedParameterError(ComputeError):
    """A request for something that the engine does not do: it says so in place of answering as if it had not been asked."""

    parameter: str
    cause: str

    code = "unsupported_parameter"
    http_status = 400

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"leave `{self.parameter}` out, or choose a provider with another engine"

    def __str__(self) -> str:
        return f"{self.parameter}: {self.cause}"


@dataclass(eq=False)
class ContextLengthError(ComputeError):
    """More tokens than the model can hold."""

    context_tokens: int
    prompt_tokens: int
    completion_tokens: int

    code = "context_length_exceeded"
    remedy = "shorten the messages, or ask for fewer tokens"
    http_status = 400

    def __str__(self) -> str:
        return (
            f"this model's maximum context length is {self.context_tokens} tokens, and the request has {self.prompt_tokens} in its "
            f"messages and asks for {self.completion_tokens}"
        )
