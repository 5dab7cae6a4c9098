"""All engines of one provider, and which of them has a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines.errors import EngineError, EngineSettingsError, NoEngineError, UnknownModelError
from zerog.compute.provider.engines.interface import Engine, ModelInfo, PooledEngine

__all__ = ["EnginePool", "EngineRoute"]

log = structlog.get_logger(__name__)

REFRESH_S: Final = 60.0
"""Between two looks at the lists of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRoute:
    """A model that the provider offers, and where it is."""

    service_type: ServiceType
    model: str
    """The public name."""
    engine: str | None = None
    """Name of the engine in the settings; `None`: the one that lists the model."""
    upstream_model: str | None = None
    """The engine's own name for it, if it has another one."""


class EnginePool:
    """Chooses by kind and model. What engines say of their models is asked for by `refresh`, never while a request waits."""

    def __init__(self, engines: Mapping[str, PooledEngine], routes: Sequence[EngineRoute]) -> None:
        """Raises `EngineSettingsError` for a route to an engine that is not there, and for two routes of one model."""
        self.engines: Final = dict(engines)
        self.listed: Final[dict[str, Sequence[ModelInfo]]] = {}
        """What each engine said it has; one that has not said anything yet is missing."""
        self._routes: Final = {(route.service_type, route.model): route for route in routes}
        if len(self._routes) < len(routes):
            raise EngineSettingsError("two models of one kind have the same name")
        strange = sorted({route.engine for route in routes if route.engine is not None} - set(self.engines))
        if strange:
            raise EngineSettingsError(f"a model names the engine {strange[0]}, and there is none of this name")

    def choose(self, service_type: ServiceType, model: str) -> tuple[Engine, str]:
        """The engine that answers for a public model, and its own name for it. Raises `NoEngineError` and `UnknownModelError`."""
        route = self._routes.get((service_type, model))
        if route is None or not self.engines:
            offered = tuple(name for kind, name in self._routes if kind is service_type)
            if not offered or not self.engines:
                raise NoEngineError(service_type.value)
            raise UnknownModelError(model, offered)
        upstream_model = route.upstream_model or model
        name = route.engine or self._which_has(upstream_model)
        if name is None:
            raise UnknownModelError(model, tuple(sorted({info.id for infos in self.listed.values() for info in infos})))
        return self.engines[name], upstream_model

    def _which_has(self, model: str) -> str | None:
        """The only engine; of several the first that lists the model, or else the first that has not said what it has."""
        if len(self.engines) == 1:
            return next(iter(self.engines))
        for name, infos in self.listed.items():
            if any(info.id == model for info in infos):
                return name
        return next((name for name in self.engines if name not in self.listed), None)

    async def refresh(self) -> None:
        """Ask every engine what it has; one that does not answer keeps what it said before."""
        async with anyio.create_task_group() as tasks:
            for name, engine in self.engines.items():
                tasks.start_soon(self._ask, name, engine, name=f"compute.models.{name}")

    async def _ask(self, name: str, engine: PooledEngine) -> None:
        try:
            self.listed[name] = await engine.models()
        except EngineError as error:
            log.warning("engine_models_unknown", engine=name, cause=str(error))

    async def run(self) -> None:
        """Look at the lists now and then, until cancelled."""
        while True:
            await self.refresh()
            await anyio.sleep(REFRESH_S)

    async def aclose(self) -> None:
        """Close all engines."""
        for engine in self.engines.values():
            await engine.aclose()
