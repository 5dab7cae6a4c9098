"""What differs between two networks, read from their TOML files into frozen values."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from zerog.primitives import Address, Wei, decode_hook
from zerog.primitives.errors import RefusalError

__all__ = [
    "CLONE_SUFFIX",
    "CONTRACT_NAMES",
    "RULES",
    "ChainIdRefusedError",
    "ComputeParams",
    "DaParams",
    "GenesisParams",
    "MiningParams",
    "NetworkParams",
    "PublicName",
    "RulesName",
    "StorageParams",
    "UnknownNetworkError",
    "ZeroGravityRules",
    "check_chain_id",
    "load",
    "names",
    "own_network",
    "public_name",
]

CLONE_SUFFIX: Final = "-clone"
"""Ends the name of every local copy of a public network, so that no answer can be taken for one of the network itself."""
CHAIN_ID_MAX: Final = 2**53 - 1
"""The highest that programs in JavaScript read as it is."""
CONTRACT_NAMES: Final = {
    "Flow": "flow",
    "LedgerManager": "ledger_manager",
    "InferenceServing": "inference_serving",
    "FineTuningServing": "fine_tuning_serving",
    "DAEntrance": "da_entrance",
}
"""Contracts as users know them, and what they are called among a network's addresses."""
COMPUTE_CONTRACTS: Final = ("ledger_manager", "inference_serving", "fine_tuning_serving")
"""Those whose addresses the official compute SDK chooses by the chain id."""


@dataclass(eq=False)
class UnknownNetworkError(RefusalError):
    """No network of this name is shipped."""

    name: str
    known: tuple[str, ...]

    code = "unknown_network"
    remedy = "name one of the known networks, or give the URL of a node"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no network {self.name!r}; known are {', '.join(self.known)}"


@dataclass(eq=False)
class ChainIdRefusedError(RefusalError):
    """A network of our own cannot have this chain id."""

    chain_id: int
    cause: str
    remedy: str = f"give another chain id, from 1 to {CHAIN_ID_MAX}"  # type: ignore[misc]  # What helps depends on the cause.

    code = "chain_id_refused"

    def __str__(self) -> str:
        return f"chain id {self.chain_id}: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroGravityRules:
    """Rules of 0G's chain that Ethereum does not have."""

    min_gas_used_percent: int
    """A transaction is charged at least this share of its gas limit. Source: 0gfoundation/revm, crates/handler/src/post_execution.rs."""
    equal_timestamps: bool
    """Whether a block may carry its parent's timestamp. Source: 0glabs/0g-geth, consensus/beacon/consensus.go."""
    wrapped_base: bool
    """Whether the precompiled contract 0x…1002 behind W0G is there. Source: 0glabs/0g-geth, core/vm/wrapped_a0gi_base.go."""
    da_epoch_blocks: int | None = None
    """Blocks that an epoch of DA lasts at least; `None` if the precompiled contract 0x…1000 that knows DA's signers is not there.

    Source: 0glabs/0g-geth, core/vm/dasigners.go."""


