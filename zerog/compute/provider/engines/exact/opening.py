"""The exact engine as settings name it: over a model's file, or over a model of the cache."""

from functools import partial

from zerog.compute.provider.engines.exact.engine import ExactEngine

__all__ = ["exact_engine"]


def exact_engine(name: str, model: str | None = None) -> ExactEngine:
    """It serves the file `model`, or the model of this name in the cache, once it runs; nothing is read before."""
    from zerog.compute.client.loading import DEFAULT_MODEL, load_model

    return ExactEngine(name, partial(load_model, model), wish=model or DEFAULT_MODEL)
