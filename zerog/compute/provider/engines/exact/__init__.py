"""The exact engine: a model inside the provider whose answers can be recomputed by anybody."""

from zerog.compute.provider.engines.exact.driver import Driver, DriverRules
from zerog.compute.provider.engines.exact.engine import ExactAnswer, ExactEngine, ExactVector
from zerog.compute.provider.engines.exact.errors import EngineBusyError, ModelMissingError
from zerog.compute.provider.engines.exact.opening import exact_engine

__all__ = [
    "Driver",
    "DriverRules",
    "EngineBusyError",
    "ExactAnswer",
    "ExactEngine",
    "ExactVector",
    "ModelMissingError",
    "exact_engine",
]
