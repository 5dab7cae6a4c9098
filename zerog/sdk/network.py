"""From a name or a URL to a connection with one member for each subsystem, for programs with an event loop and without one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeAlias, TypeVar

from zerog.chain.client import AsyncChainClient, ChainClient, Limits, NoKeyError, Payer, Signer
from zerog.chain.client.signer import FOLDER as SIGNERS
from zerog.chain.client.signer import account_of_payer
from zerog.networks import CLONE_SUFFIX
from zerog.primitives import Account, Address, SignatureError, decode_data
from zerog.sdk.errors import KeyInvalidError, LimitsTwiceError, NoDaError, NoKeyValueError, NoNetworkError, NoStorageError, OtherChainError
from zerog.sdk.places import DaPlace, Place, is_here, least_assurance_of, may_be_a_copy, resolve, wallet_of

if TYPE_CHECKING:
    from zerog.compute.client import Assurance, AsyncComputeClient, ComputeClient
    from zerog.da.client import AsyncDaClient, DaClient
    from zerog.storage.client import AsyncStorageClient, StorageClient
    from zerog.storage.client.kv import AsyncKvClient, KvClient

__all__ = [
    "AsyncNetwork",
    "DaPlace",
    "Key",
    "Network",
    "NoDaError",
    "NoKeyValueError",
    "NoNetworkError",
    "NoStorageError",
    "Place",
    "connect",
    "connect_async",
    "least_assurance_behind",
    "least_assurance_of",
    "payer_of",
    "resolve",
    "wallet_of",
]

P = ParamSpec("P")
N = TypeVar("N")

Key: TypeAlias = str | bytes | Account | Signer
"""Who signs and pays: a private key as 64 hex digits or 32 bytes, an account, or a signer with limits."""


def payer_of(key: Key) -> Payer:
    """Who signs with a key. Raises `KeyInvalidError`."""
    if isinstance(key, Account | Signer):
        return key
    try:
        return Account.from_private_key(decode_data(key if key[:2] in ("0x", "0X") else f"0x{key}") if isinstance(key, str) else key)
    except (SignatureError, ValueError) as error:
        raise KeyInvalidError(str(error)) from None


def least_assurance_behind(place: Place, chain: ChainClient) -> "Assurance":
    """As `least_assurance_of`, where the node has not told its chain yet: it is asked where that matters."""
    if place.accounts or not is_here(place):
        return least_assurance_of(place)
    chain_id = int(chain.chain_id())
    is_copy = may_be_a_copy(place, chain_id) and chain.client_version().endswith(CLONE_SUFFIX)
    return least_assurance_of(place, chain_id, is_copy=is_copy)


class _Connection:
    """What both kinds of networks have: names, and who pays."""

    def __init__(self, place: Place, payer: Payer | None) -> None:
        self._place = place
        self._payer = payer or next(iter(place.accounts), None)
        self._chain_id = place.chain_id
        self._is_copy = False
        self.accounts: tuple[Account, ...] = place.accounts
        """Funded test accounts; a local network has some."""

    @property
    def name(self) -> str:
        """What the network calls itself, such as `local` or `galileo`; its URL, if it was given by that."""
        return self._place.name

    @property
    def chain_id(self) -> int:
        """The chain id that signatures carry."""
        if self._chain_id is None:
            raise RuntimeError("the network has not been connected to: use it in an `async with` block")
        return self._chain_id

    @property
    def contracts(self) -> Mapping[str, Address]:
        """Contracts of 0G that are known here, such as `Flow`, `LedgerManager`, `InferenceServing` and `DAEntrance`."""
        return self._place.contracts

    @property
    def account(self) -> Account:
        """Who signs and pays: the account of `key`, or the first test account. Raises `NoKeyError` where there is neither.

        It is the bare account: what is signed with it elsewhere is held to no limits.
        """
        if self._payer is None:
            raise NoKeyError
        return account_of_payer(self._payer)

    @property
    def signer(self) -> Signer | None:
        """Who signs within limits, and what went out today; `None` where no limits were given."""
        return self._payer if isinstance(self._payer, Signer) else None

    @property
    def address(self) -> Address:
        """Of the account. Raises `NoKeyError`."""
        return self.account.address

    def _check(self, found: int) -> None:
        if self._place.chain_id not in (None, found):
            raise OtherChainError(self._place.chain_url, found, self._place.chain_id or 0)
        self._chain_id = found

    @property
    def _least_assurance(self) -> "Assurance":
        return least_assurance_of(self._place, self._chain_id, is_copy=self._is_copy)

    @property
    def _indexer(self) -> str:
        if self._place.indexer_url is None:
            raise NoStorageError(self._place.chain_url)
        return self._place.indexer_url

    @property
    def _kv(self) -> str:
        if self._place.kv_url is None:
            raise NoKeyValueError(self._place.chain_url)
        return self._place.kv_url

    @property
    def _da(self) -> DaPlace:
        if self._place.da is None:
            raise NoDaError(self._place.chain_url)
        return self._place.da


class Network(_Connection):
    """A network for programs without an event loop. Close it, or use it in a `with` block."""

    def __init__(self, place: Place, payer: Payer | None = None, timeout_s: float | None = None) -> None:
        """`payer` signs and pays; by default the first test account, where there are some. Raises what `connect` does."""
        super().__init__(place, payer)
        self.chain = ChainClient(place.chain_url, account=self._payer)
        """The chain: balances, blocks, transactions, contracts."""
        try:
            self._check(self.chain.chain_id(timeout_s=timeout_s))
            if may_be_a_copy(place, self.chain_id):
                self._is_copy = self.chain.client_version(timeout_s=timeout_s).endswith(CLONE_SUFFIX)
        except BaseException:
            self.chain.close()
            raise

    @cached_property
    def storage(self) -> "StorageClient":
        """Files of the network. Raises `NoStorageError`."""
        from zerog.storage.client import StorageClient

        return StorageClient(indexer=self._indexer, chain=self.chain, account=self._payer)

    @cached_property
    def kv(self) -> "KvClient":
        """Key-value streams of the network. Raises `NoKeyValueError`."""
        from zerog.storage.client.kv import KvClient

        storage = None if self._place.indexer_url is None else self.storage
        return KvClient(self._kv, storage=storage, chain=self.chain, flow=self._place.flow)

    @cached_property
    def compute(self) -> "ComputeClient":
        """Inference on the network: services, money, chats and proofs. What is paid is held to the limits of the wallet."""
        from zerog.compute.client import ComputeClient

        return ComputeClient(chain=self.chain, account=self._payer, wallet=wallet_of(self._place), least_assurance=self._least_assurance)

    @cached_property
    def da(self) -> "DaClient":
        """Blobs on the network's data availability. Raises `NoDaError`."""
        from zerog.da.client import DaClient

        place, chain_url = self._da, self._place.chain_url
        return DaClient(disperser=place.disperser, retriever=place.retriever, gateway=place.gateway, chain_url=chain_url)

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


