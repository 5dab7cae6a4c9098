"""Keys of the roles of our own networks, never those of the test accounts that users spend from."""

from typing import Final, Literal

from zerog.networks.parameters import NetworkParams
from zerog.primitives.keys import Account, derive_accounts

__all__ = ["RoleName", "funded_role_accounts", "role_account"]

RoleName = Literal["chain", "storage", "compute"]
"""Subsystems that a network of our own has, in the order of their start."""
ROLE_PATHS: Final[dict[RoleName, str]] = {
    "chain": "m/44'/60'/16661'/0",
    "storage": "m/44'/60'/16661'/1",
    "compute": "m/44'/60'/16661'/2",
}
"""Derivation path of each role's keys. The test accounts stand at m/44'/60'/0'/0; 16661 is the chain id of 0G's main net."""
FUNDED: Final[tuple[tuple[RoleName, int], ...]] = (("storage", 0), ("storage", 1), ("compute", 0), ("compute", 1), ("compute", 2))
"""Roles that pay for transactions, with the number of the account: storage proves that it is ready by storing a file, and its
miner sends proofs of what is stored. Of compute the first is the provider, which pays a stake, the second owns the contracts and
acknowledges signers, and the third is the user who proves that the provider is ready."""


def role_account(mnemonic: str, role: RoleName, index: int = 0) -> Account:
    """The `index`-th account of a role in a network whose accounts come from `mnemonic`."""
    return derive_accounts(mnemonic, index + 1, ROLE_PATHS[role])[index]


def funded_role_accounts(network: NetworkParams) -> tuple[Account, ...]:
    """Accounts of roles that have something to spend from the first block on; none on a network that others began."""
    if network.genesis is None:
        return ()
    return tuple(role_account(network.genesis.mnemonic, role, index) for role, index in FUNDED)
