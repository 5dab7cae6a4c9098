"""What all tests share: the order in which they run, who runs beside whom, the loop they run on, what they took."""

import signal
from collections.abc import Generator, Iterator
from pathlib import PurePath

import hypothesis
import pytest

from tests.seconds import SecondsOfFiles
from tests.turns import a_turn

# How long one example takes says nothing on a machine that does other things; who hangs is ended by the time limit of the test.
hypothesis.settings.register_profile("zerog", deadline=None)
hypothesis.settings.load_profile("zerog")

FOLDERS = ("unit", "vectors", "contracts", "ledger", "docs", "crash", "devnet", "wheel", "interop")
"""From fast to true: a mistake shows in seconds before the slow ones start."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Roles run on asyncio; so do the tests."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def _wallet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A wallet of its own for each file of tests: what others have paid today, or whoever works at this machine, is no limit here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROG_WALLET", str(tmp_path_factory.mktemp("wallet") / "wallet"))
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Print where the time went, and have Ctrl-C mean what it means at a terminal.

    A shell has what it runs in the background ignore SIGINT, and so would the programs that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(SecondsOfFiles())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the fast folders first; within a folder nothing moves."""
    items.sort(key=_rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test beside those of the other processes, or alone. What it waits does not count against its time limit."""
    with a_turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def _rank(item: pytest.Item) -> int:
    parts = PurePath(item.nodeid.split("::")[0]).parts
    folder = parts[1] if len(parts) > 2 else ""
    return FOLDERS.index(folder) if folder in FOLDERS else -1
