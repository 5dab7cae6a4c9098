"""Where a provider stands: on which chain, with which contract, by which key, and where it keeps its books."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from zerog.chain.client import AsyncChainClient
from zerog.compute.provider.errors import ProviderSettingsError
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.networks import NetworkParams, load, own_network, public_name, role_account
from zerog.primitives import Account, Address, SignatureError
from zerog.runtime.files import make_private_folder

__all__ = ["BOOK_FILE", "Place", "book_url", "broker_name", "find_place", "folder_of", "network_of"]

SERVING: Final = "inference_serving"
LOCAL: Final = "local"
BOOK_FILE: Final = "book.db"
OTHERS: Final = 0o077
"""Rights of everybody but the owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One provider's identity on a chain."""

    chain_id: int
    contract: Address
    account: Account = field(repr=False)

    def __str__(self) -> str:
        """What the books are bound to."""
        return f"{self.chain_id}:{self.contract}:{self.account.address}"


async def find_place(client: AsyncChainClient, settings: ComputeProviderSettings, account: Account | None = None) -> Place:
    """Raises `ChainClientError`s, and `ProviderSettingsError` for a chain on which nobody knows the contract or the key."""
    chain_id = int(await client.chain_id())
    network = network_of(chain_id)
    return Place(chain_id=chain_id, contract=_contract(settings, network), account=account or _account(settings, network))


def network_of(chain_id: int) -> NetworkParams:
    """The network with this id; an id that nobody knows is that of a network of our own."""
    public = public_name(chain_id)
    if public is not None:
        return load(public)
    local = load(LOCAL)
    return local if chain_id == local.chain_id else own_network(chain_id=chain_id)


def _contract(settings: ComputeProviderSettings, network: NetworkParams) -> Address:
    if settings.serving is None:
        return network.addresses[SERVING]
    try:
        return Address.from_json(settings.serving)
    except ValueError as error:
        raise ProviderSettingsError(f"serving: {error}") from None


def _account(settings: ComputeProviderSettings, network: NetworkParams) -> Account:
    """The key of the settings; on a network of our own else the one that is funded for its provider."""
    key = settings.private_key if settings.key_file is None else _read_key(settings.key_file)
    if key is not None:
        try:
            return Account.from_private_key(bytes.fromhex(key.strip().removeprefix("0x")))
        except (ValueError, SignatureError):
            raise ProviderSettingsError("private-key or key-file: it is no key: 32 bytes in hex") from None
    if network.genesis is None:
        raise ProviderSettingsError("key-file: the provider of a public network needs a key of its own, with 100 0G for the stake")
    return role_account(network.genesis.mnemonic, "compute")


def _read_key(path: Path) -> str:
    try:
        if path.stat().st_mode & OTHERS:
            raise ProviderSettingsError(f"key-file: {path} can be read by others: chmod 600 {path}")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderSettingsError(f"key-file: {path}: {error}") from None


@contextmanager
def folder_of(settings: ComputeProviderSettings) -> Iterator[Path]:
    """The data folder, or one that goes when the block ends."""
    if settings.data_dir is None:
        with TemporaryDirectory(prefix="zerog-compute-") as folder:
            yield Path(folder)
        return
    make_private_folder(settings.data_dir)
    yield settings.data_dir


def book_url(settings: ComputeProviderSettings, folder: Path) -> str:
    """Where the books are."""
    return settings.database or f"sqlite:///{folder / BOOK_FILE}"


def broker_name(settings: ComputeProviderSettings, folder: Path) -> str:
    """A name that stays when the provider starts again, and that no other broker of the same books has."""
    if settings.broker is not None:
        return settings.broker
    return "broker" if settings.database is None else f"{socket.gethostname()}:{folder}"
