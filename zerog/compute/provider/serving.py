"""What a provider sells: the engines that its settings name, at work, and the models that it offers of them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from anyio import CancelScope, create_task_group

from zerog.compute.provider.catalogue import Catalogue, read_catalogue
from zerog.compute.provider.engines import (
    EnginePool,
    EngineRoute,
    EngineSettingsError,
    ExactEngine,
    HttpRules,
    ModelMissingError,
    PooledEngine,
    open_engines,
)
from zerog.compute.provider.settings import ComputeProviderSettings

__all__ = ["serving"]

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(
    settings: ComputeProviderSettings, engines: Mapping[str, PooledEngine] | None = None, *, role: str = "compute"
) -> AsyncIterator[tuple[EnginePool, Catalogue]]:
    """Engines that work until the block ends, and what is offered of them; `engines` in place of those of the settings.

    Raises `EngineSettingsError`, `EngineError`s of an engine that has to name the model and does not, and `ProviderSettingsError`.
    """
    rules = HttpRules(head_s=settings.engine_timeout_s, piece_s=settings.engine_timeout_s)
    if engines is None:
        engines = open_engines(settings.engine, settings.engine_key, rules=rules, model=settings.model)
    async with create_task_group() as tasks:
        try:
            for name, engine in engines.items():
                await tasks.start(engine.run, name=f"{role}.engine.{name}")
            catalogue = read_catalogue(await _fitted(settings, engines))
            pool = EnginePool(engines, _routes(catalogue))
            tasks.start_soon(pool.run, name=f"{role}.engines")
            yield pool, catalogue
        finally:
            tasks.cancel_scope.cancel()
            with CancelScope(shield=True):
                for engine in engines.values():
                    await engine.aclose()


def _routes(catalogue: Catalogue) -> list[EngineRoute]:
    return [
        EngineRoute(service_type=model.service_type, model=model.id, engine=model.engine, upstream_model=model.upstream_model)
        for model in catalogue.models
    ]


async def _fitted(settings: ComputeProviderSettings, engines: Mapping[str, PooledEngine]) -> ComputeProviderSettings:
    """The settings with what they leave to the engine: the name of the model, and how much it can hold."""
    if settings.models is not None or not engines:
        return settings
    name, engine = next(iter(engines.items()))
    if isinstance(engine, ExactEngine):
        return await _of_exact(settings, engine)
    if settings.model is not None:
        return settings
    models = await engine.models()
    if not models:
        raise EngineSettingsError(f"the engine {name} lists no model: name one with `model`")
    return replace(settings, model=models[0].id)


async def _of_exact(settings: ComputeProviderSettings, engine: ExactEngine) -> ComputeProviderSettings:
    """The name that the model has by itself, and its context; without a model the one that it would have."""
    try:
        [info] = await engine.models()
    except ModelMissingError as error:
        log.warning("no_model", engine=engine.name, remedy=error.remedy)
        return replace(settings, model=engine.wish)
    return replace(settings, model=info.id, context_tokens=min(settings.context_tokens, info.context_tokens or settings.context_tokens))
