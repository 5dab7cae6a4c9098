"""What computes answers: servers with OpenAI's API, and others behind the same interface."""

from zerog.compute.provider.engines.interface import Engine, EngineAnswer, EngineIdentity, EnginePool, EngineRequest

__all__ = ["Engine", "EngineAnswer", "EngineIdentity", "EnginePool", "EngineRequest"]
