"""What differs between two networks, read from their TOML files into frozen values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from zerog.primitives import Address, Wei, decode_hook
from zerog.primitives.errors import RefusalError

__all__ = ["GenesisParams", "NetworkParams", "UnknownNetworkError", "load", "names"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisParams:
    """How a chain of our own begins."""

    timestamp: int
    """Seconds since 1970."""
    gas_limit: int
    base_fee_wei: Wei
    equal_timestamps: bool
    """Whether a block may carry its parent's timestamp. Source: 0glabs/0g-geth, consensus/beacon/consensus.go."""
    mnemonic: str
    """Phrase of the funded test accounts."""
    account_count: int
    account_balance_wei: Wei
    first_account_nonce: int
    """Nonce of account 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParams:
    """One network: what all its nodes and clients must agree on."""

    name: str
    chain_id: int
    rpc_url: str | None = None
    """Where a public network answers; `None` for one that runs here."""
    genesis: GenesisParams | None = None
    """`None` for a network that others began."""
    addresses: Mapping[str, Address]
    """Well-known contracts by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The shape of a network's file."""

    name: str
    chain_id: int
    addresses: dict[str, Address]
    rpc_url: str | None = None
    genesis: GenesisParams | None = None


def names() -> tuple[str, ...]:
    """Names of the networks that are shipped, in alphabetical order."""
    folder = files("zerog.networks")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def load(name: str) -> NetworkParams:
    """The parameters of a network. Raises `UnknownNetworkError`."""
    if name not in names():
        raise UnknownNetworkError(name, names())
    document = tomllib.loads(files("zerog.networks").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    file = msgspec.convert(document, _File, dec_hook=decode_hook)
    return NetworkParams(
        name=file.name,
        chain_id=file.chain_id,
        rpc_url=file.rpc_url,
        genesis=file.genesis,
        addresses=MappingProxyType(file.addresses),
    )
