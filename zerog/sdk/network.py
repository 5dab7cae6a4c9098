"""From a name or a URL to a connection with one member for each subsystem, for programs with an event loop and without one."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from zerog import networks
from zerog.chain.client import AsyncChainClient, ChainClient
from zerog.primitives import Account, Address, Data, decode_hook
from zerog.primitives.errors import RefusalError

if TYPE_CHECKING:
    from zerog.compute.client import Assurance, AsyncComputeClient, ComputeClient, Wallet
    from zerog.da.client import AsyncDaClient, DaClient
    from zerog.storage.client import AsyncStorageClient, StorageClient
    from zerog.storage.client.kv import AsyncKvClient, KvClient

__all__ = [
    "AsyncNetwork",
    "DaPlace",
    "Network",
    "NoDaError",
    "NoKeyValueError",
    "NoNetworkError",
    "NoStorageError",
    "connect",
    "connect_async",
    "resolve",
]

ENDPOINTS: Final = Path(".zerog") / "endpoints.json"
"""Where a running local network says where it is, below its working folder."""
LOCAL: Final = "local"
WALLET: Final = "wallet"
"""Of a local network, in its state folder: money that a reset takes away needs no better place."""


@dataclass(eq=False)
class NoNetworkError(RefusalError):
    """No local network runs in this folder, or not its chain."""

    folder: Path

    code = "no_network"
    remedy = "start one with `zerog up`, or give its folder or URL"
    http_status = 404

    def __str__(self) -> str:
        return f"no local network with a chain runs in {self.folder}"


@dataclass(eq=False)
class NoStorageError(RefusalError):
    """The network has no storage, or it is not known where."""

    chain_url: str

    code = "no_storage"
    remedy = "start it with `zerog up`, or name an indexer or a storage node"
    http_status = 404

    def __str__(self) -> str:
        return f"no storage is known for the chain at {self.chain_url}"


@dataclass(eq=False)
class NoKeyValueError(RefusalError):
    """The network has no key-value node, or it is not known where."""

    chain_url: str

    code = "no_key_value_node"
    remedy = "start one with `zerog up` or `zerog kv run`, or give the URL of another (`kv_url`, or `--kv` of the commands)"
    http_status = 404

    def __str__(self) -> str:
        return f"no key-value node is known for the chain at {self.chain_url}"


@dataclass(eq=False)
class NoDaError(RefusalError):
    """The network has no DA, or it is not known where."""

    chain_url: str

    code = "no_da"
    remedy = "start it with `zerog up`, or name a disperser (`--disperser` of the commands)"
    http_status = 404

    def __str__(self) -> str:
        return f"no DA is known for the chain at {self.chain_url}"


class _Chain(msgspec.Struct):
    http: str


class _StorageNode(msgspec.Struct):
    admin: str


class _Storage(msgspec.Struct):
    indexer: str
    kv: str | None = None
    nodes: list[_StorageNode] = []


class _Da(msgspec.Struct):
    disperser: str
    retriever: str
    gateway: str


class _Account(msgspec.Struct):
    private_key: str


class _Endpoints(msgspec.Struct):
    """What we read of `endpoints.json`."""

    chain: _Chain | None = None
    storage: _Storage | None = None
    da: _Da | None = None
    contracts: dict[str, Address | None] = {}
    accounts: list[_Account] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class DaPlace:
    """Where the services of DA answer; `None` for what is not known."""

    disperser: str | None = None
    """As `host:port`, as the next one."""
    retriever: str | None = None
    gateway: str | None = None
    """A URL."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network answers."""

    chain_url: str
    accounts: tuple[Account, ...] = ()
    """Funded test accounts; a local network has some."""
    indexer_url: str | None = None
    """Of its storage; `None` where that is not known, or does not run."""
    kv_url: str | None = None
    """Of its key-value node, likewise."""
    flow: Address | None = None
    """The contract that files are submitted to, likewise."""
    wallet_folder: Path | None = None
    """Where the limits of what is paid for compute are kept; `None` for the folder of public networks."""
    admin_url: str | None = None
    """Of the first storage node's `admin_*` methods, and `miner_*` if it mines; likewise."""
    da: DaPlace | None = None
    """Its data availability, likewise."""


