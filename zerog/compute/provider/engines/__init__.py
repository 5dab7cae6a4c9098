"""What computes answers: servers with OpenAI's API, and the scripted engine for tests, behind one interface."""

from zerog.compute.provider.engines.errors import (
    EngineBrokenAnswerError,
    EngineError,
    EngineSettingsError,
    EngineTimeoutError,
    EngineUnavailableError,
    NoEngineError,
    UnknownModelError,
)
from zerog.compute.provider.engines.interface import (
    Engine,
    EngineAnswer,
    EngineChoice,
    EngineIdentity,
    EngineRequest,
    ModelInfo,
    PooledEngine,
)
from zerog.compute.provider.engines.pool import EnginePool, EngineRoute
from zerog.compute.provider.engines.scripted import ScriptedEngine
from zerog.compute.provider.engines.tokens import count_tokens, split_tokens

__all__ = [
    "Engine",
    "EngineAnswer",
    "EngineBrokenAnswerError",
    "EngineChoice",
    "EngineError",
    "EngineIdentity",
    "EnginePool",
    "EngineRequest",
    "EngineRoute",
    "EngineSettingsError",
    "EngineTimeoutError",
    "EngineUnavailableError",
    "ModelInfo",
    "NoEngineError",
    "PooledEngine",
    "ScriptedEngine",
    "UnknownModelError",
    "count_tokens",
    "split_tokens",
]
