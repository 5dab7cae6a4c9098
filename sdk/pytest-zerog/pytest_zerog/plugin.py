"""The options and fixtures of the plugin, and the one network that workers of pytest-xdist may share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_zerog.network import NetworkNotStartedError, NetworkProcess, ZerogNetwork, running_network

if TYPE_CHECKING:
    from zerog.sdk import AsyncNetwork, Network

__all__: Final[list[str]] = []

SHARED_FOLDER: Final = "zerog_shared_folder"
"""What a worker is told of the network that all share."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zerog", "a local 0G network (pytest-zerog)")
    group.addoption("--zerog-only", action="append", metavar="ROLES", help="start these roles alone: chain, storage, da, compute")
    group.addoption("--zerog-like", metavar="NETWORK", help="be a local copy of a public network: galileo or mainnet")
    group.addoption("--zerog-dir", metavar="DIR", help="use the network that runs in this folder")
    group.addoption("--zerog-url", metavar="URL", help="use the chain node at this URL")
    group.addoption("--zerog-shared", action="store_true", help="one network for all workers of pytest-xdist; it is not rolled back")
    parser.addini("zerog_only", "roles to start", type="linelist", default=[])
    parser.addini("zerog_like", "public network to be a local copy of", default="")
    parser.addini("zerog_up", "further words for `zerog up`", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("zerog_dir") and config.getoption("zerog_url"):
        raise pytest.UsageError("--zerog-dir and --zerog-url both name a network: give one")
    if config.getoption("zerog_shared") and not hasattr(config, "workerinput") and _given_network(config) is None:
        config.pluginmanager.register(_SharedNetwork(config), "zerog-shared")


@pytest.fixture(scope="session")
def zerog_network(request: pytest.FixtureRequest) -> Iterator[ZerogNetwork]:
    """A ready network for the whole session. What a test changes in it stays, unless the test is rolled back."""
    config = request.config
    try:
        network = _given_network(config)
        process = NetworkProcess(_words(config)) if network is None else None
    except NetworkNotStartedError as error:
        pytest.fail(str(error), pytrace=False)
    if process is not None:
        yield process.network
        process.stop()
    elif network is not None:
        yield network


@pytest.fixture
def zerog_snapshot(zerog_network: ZerogNetwork, request: pytest.FixtureRequest) -> Iterator[None]:
    """Roll the chain back after the test."""
    if _others_use_it(request.config):
        pytest.fail("other workers use the same network, so a test cannot be rolled back: leave --zerog-shared away", pytrace=False)
    with zerog_network.snapshot():
        yield


@pytest.fixture
def zerog(zerog_network: ZerogNetwork, request: pytest.FixtureRequest) -> Iterator["Network"]:
    """A connection for one test, after which the chain is rolled back, unless other workers use the same network."""
    if not _others_use_it(request.config):
        request.getfixturevalue("zerog_snapshot")
    with zerog_network.connect() as network:
        yield network


@pytest.fixture
def zerog_async(zerog_network: ZerogNetwork, request: pytest.FixtureRequest) -> "AsyncNetwork":
    """As `zerog`, for tests with an event loop, whichever plugin runs it: `async with zerog_async:`."""
    if not _others_use_it(request.config):
        request.getfixturevalue("zerog_snapshot")
    return zerog_network.connect_async()


class _SharedNetwork:
    """In the process that distributes the tests: one network, started before the first worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._process: NetworkProcess | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        if self._process is None:
            try:
                self._process = NetworkProcess(_words(self._config))
            except NetworkNotStartedError as error:
                pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)
        node.workerinput[SHARED_FOLDER] = str(self._process.network.folder)

    def pytest_unconfigure(self) -> None:
        if self._process is not None:
            self._process.stop()


def _given_network(config: pytest.Config) -> ZerogNetwork | None:
    """A network that others have started. Raises `NetworkNotStartedError`."""
    folder = config.getoption("zerog_dir") or getattr(config, "workerinput", {}).get(SHARED_FOLDER)
    if folder is not None:
        return running_network((config.invocation_params.dir / folder).absolute())
    url = config.getoption("zerog_url")
    return None if url is None else ZerogNetwork(chain_url=url)


def _others_use_it(config: pytest.Config) -> bool:
    """Whether this is one of several workers on one network."""
    workers: dict[str, Any] = getattr(config, "workerinput", {})
    given = SHARED_FOLDER in workers or config.getoption("zerog_dir") or config.getoption("zerog_url")
    return bool(given) and int(workers.get("workercount", 1)) > 1


def _words(config: pytest.Config) -> list[str]:
    """What `zerog up` is told; an option wins over the settings."""
    only: list[str] = config.getoption("zerog_only") or config.getini("zerog_only")
    words = [word for roles in only for role in roles.replace(",", " ").split() for word in ("--only", role)]
    like: str = config.getoption("zerog_like") or config.getini("zerog_like")
    return [*words, *(("--like", like) if like else ()), *config.getini("zerog_up")]
