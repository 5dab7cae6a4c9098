"""What all tests share: the order in which they run, the loop they run on, a running network."""

from collections.abc import Iterator
from pathlib import PurePath

import pytest

from tests.devnet.command import Zerog
from zerog.devnet.endpoints import Endpoints

FOLDERS = ("unit", "vectors", "contracts", "ledger", "docs", "crash", "devnet", "interop")
"""From fast to true: a mistake shows in seconds before the slow ones start."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Roles run on asyncio; so do the tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """One network for the whole run, started as a user starts it. Whoever changes its time or its rules starts an own one."""
    zerog = Zerog(tmp_path_factory.mktemp("devnet"))
    yield zerog.up()
    zerog.down()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the fast folders first; within a folder nothing moves."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    parts = PurePath(item.nodeid.split("::")[0]).parts
    folder = parts[1] if len(parts) > 2 else ""
    return FOLDERS.index(folder) if folder in FOLDERS else -1