PublicName = Literal["galileo", "mainnet"]
"""Networks that others run, of which a local copy can be made."""
RulesName = Literal["ethereum", "zero-gravity"]
"""Sets of such rules by name, where a chain can be given others than its network has."""
RULES: Final[Mapping[RulesName, ZeroGravityRules]] = MappingProxyType(
    {
        "ethereum": ZeroGravityRules(min_gas_used_percent=0, equal_timestamps=False, wrapped_base=False),
        "zero-gravity": ZeroGravityRules(min_gas_used_percent=80, equal_timestamps=True, wrapped_base=True, da_epoch_blocks=28_800),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisParams:
    """How a chain of our own begins."""

    timestamp: int
    """Seconds since 1970."""
    gas_limit: int
    base_fee_wei: Wei
    mnemonic: str
    """Phrase of the funded test accounts."""
    account_count: int
    account_balance_wei: Wei
    first_account_nonce: int
    """Nonce of account 0."""
    da_signer_count: int
    """How many signers of DA are registered from the start."""
    da_signer_balance_wei: Wei
    """What each of their accounts owns, which is its weight: 30 tokens a vote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageParams:
    """What the contracts of storage were set up with. Source: 0gfoundation/0g-storage-contracts, src/networks/."""

    price_per_sector_wei: Wei
    """For a sector of 256 bytes."""
    release_s: int
    """How long the fees of a full pricing chunk are released to miners: the life of a file."""
    pricing_chunk_sectors: int
    """Sectors whose fees are kept together. Mining ranges begin at multiples of it."""
    blocks_per_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningParams:
    """What the contract that checks proofs of storage was set up with. Source: as of `StorageParams`."""

    difficulty: int
    """How many seals of 4,096 bytes are tried for one answer, on average, in the beginning."""
    target_mine_blocks: int
    """For how many blocks a window takes answers."""
    target_submissions: int
    """Answers in an epoch that the difficulty aims at. Twice as many end the mining of the epoch."""
    max_shards: int
    """Highest number of shards, a power of two."""
    subtasks: int
    """How many windows an epoch has; a miner's id and the epoch's context choose one."""
    subtask_interval_blocks: int
    """Blocks between the starts of two windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeParams:
    """What the contracts of compute were set up with. Source: 0gfoundation/0g-serving-contract, deployments/."""

    lock_time_s: int
    """How long money asked back from a provider stays with it."""
    min_account_balance_wei: Wei
    """A user's ledger begins with at least as much, and keeps at least as much or nothing."""
    min_transfer_wei: Wei
    """The account of a user with a provider begins with at least as much."""
    penalty_percentage: int
    """Of the fee for a fine-tuned model that its user did not acknowledge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaParams:
    """What the entrance of DA was set up with. Source: 0glabs/0g-da-contract, contracts/DAEntrance.sol."""

    blob_price_wei: Wei
    """Fee for a blob, whatever its size."""
    epoch_window: int
    """For how many epochs a blob can be sampled, and signers keep it."""
    sample_period_blocks: int
    """Between two rounds of sampling."""
    target_submissions: int
    """Samples in a round that the difficulty aims at. Twice as many are taken."""
    reward_ratio: int
    """A sample earns one of so many parts of the fees of former epochs."""
    base_reward_wei: Wei
    """What a sample earns besides, while there are donations."""
    service_fee_bps: int
    """The part of fees that goes to the treasury, in units of 1/10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParams:
    """One network: what all its nodes and clients must agree on."""

    name: str
    chain_id: int
    rpc_url: str | None = None
    """Where a public network answers; `None` for one that runs here."""
    indexer_url: str | None = None
    """Where its storage answers, likewise."""
    faucet_url: str | None = None
    """The page that gives something to spend away; `None` where there is none, and where `zerog faucet` does."""
    genesis: GenesisParams | None = None
    """`None` for a network that others began."""
    rules: ZeroGravityRules
    storage: StorageParams | None = None
    """`None` where the chain has no storage that we know of."""
    mining: MiningParams | None = None
    """Likewise."""
    compute: ComputeParams | None = None
    """Likewise."""
    da: DaParams | None = None
    """Likewise."""
    addresses: Mapping[str, Address]
    """Well-known contracts by name."""

    @property
    def is_clone(self) -> bool:
        """Whether it is a local copy under a public network's chain id."""
        return self.name.endswith(CLONE_SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The shape of a network's file."""

    name: str
    chain_id: int
    rules: ZeroGravityRules
    storage: StorageParams
    mining: MiningParams
    compute: ComputeParams
    da: DaParams
    addresses: dict[str, Address]
    rpc_url: str | None = None
    indexer_url: str | None = None
    faucet_url: str | None = None
    genesis: GenesisParams | None = None


def names() -> tuple[str, ...]:
    """Names of the networks that are shipped, in alphabetical order."""
    from importlib.resources import files  # It takes as long as all the rest of this file, and a URL has no parameters.

    folder = files("zerog.networks")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def load(name: str) -> NetworkParams:
    """The parameters of a network. Raises `UnknownNetworkError`."""
    import tomllib
    from importlib.resources import files

    if name not in names():
        raise UnknownNetworkError(name, names())
    document = tomllib.loads(files("zerog.networks").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    file = msgspec.convert(document, _File, dec_hook=decode_hook)
    return NetworkParams(
        name=file.name,
        chain_id=file.chain_id,
        rpc_url=file.rpc_url,
        indexer_url=file.indexer_url,
        faucet_url=file.faucet_url,
        genesis=file.genesis,
        rules=file.rules,
        storage=file.storage,
        mining=file.mining,
        compute=file.compute,
        da=file.da,
        addresses=MappingProxyType(file.addresses),
    )


def public_name(chain_id: int) -> str | None:
    """The public network with this chain id; nothing when there is none that we know."""
    return next((name for name in names() if load(name).rpc_url is not None and load(name).chain_id == chain_id), None)


def check_chain_id(chain_id: int | None, like: PublicName | None) -> None:
    """Raises `ChainIdRefusedError` unless a network of our own can have this id; every one can be left as it is (`None`)."""
    if chain_id is None:
        return
    if like is not None:
        remedy = "leave the setting `chain-id` away, or the setting `like`"
        raise ChainIdRefusedError(chain_id, f"a copy of {like} has the chain id of {like}", remedy)
    if (public := public_name(chain_id)) is not None:
        raise ChainIdRefusedError(chain_id, f"it is that of the public network {public}", f"make a local copy of it with `--like {public}`")
    if not 1 <= chain_id <= CHAIN_ID_MAX:
        raise ChainIdRefusedError(chain_id, "it is out of range")


def own_network(like: PublicName | None = None, rules: RulesName | None = None, *, chain_id: int | None = None) -> NetworkParams:
    """A network that runs here: `local`, also under another id, or a copy of a public one with its chain id, rules and addresses; or
    any of them under other rules.

    Raises `ChainIdRefusedError`.
    """
    check_chain_id(chain_id, like)
    network = load("local") if like is None else _clone_of(load(like), load("local"))
    if chain_id is not None and chain_id != network.chain_id:
        network = _under_another_id(network, chain_id)
    return network if rules is None else dataclasses.replace(network, rules=RULES[rules])


def _under_another_id(local: NetworkParams, chain_id: int) -> NetworkParams:
    """The official compute SDK takes a chain that it does not know for the public test network, so the contracts stand where that one has
    them. None of them is at an address that account 0 would make, so its first nonce is 0."""
    if local.genesis is None:
        raise RuntimeError("local has a genesis")
    galileo = load("galileo").addresses
    return dataclasses.replace(
        local,
        chain_id=chain_id,
        genesis=dataclasses.replace(local.genesis, first_account_nonce=0),
        addresses=MappingProxyType({**local.addresses, **{name: galileo[name] for name in COMPUTE_CONTRACTS}}),
    )


def _clone_of(public: NetworkParams, local: NetworkParams) -> NetworkParams:
    if local.genesis is None:
        raise RuntimeError("local has a genesis")
    return NetworkParams(
        name=public.name + CLONE_SUFFIX,
        chain_id=public.chain_id,
        genesis=dataclasses.replace(local.genesis, first_account_nonce=0),
        rules=public.rules,
        storage=public.storage,
        mining=public.mining,
        compute=public.compute,
        da=public.da,
        addresses=MappingProxyType({**local.addresses, **public.addresses}),
    )
