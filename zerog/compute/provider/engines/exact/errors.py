"""What goes wrong with the exact engine beside what its requests ask for.

EngineError
├── ModelMissingError   there is no model to answer with (503)
└── EngineBusyError     more requests wait than may (503)
"""

from dataclasses import dataclass

from zerog.compute.provider.engines.errors import EngineError

__all__ = ["EngineBusyError", "ModelMissingError"]


@dataclass(eq=False)
class ModelMissingError(EngineError):
    """There is no model to answer with."""

    command: str
    """What brings one."""
    retry_after_s: float = 60.0

    code = "no_model"
    http_status = 503

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"its operator fetches one with `{self.command}` and starts the provider again"


@dataclass(eq=False)
class EngineBusyError(EngineError):
    """More requests wait than may."""

    retry_after_s: float = 1.0

    code = "engine_busy"
    remedy = "retry after the time in Retry-After"
    http_status = 503
