"""What goes wrong with an engine, and who can do what about it.

ComputeError
├── EngineSettingsError          engines that cannot be (settings)
├── NoEngineError                no engine for this kind of service (501)
├── UnknownModelError            a model that no engine has (404)
└── EngineError
    ├── EngineUnavailableError   it cannot be reached, or is left alone for a while (503)
    ├── EngineTimeoutError       it did not answer in time (504)
    └── EngineBrokenAnswerError  its answer cannot be used (502)
"""

from dataclasses import dataclass

from zerog.compute.protocol.errors import ComputeError

__all__ = [
    "EngineBrokenAnswerError",
    "EngineError",
    "EngineSettingsError",
    "EngineTimeoutError",
    "EngineUnavailableError",
    "NoEngineError",
    "UnknownModelError",
]


@dataclass(eq=False)
class EngineSettingsError(ComputeError):
    """Engines that cannot be."""

    cause: str

    code = "engine_settings"
    remedy = "give each engine as URL or NAME=URL, such as http://127.0.0.1:8000/v1"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class NoEngineError(ComputeError):
    """There is nothing that does this."""

    service: str

    code = "no_engine"
    http_status = 501

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"choose a provider whose service type is {self.service}; its operator adds one with --engine URL and a model of that type"

    def __str__(self) -> str:
        return f"this provider has no engine for {self.service}"


@dataclass(eq=False)
class UnknownModelError(ComputeError):
    """A model that no engine of this provider has."""

    model: str
    known: tuple[str, ...]

    code = "model_not_found"
    http_status = 404

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"name {' or '.join(self.known[:20])}" if self.known else "see GET /v1/models"

    def __str__(self) -> str:
        return f"no engine has the model {self.model[:200]!r}"


@dataclass(eq=False)
class EngineError(ComputeError):
    """An engine failed."""

    engine: str
    """Its name in the settings; its address is nobody else's business."""
    cause: str

    def __str__(self) -> str:
        return f"the engine {self.engine} {self.cause}"


@dataclass(eq=False)
class EngineUnavailableError(EngineError):
    """An engine that cannot be reached, or that failed so often that it is left alone for a while."""

    retry_after_s: float = 1.0

    code = "engine_unavailable"
    remedy = "retry in a moment"
    http_status = 503


@dataclass(eq=False)
class EngineTimeoutError(EngineError):
    """An engine that did not answer, or did not go on, in time."""

    code = "engine_timeout"
    remedy = "retry with a shorter request, or later"
    http_status = 504


@dataclass(eq=False)
class EngineBrokenAnswerError(EngineError):
    """An answer that cannot be used."""

    code = "engine_broken_answer"
    remedy = "retry; if it stays so, the operator must look at the engine"
    http_status = 502
