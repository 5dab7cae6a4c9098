"""A server whose faults a test sets, and the engine in front of it."""

from collections.abc import AsyncIterator

import pytest

from zerog.compute.provider.engines import EngineOptions, HttpRules, OpenAIEngine
from zerog.testing.upstream import Upstream, serve_upstream

QUICK = HttpRules(connect_s=1.0, head_s=0.2, piece_s=0.2, idle_s=1.0, answer_bytes_max=1 << 20, connections_max=64)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with serve_upstream() as served:
        yield served


@pytest.fixture
async def engine(upstream: Upstream) -> AsyncIterator[OpenAIEngine]:
    opened = OpenAIEngine(EngineOptions(name="up", url=upstream.url, key="secret-key", rules=QUICK, retry_s=2.0))
    yield opened
    await opened.aclose()
