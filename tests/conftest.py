"""What all tests share: the order in which they run, the loop they run on."""

from pathlib import PurePath

import pytest

FOLDERS = ("unit", "vectors", "contracts", "ledger", "docs", "crash", "devnet", "interop")
"""From fast to true: a mistake shows in seconds before the slow ones start."""


@pytest.fixture
def anyio_backend() -> str:
    """Roles run on asyncio; so do the tests."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the fast folders first; within a folder nothing moves."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    parts = PurePath(item.nodeid).parts
    folder = parts[1] if len(parts) > 2 else ""
    return FOLDERS.index(folder) if folder in FOLDERS else -1