class AsyncNetwork(_Connection):
    """A network for programs with an event loop: use it in an `async with` block, which asks the node which chain it has."""

    def __init__(self, place: Place, payer: Payer | None = None, timeout_s: float | None = None) -> None:
        """`payer` signs and pays; by default the first test account, where there are some."""
        super().__init__(place, payer)
        self._timeout_s: Final = timeout_s
        self.chain = AsyncChainClient(place.chain_url, account=self._payer)
        """The chain: balances, blocks, transactions, contracts."""

    @cached_property
    def storage(self) -> "AsyncStorageClient":
        """Files of the network. Raises `NoStorageError`."""
        from zerog.storage.client import AsyncStorageClient

        return AsyncStorageClient(indexer=self._indexer, chain=self._threads_chain, account=self._payer)

    @cached_property
    def kv(self) -> "AsyncKvClient":
        """Key-value streams of the network. Raises `NoKeyValueError`."""
        from zerog.storage.client.kv import AsyncKvClient

        storage = None if self._place.indexer_url is None else self.storage.blocking
        return AsyncKvClient(self._kv, storage=storage, chain=self._threads_chain, flow=self._place.flow)

    @cached_property
    def compute(self) -> "AsyncComputeClient":
        """Inference on the network: services, money, chats and proofs. What is paid is held to the limits of the wallet."""
        from zerog.compute.client import AsyncComputeClient

        return AsyncComputeClient(
            chain=self._threads_chain, account=self._payer, wallet=wallet_of(self._place), least_assurance=self._least_assurance
        )

    @cached_property
    def da(self) -> "AsyncDaClient":
        """Blobs on the network's data availability. Raises `NoDaError`."""
        from zerog.da.client import AsyncDaClient

        place, chain_url = self._da, self._place.chain_url
        return AsyncDaClient(disperser=place.disperser, retriever=place.retriever, gateway=place.gateway, chain_url=chain_url)

    @cached_property
    def _threads_chain(self) -> ChainClient:
        """For the threads in which files are submitted and proofs are checked."""
        return ChainClient(self._place.chain_url, account=self._payer)

    async def close(self) -> None:
        """Let go of all connections."""
        if "da" in self.__dict__:
            await self.da.close()
        if "compute" in self.__dict__:
            await self.compute.close()
        if "kv" in self.__dict__:
            await self.kv.close()
        if "storage" in self.__dict__:
            await self.storage.close()
        if "_threads_chain" in self.__dict__:
            self._threads_chain.close()
        await self.chain.close()

    async def __aenter__(self) -> Self:
        try:
            self._check(await self.chain.chain_id(timeout_s=self._timeout_s))
            if may_be_a_copy(self._place, self.chain_id):
                self._is_copy = (await self.chain.client_version(timeout_s=self._timeout_s)).endswith(CLONE_SUFFIX)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What `connect` was asked for."""

    place: Place
    payer: Payer | None
    timeout_s: float | None


def _wish(
    network: str,
    *,
    key: Key | None = None,
    limits: Limits | None = None,
    folder: Path | None = None,
    chain_id: int | None = None,
    indexer_url: str | None = None,
    kv_url: str | None = None,
    flow: Address | None = None,
    disperser: str | None = None,
    retriever: str | None = None,
    gateway: str | None = None,
    simulated_enclaves: bool | None = None,
    timeout_s: float | None = None,
) -> _Wish:
    """Connect to a network, and ask its node which chain it has.

    `network` is `local` (what `zerog up` started in `folder`, by default the present one or one above it), `galileo` or `mainnet` (always
    the public networks themselves), or the URL of a node. `key` signs and pays; without one a local network's first test account does.
    `limits` hold everything that is paid with it, on every layer; what went out today is kept in the state folder of a local network, and
    for others in the folder of the wallet (`ZEROG_WALLET`), where all programs share it. `chain_id` is the one that the node has to have,
    if not that of the name. The others are services elsewhere than the network says, or of a node that is given by its URL: the indexer of
    storage, a key-value node, the contract that files are submitted to, and of DA disperser, retriever (`host:port`) and gateway (a URL).
    `simulated_enclaves` says whether an encrypted chat takes an enclave that is none, with which the provider can read it: by default only
    where nobody can have another one, on a network that `zerog up` started here and behind a node on this machine that is of no public
    network, or of a copy of one. The node has 30 s for its answer, or `timeout_s`.

    Raises `NoNetworkError`, `UnknownNetworkError`, `NetworkUrlError`, `KeyInvalidError`, `NoKeyError` for limits without a key,
    `LimitsTwiceError` for limits beside those of a `Signer`, `OtherChainError`, `NodeUnreachableError` where nobody answers, and
    `AnswerError` where what answers is no node.
    """
    place = resolve(network, folder).with_services(
        chain_id=chain_id,
        indexer_url=indexer_url,
        kv_url=kv_url,
        flow=flow,
        disperser=disperser,
        retriever=retriever,
        gateway=gateway,
        simulated_enclaves=simulated_enclaves,
    )
    return _Wish(place, _payer(place, key, limits), timeout_s)


def _connecting(wish: Callable[P, _Wish], kind: Callable[[Place, Payer | None, float | None], N], name: str, words: str) -> Callable[P, N]:
    """A function that takes what `wish` takes and gives a network of a kind: what can be asked for is said once for both."""

    def connect(*arguments: P.args, **options: P.kwargs) -> N:
        asked = wish(*arguments, **options)
        return kind(asked.place, asked.payer, asked.timeout_s)

    connect.__name__ = connect.__qualname__ = name
    connect.__doc__ = words
    connect.__signature__ = signature(wish).replace(return_annotation=kind)  # type: ignore[attr-defined]
    return connect


connect: Final = _connecting(_wish, Network, "connect", _wish.__doc__ or "")
connect_async: Final = _connecting(
    _wish,
    AsyncNetwork,
    "connect_async",
    'As `connect`, for programs with an event loop: `async with zerog.connect_async("local") as network`, where the node is asked.',
)


def _payer(place: Place, key: Key | None, limits: Limits | None) -> Payer | None:
    """Raises `KeyInvalidError`, `LimitsTwiceError`, and `NoKeyError` for limits without anybody whom they could hold."""
    payer = next(iter(place.accounts), None) if key is None else payer_of(key)
    if limits is None:
        return payer
    if payer is None:
        raise NoKeyError
    if isinstance(payer, Signer):
        raise LimitsTwiceError
    return Signer(payer, limits, wallet_of(place).folder / SIGNERS)
