"""The networks that zerog knows, one TOML file each."""

from zerog.networks.parameters import (
    CLONE_SUFFIX,
    RULES,
    GenesisParams,
    NetworkParams,
    PublicName,
    RulesName,
    UnknownNetworkError,
    ZeroGravityRules,
    load,
    names,
    own_network,
    public_name,
)

__all__ = [
    "CLONE_SUFFIX",
    "RULES",
    "GenesisParams",
    "NetworkParams",
    "PublicName",
    "RulesName",
    "UnknownNetworkError",
    "ZeroGravityRules",
    "load",
    "names",
    "own_network",
    "public_name",
]
