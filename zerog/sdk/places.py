"""From a name or a URL to where everything of a network answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from zerog import networks
from zerog.primitives import Account, Address, Data, decode_hook
from zerog.sdk.errors import NetworkUrlError, NoNetworkError

if TYPE_CHECKING:
    from zerog.compute.client import Assurance, Wallet

__all__ = ["DaPlace", "Place", "is_here", "least_assurance_of", "may_be_a_copy", "resolve", "wallet_of"]

ENDPOINTS: Final = Path(".zerog") / "endpoints.json"
"""Where a running local network says where it is, below its working folder."""
LOCAL: Final = "local"
WALLET: Final = "wallet"
"""Of a local network, in its state folder: money that a reset takes away needs no better place."""


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

    network: str = LOCAL
    chain_id: int | None = None
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
    name: str = ""
    """What it calls itself; of a node that was given by its URL, that."""
    chain_id: int | None = None
    """What it has to have; `None` where whatever the node says will do."""
    contracts: Mapping[str, Address] = field(default_factory=dict)
    """Those that are known, by the names that `endpoints.json` has for them."""
    simulated_enclaves: bool | None = None
    """Whether prompts may be encrypted to simulated enclaves; `None` for on networks of our own alone."""

    def with_services(
        self,
        *,
        chain_id: int | None = None,
        indexer_url: str | None = None,
        kv_url: str | None = None,
        flow: Address | None = None,
        disperser: str | None = None,
        retriever: str | None = None,
        gateway: str | None = None,
        simulated_enclaves: bool | None = None,
    ) -> "Place":
        """The same network with other services than its own, where they are named."""
        known = self.da or DaPlace()
        da = DaPlace(disperser=disperser or known.disperser, retriever=retriever or known.retriever, gateway=gateway or known.gateway)
        return replace(
            self,
            chain_id=self.chain_id if chain_id is None else chain_id,
            indexer_url=indexer_url or self.indexer_url,
            kv_url=kv_url or self.kv_url,
            flow=flow or self.flow,
            da=None if da == DaPlace() else da,
            simulated_enclaves=simulated_enclaves,
        )


def resolve(network: str, folder: Path | None = None) -> Place:
    """What a name (`local`, `galileo`, `mainnet`) or URL stands for. `folder` is that of the local network, if not the present one.

    Raises `NoNetworkError`, `NetworkUrlError` and `UnknownNetworkError`.
    """
    if "://" in network:
        return _given(network)
    if network == LOCAL:
        return _local(folder or Path.cwd())
    params = networks.load(network)
    if params.rpc_url is None:
        raise NoNetworkError(folder or Path.cwd())
    return Place(
        params.rpc_url,
        indexer_url=params.indexer_url,
        flow=params.addresses.get("flow"),
        name=params.name,
        chain_id=params.chain_id,
        contracts={name: params.addresses[known_as] for name, known_as in networks.CONTRACT_NAMES.items() if known_as in params.addresses},
    )


def _given(url: str) -> Place:
    """Nothing but the URL is known, also where the chain id is that of a public network: it may be a copy of it."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise NetworkUrlError(url)
    return Place(url, name=url)


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
            name=endpoints.network,
            chain_id=endpoints.chain_id,
            contracts={name: address for name, address in endpoints.contracts.items() if address is not None},
        )
    raise NoNetworkError(folder)


def _da_place(da: _Da | None) -> DaPlace | None:
    return None if da is None else DaPlace(disperser=da.disperser, retriever=da.retriever, gateway=da.gateway)


def wallet_of(place: Place) -> "Wallet":
    """The limits of what is paid for compute, and the key that is made where none is given."""
    from zerog.compute.client import Wallet, default_folder

    return Wallet(place.wallet_folder or default_folder())


def may_be_a_copy(place: Place, chain_id: int) -> bool:
    """Whether a node on this machine, with the chain id of a public network, has to be asked whether it is a copy of it."""
    return not place.accounts and is_here(place) and networks.public_name(chain_id) is not None


def least_assurance_of(place: Place, chain_id: int | None = None, *, is_copy: bool = False) -> "Assurance":
    """What an enclave has to show before anything is encrypted to it.

    On a network of our own nobody can have more than a simulated one. It is one of our own where its state folder says so, and where its
    node is on this machine and has no public network's chain id, or says that it is a copy. What a node elsewhere says of itself does not
    count: who runs it could read what is encrypted to a simulated enclave. `simulated_enclaves` of the place has the last word.
    """
    from zerog.compute.client import Assurance

    is_own = bool(place.accounts) or (is_here(place) and chain_id is not None and (networks.public_name(chain_id) is None or is_copy))
    takes_simulated = is_own if place.simulated_enclaves is None else place.simulated_enclaves
    return Assurance.MOCK if takes_simulated else Assurance.TDX


def is_here(place: Place) -> bool:
    """Whether the node is on this machine."""
    from zerog.runtime.http.guard import is_loopback_name

    return is_loopback_name(urlsplit(place.chain_url).hostname or "")
