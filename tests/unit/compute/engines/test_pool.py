"""Which engine answers for a model."""

from collections.abc import Sequence

import pytest

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines import (
    EnginePool,
    EngineRoute,
    EngineSettingsError,
    EngineUnavailableError,
    ModelInfo,
    NoEngineError,
    UnknownModelError,
)
from zerog.testing.scripted import ScriptedEngine

CHAT = ServiceType.CHATBOT


class AwayEngine(ScriptedEngine):
    """A server that is away when it is asked what it has."""

    async def models(self) -> Sequence[ModelInfo]:
        raise EngineUnavailableError("away", "cannot be reached")


async def test_the_engine_that_lists_a_model_answers_for_it() -> None:
    one, two = ScriptedEngine(["small"]), ScriptedEngine(["large-v3"])
    routes = [EngineRoute(service_type=CHAT, model="small"), EngineRoute(service_type=CHAT, model="large", upstream_model="large-v3")]
    pool = EnginePool({"one": one, "two": two}, routes)
    await pool.refresh()
    assert pool.choose(CHAT, "small") == (one, "small")
    assert pool.choose(CHAT, "large") == (two, "large-v3")
    with pytest.raises(UnknownModelError):
        pool.choose(CHAT, "huge")
    with pytest.raises(NoEngineError):
        pool.choose(ServiceType.EMBEDDING, "small")
    await pool.aclose()


async def test_a_named_engine_answers_whatever_it_lists() -> None:
    one, two = ScriptedEngine(["m"]), ScriptedEngine(["other"])
    pool = EnginePool({"one": one, "two": two}, [EngineRoute(service_type=CHAT, model="m", engine="two")])
    await pool.refresh()
    assert pool.choose(CHAT, "m") == (two, "m")


async def test_who_has_not_said_what_it_has_is_tried_and_a_model_that_nobody_lists_is_unknown() -> None:
    away, there = AwayEngine(), ScriptedEngine(["m"])
    routes = [EngineRoute(service_type=CHAT, model=name) for name in ("m", "n")]
    pool = EnginePool({"away": away, "there": there}, routes)
    await pool.refresh()
    assert pool.choose(CHAT, "m")[0] is there
    assert pool.choose(CHAT, "n")[0] is away
    full = EnginePool({"one": ScriptedEngine(["a"]), "two": ScriptedEngine(["b"])}, routes)
    await full.refresh()
    with pytest.raises(UnknownModelError, match="'n'"):
        full.choose(CHAT, "n")


def test_routes_that_cannot_be_are_refused() -> None:
    with pytest.raises(EngineSettingsError, match="gone"):
        EnginePool({"one": ScriptedEngine()}, [EngineRoute(service_type=CHAT, model="m", engine="gone")])
    with pytest.raises(EngineSettingsError, match="same name"):
        EnginePool({}, [EngineRoute(service_type=CHAT, model="m")] * 2)
    with pytest.raises(NoEngineError):
        EnginePool({}, [EngineRoute(service_type=CHAT, model="m")]).choose(CHAT, "m")
