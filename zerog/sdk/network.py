"""From a name or a URL to a connection with one member for each subsystem, for programs with an event loop and without one."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from zerog import networks
from zerog.chain.client import AsyncChainClient, ChainClient
from zerog.primitives import Account, Data
from zerog.primitives.errors import RefusalError

__all__ = ["AsyncNetwork", "Network", "NoNetworkError", "connect", "connect_async", "resolve"]

ENDPOINTS: Final = Path(".zerog") / "endpoints.json"
"""Where a running local network says where it is, below its working folder."""
LOCAL: Final = "local"


@dataclass(eq=False)
class NoNetworkError(RefusalError):
    """No local network runs in this folder, or not its chain."""

    folder: Path

    code = "no_network"
    remedy = "start one with `zerog up`, or give its folder or URL"
    http_status = 404

    def __str__(self) -> str:
        return f"no local network with a chain runs in {self.folder}"


class _Chain(msgspec.Struct):
    http: str


class _Account(msgspec.Struct):
    private_key: str


class _Endpoints(msgspec.Struct):
    """What we read of `endpoints.json`."""

    chain: _Chain | None = None
    accounts: list[_Account] = []


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network answers."""

    chain_url: str
    accounts: tuple[Account, ...] = ()
    """Funded test accounts; a local network has some."""


def resolve(network: str, folder: Path | None = None) -> Place:
    """What a name (`local`, `galileo`, `mainnet`) or URL stands for. `folder` is that of the local network, if not the present one.

    Raises `NoNetworkError` and `UnknownNetworkError`.
    """
    if network.startswith(("http://", "https://")):
        return Place(network)
    if network == LOCAL:
        return _local(folder or Path.cwd())
    url = networks.load(network).rpc_url
    if url is None:
        raise NoNetworkError(folder or Path.cwd())
    return Place(url)


def _local(folder: Path) -> Place:
    """Look in the folder and those above it, as git does."""
    for candidate in (folder, *folder.resolve().parents):
        try:
            text = (candidate / ENDPOINTS).read_bytes()
        except OSError:
            continue  # Not here, or not for us to read.
        endpoints = msgspec.json.decode(text, type=_Endpoints)
        if endpoints.chain is None:
            break
        accounts = tuple(Account.from_private_key(Data.from_json(account.private_key)) for account in endpoints.accounts)
        return Place(endpoints.chain.http, accounts)
    raise NoNetworkError(folder)


class Network:
    """A network for programs without an event loop. Close it, or use it in a `with` block."""

    def __init__(self, place: Place) -> None:
        self.chain = ChainClient(place.chain_url)
        self.accounts = place.accounts

    def close(self) -> None:
        """Let go of all connections."""
        self.chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncNetwork:
    """A network for programs with an event loop. Close it, or use it in an `async with` block."""

    def __init__(self, place: Place) -> None:
        self.chain = AsyncChainClient(place.chain_url)
        self.accounts = place.accounts

    async def close(self) -> None:
        """Let go of all connections."""
        await self.chain.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def connect(network: str, *, folder: Path | None = None) -> Network:
    """Connect to `local`, to a public network by its name, or to the URL of a node. Raises as `resolve`."""
    return Network(resolve(network, folder))


def connect_async(network: str, *, folder: Path | None = None) -> AsyncNetwork:
    """As `connect`, for programs with an event loop."""
    return AsyncNetwork(resolve(network, folder))
