"""An engine without a model, for tests: real bytes of every kind of service, the same for the same request, and it says what it is."""

from zerog.testing.scripted.engine import ScriptedEngine

__all__ = ["ScriptedEngine"]
