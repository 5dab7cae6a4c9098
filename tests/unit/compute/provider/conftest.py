"""What tests of whole providers share: where these are born, and a database server."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.postgres import PostgresServer, postgres_server
from tests.unit.compute.provider.processes import Nursery, open_nursery


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    """It takes a second to load a provider, and a moment to fork it."""
    async with open_nursery(tmp_path_factory.mktemp("nursery")) as opened:
        yield opened


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server that tests may stop, as long as they start it again."""
    with postgres_server() as running:
        yield running
