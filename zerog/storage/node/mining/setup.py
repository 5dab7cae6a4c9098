"""The miner that a node's settings ask for."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from zerog import networks
from zerog.chain.client import AsyncChainClient
from zerog.primitives import Account, Address, SignatureError, decode_data
from zerog.storage.following import Identity
from zerog.storage.node.mining.contract import MiningContract
from zerog.storage.node.mining.settings import MinerSettings
from zerog.storage.node.settings import StorageNodeSettings, StorageSettingsError

if TYPE_CHECKING:
    from zerog.networks import NetworkParams

__all__ = ["miner_account", "miner_settings", "mining_contract"]

KEY_FILE_BYTES_MAX: Final = 1_024
PUBLIC_CHUNK_SECTORS: Final = 1 << 25
"""8 GiB, as the public networks have it."""


def miner_account(settings: StorageNodeSettings) -> Account:
    """The account of the key in the settings' file. Raises `StorageSettingsError`, which never shows the key."""
    path = settings.mine_key_file
    if path is None:
        raise StorageSettingsError("mining needs an account: name the file with its private key in mine_key_file")
    try:
        with path.open("rb") as file:
            text = file.read(KEY_FILE_BYTES_MAX).decode("ascii").strip()
        return Account.from_private_key(decode_data(text if text[:2] in ("0x", "0X") else f"0x{text}"))
    except OSError as error:
        raise StorageSettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (SignatureError, ValueError):
        raise StorageSettingsError(f"{path} holds no private key in hex") from None


def miner_settings(settings: StorageNodeSettings, identity: Identity, account: Account, folder: Path) -> MinerSettings:
    """What the parts of a miner are told. Raises `StorageSettingsError` on a network whose contract we do not know."""
    network = _network_of(identity)
    mine = settings.mine_contract and Address.from_json(settings.mine_contract)
    if not mine:
        mine = None if network is None else network.addresses.get("mine")
    if mine is None:
        raise StorageSettingsError(f"no contract for mining is known on chain {identity.chain_id}: name it in mine_contract")
    storage = None if network is None else network.storage
    return MinerSettings(
        account=account,
        mine=mine,
        pricing_chunk_sectors=PUBLIC_CHUNK_SECTORS if storage is None else storage.pricing_chunk_sectors,
        folder=folder,
        threads=settings.mine_threads,
        share=settings.mine_share,
        sealed_bytes_max=settings.sealed_bytes_max,
        interval_s=settings.sync_interval_s,
        first_block=settings.first_block,
    )


def mining_contract(settings: MinerSettings, client: AsyncChainClient, identity: Identity) -> MiningContract:
    """The contract as the miner sees it."""
    return MiningContract(client, mine=settings.mine, flow=identity.flow, account=settings.account, first_block=settings.first_block)


def _network_of(identity: Identity) -> "NetworkParams | None":
    """The network whose flow this is. One of our own may have any chain id."""
    for name in networks.names():
        network = networks.load(name)
        is_its_chain = network.genesis is not None or network.chain_id == identity.chain_id
        if is_its_chain and network.addresses.get("flow") == identity.flow:
            return network
    return None
