"""Contracts that stand on a chain of our own from block 0, with what they hold by then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Final

import msgspec

from zerog.networks.parameters import NetworkParams, load
from zerog.primitives import Address, Data, Hash32, decode_hook

__all__ = ["PREDEPLOYED_FILE", "GenesisContract", "PredeployedContract", "PredeployedDocument", "predeployed", "predeployed_name"]

PREDEPLOYED_FILE: Final = "predeployed.json"
"""Beside this module; `make contracts` writes it."""

OTHER_ID: Final = "local-under-another-id"
NO_STORAGE: Final[Mapping[Hash32, Hash32]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GenesisContract:
    """One account with code, as block 0 has it."""

    code: bytes
    storage: Mapping[Hash32, Hash32] = field(default_factory=lambda: NO_STORAGE)
    nonce: int = 1
    """One more than the contracts that it created. Source of the 1: EIP-161."""


class PredeployedContract(msgspec.Struct, frozen=True):
    """The same in the file, where networks share codes."""

    contract: str
    """Name of its artefact, and what its constructor was given."""
    nonce: int
    storage: dict[Hash32, Hash32]


class PredeployedDocument(msgspec.Struct, frozen=True):
    """The file: what initialising the contracts of each network left behind."""

    codes: dict[str, Data]
    """Runtime codes with their immutable values filled in, by the artefact's name and the constructor's arguments."""
    networks: dict[str, dict[Address, PredeployedContract]]
    """By `predeployed_name`."""


def predeployed(network: NetworkParams) -> dict[Address, GenesisContract]:
    """The contracts of storage, compute and DA on a network of our own, set up and wired to each other; none on others."""
    document = _document()
    accounts = document.networks.get(predeployed_name(network), {})
    return {address: GenesisContract(document.codes[found.contract], found.storage, found.nonce) for address, found in accounts.items()}


def predeployed_name(network: NetworkParams) -> str:
    """The network's name in the file. All ids that `local` may have beside its own share one. What depends on the id is only how the
    first signers of DA signed up, of which the chain keeps a hash, to draw the first quorum by."""
    local = load("local")
    return OTHER_ID if network.name == local.name and network.chain_id != local.chain_id else network.name


@cache
def _document() -> PredeployedDocument:
    from importlib.resources import files

    text = files("zerog.networks").joinpath(PREDEPLOYED_FILE).read_bytes()
    return msgspec.json.decode(text, type=PredeployedDocument, dec_hook=decode_hook)