def resolve(network: str, folder: Path | None = None) -> Place:
    """What a name (`local`, `galileo`, `mainnet`) or URL stands for. `folder` is that of the local network, if not the present one.

    Raises `NoNetworkError` and `UnknownNetworkError`.
    """
    if network.startswith(("http://", "https://")):
        return Place(network)
    if network == LOCAL:
        return _local(folder or Path.cwd())
    params = networks.load(network)
    if params.rpc_url is None:
        raise NoNetworkError(folder or Path.cwd())
    return Place(params.rpc_url, indexer_url=params.indexer_url, flow=params.addresses.get("flow"))


def _local(folder: Path) -> Place:
    """Look in the folder and those above it, as git does."""
    for candidate in (folder, *folder.resolve().parents):
        try:
            text = (candidate / ENDPOINTS).read_bytes()
        except OSError:
            continue  # Not here, or not for us to read.
        endpoints = msgspec.json.decode(text, type=_Endpoints, dec_hook=decode_hook)
        if endpoints.chain is None:
            break
        accounts = tuple(Account.from_private_key(Data.from_json(account.private_key)) for account in endpoints.accounts)
        storage = endpoints.storage
        return Place(
            endpoints.chain.http,
            accounts,
            indexer_url=None if storage is None else storage.indexer,
            kv_url=None if storage is None else storage.kv,
            flow=endpoints.contracts.get("Flow"),
            wallet_folder=(candidate / ENDPOINTS).parent / WALLET,
            admin_url=storage.nodes[0].admin if storage is not None and storage.nodes else None,
            da=_da_place(endpoints.da),
        )
    raise NoNetworkError(folder)


def _da_place(da: _Da | None) -> DaPlace | None:
    return None if da is None else DaPlace(disperser=da.disperser, retriever=da.retriever, gateway=da.gateway)


