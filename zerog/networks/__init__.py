"""The networks that zerog knows, one TOML file each."""

from zerog.networks.parameters import (
    CLONE_SUFFIX,
    RULES,
    ChainIdRefusedError,
    ComputeParams,
    GenesisParams,
    MiningParams,
    NetworkParams,
    PublicName,
    RulesName,
    StorageParams,
    UnknownNetworkError,
    ZeroGravityRules,
    check_chain_id,
    load,
    names,
    own_network,
    public_name,
)
from zerog.networks.predeployed import GenesisContract, predeployed
from zerog.networks.roles import RoleName, funded_role_accounts, role_account

__all__ = [
    "CLONE_SUFFIX",
    "RULES",
    "ChainIdRefusedError",
    "ComputeParams",
    "GenesisContract",
    "GenesisParams",
    "MiningParams",
    "NetworkParams",
    "PublicName",
    "RoleName",
    "RulesName",
    "StorageParams",
    "UnknownNetworkError",
    "ZeroGravityRules",
    "check_chain_id",
    "funded_role_accounts",
    "load",
    "names",
    "own_network",
    "predeployed",
    "public_name",
    "role_account",
]
