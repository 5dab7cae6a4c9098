"""What computes answers: servers with OpenAI's API, and models in this process, behind one interface."""

from zerog.compute.provider.engines.errors import (
    EngineBrokenAnswerError,
    EngineError,
    EngineSettingsError,
    EngineTimeoutError,
    EngineUnavailableError,
    NoEngineError,
    UnknownModelError,
)
from zerog.compute.provider.engines.exact import EngineBusyError, ExactEngine, ModelMissingError
from zerog.compute.provider.engines.http import HttpRules
from zerog.compute.provider.engines.interface import (
    Engine,
    EngineAnswer,
    EngineChoice,
    EngineIdentity,
    EngineRequest,
    ModelInfo,
    PooledEngine,
)
from zerog.compute.provider.engines.openai import EngineOptions, OpenAIEngine
from zerog.compute.provider.engines.opening import open_engines, read_engines
from zerog.compute.provider.engines.pool import EnginePool, EngineRoute
from zerog.compute.provider.engines.tokens import count_tokens, split_tokens

__all__ = [
    "Engine",
    "EngineAnswer",
    "EngineBrokenAnswerError",
    "EngineBusyError",
    "EngineChoice",
    "EngineError",
    "EngineIdentity",
    "EngineOptions",
    "EnginePool",
    "EngineRequest",
    "EngineRoute",
    "EngineSettingsError",
    "EngineTimeoutError",
    "EngineUnavailableError",
    "ExactEngine",
    "HttpRules",
    "ModelInfo",
    "ModelMissingError",
    "NoEngineError",
    "OpenAIEngine",
    "PooledEngine",
    "UnknownModelError",
    "count_tokens",
    "open_engines",
    "read_engines",
    "split_tokens",
]
