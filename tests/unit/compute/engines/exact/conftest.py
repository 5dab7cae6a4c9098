"""An engine that runs, over a model that a test gives it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from zerog.compute.protocol.exact import ServedModel
from zerog.compute.provider.engines.exact import ExactEngine


@asynccontextmanager
async def running_engine(model: ServedModel | None, **options: Any) -> AsyncIterator[ExactEngine]:
    """It stops when the block ends."""
    engine = ExactEngine("exact", lambda: model, **{"draw": lambda _: 4, "now_s": lambda: 1_700_000_000.0, **options})
    async with anyio.create_task_group() as tasks:
        await tasks.start(engine.run)
        yield engine
        tasks.cancel_scope.cancel()