class Network:
    """A network for programs without an event loop. Close it, or use it in a `with` block."""

    def __init__(self, place: Place, account: Account | None = None) -> None:
        """`account` pays for what is stored and asked; by default the first test account, where there are some."""
        self.chain = ChainClient(place.chain_url)
        self.accounts = place.accounts
        self._place = place
        self._payer = account or next(iter(place.accounts), None)

    @cached_property
    def storage(self) -> "StorageClient":
        """Files of the network. Raises `NoStorageError`."""
        from zerog.storage.client import StorageClient

        return StorageClient(indexer=_indexer_of(self._place), chain=self.chain, account=self._payer)

    @cached_property
    def kv(self) -> "KvClient":
        """Key-value streams of the network. Raises `NoKeyValueError`."""
        from zerog.storage.client.kv import KvClient

        url = _kv_of(self._place)
        storage = None if self._place.indexer_url is None else self.storage
        return KvClient(url, storage=storage, chain=self.chain, flow=self._place.flow)

    @cached_property
    def compute(self) -> "ComputeClient":
        """Inference on the network: services, money, chats and proofs. What is paid is held to the limits of the wallet."""
        from zerog.compute.client import ComputeClient

        return ComputeClient(
            chain=self.chain, account=self._payer, wallet=wallet_of(self._place), least_assurance=least_assurance_of(self._place)
        )

    @cached_property
    def da(self) -> "DaClient":
        """Blobs on the network's data availability. Raises `NoDaError`."""
        from zerog.da.client import DaClient

        place = _da_of(self._place)
        return DaClient(disperser=place.disperser, retriever=place.retriever, gateway=place.gateway)

    def close(self) -> None:
        """Let go of all connections."""
        if "da" in self.__dict__:
            self.da.close()
        if "compute" in self.__dict__:
            self.compute.close()
        if "kv" in self.__dict__:
            self.kv.close()
        if "storage" in self.__dict__:
            self.storage.close()
        self.chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncNetwork:
    """A network for programs with an event loop. Close it, or use it in an `async with` block."""

    def __init__(self, place: Place, account: Account | None = None) -> None:
        """`account` pays for what is stored and asked; by default the first test account, where there are some."""
        self.chain = AsyncChainClient(place.chain_url)
        self.accounts = place.accounts
        self._place = place
        self._payer = account or next(iter(place.accounts), None)

    @cached_property
    def storage(self) -> "AsyncStorageClient":
        """Files of the network. Raises `NoStorageError`."""
        from zerog.storage.client import AsyncStorageClient

        return AsyncStorageClient(indexer=_indexer_of(self._place), chain=self._threads_chain, account=self._payer)

    @cached_property
    def kv(self) -> "AsyncKvClient":
        """Key-value streams of the network. Raises `NoKeyValueError`."""
        from zerog.storage.client.kv import AsyncKvClient

        url = _kv_of(self._place)
        storage = None if self._place.indexer_url is None else self.storage.blocking
        return AsyncKvClient(url, storage=storage, chain=self._threads_chain, flow=self._place.flow)

    @cached_property
    def compute(self) -> "AsyncComputeClient":
        """Inference on the network: services, money, chats and proofs. What is paid is held to the limits of the wallet."""
        from zerog.compute.client import AsyncComputeClient

        return AsyncComputeClient(
            chain=self._threads_chain, account=self._payer, wallet=wallet_of(self._place), least_assurance=least_assurance_of(self._place)
        )

    @cached_property
    def da(self) -> "AsyncDaClient":
        """Blobs on the network's data availability. Raises `NoDaError`."""
        from zerog.da.client import AsyncDaClient

        place = _da_of(self._place)
        return AsyncDaClient(disperser=place.disperser, retriever=place.retriever, gateway=place.gateway)

    @cached_property
    def _threads_chain(self) -> ChainClient:
        """For the threads in which files are submitted and proofs are checked."""
        return ChainClient(self._place.chain_url)

    async def close(self) -> None:
        """Let go of all connections."""
        if "da" in self.__dict__:
            await self.da.close()
        if "compute" in self.__dict__:
            self.compute.close()
        if "kv" in self.__dict__:
            self.kv.close()
        if "storage" in self.__dict__:
            self.storage.close()
        if "_threads_chain" in self.__dict__:
            self._threads_chain.close()
        await self.chain.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _indexer_of(place: Place) -> str:
    if place.indexer_url is None:
        raise NoStorageError(place.chain_url)
    return place.indexer_url


def _kv_of(place: Place) -> str:
    if place.kv_url is None:
        raise NoKeyValueError(place.chain_url)
    return place.kv_url


def _da_of(place: Place) -> DaPlace:
    if place.da is None:
        raise NoDaError(place.chain_url)
    return place.da


def wallet_of(place: Place) -> "Wallet":
    """The limits of what is paid for compute, and the key that is made where none is given."""
    from zerog.compute.client import Wallet, default_folder

    return Wallet(place.wallet_folder or default_folder())


def least_assurance_of(place: Place) -> "Assurance":
    """What an enclave has to show before anything is encrypted to it. On a network of our own nobody can have more than a simulated one."""
    from zerog.compute.client import Assurance

    return Assurance.MOCK if place.accounts else Assurance.TDX


def connect(network: str, *, folder: Path | None = None, account: Account | None = None, kv_url: str | None = None) -> Network:
    """Connect to `local`, to a public network by its name, or to the URL of a node.

    `account` pays for what is stored and asked. `kv_url` is another key-value node than the network's. Raises as `resolve`.
    """
    return Network(_place(network, folder, kv_url), account)


def connect_async(network: str, *, folder: Path | None = None, account: Account | None = None, kv_url: str | None = None) -> AsyncNetwork:
    """As `connect`, for programs with an event loop."""
    return AsyncNetwork(_place(network, folder, kv_url), account)


def _place(network: str, folder: Path | None, kv_url: str | None) -> Place:
    place = resolve(network, folder)
    return place if kv_url is None else replace(place, kv_url=kv_url)
