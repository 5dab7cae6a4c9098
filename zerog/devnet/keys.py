"""Keys of the roles, never those of the test accounts that users spend from."""

from typing import Final

from zerog.devnet.settings import RoleName
from zerog.primitives.keys import Account, derive_accounts

__all__ = ["role_account"]

ROLE_PATHS: Final[dict[RoleName, str]] = {"chain": "m/44'/60'/16661'/0"}
"""Derivation path of each role's keys. The test accounts stand at m/44'/60'/0'/0; 16661 is the chain id of 0G's main net."""


def role_account(mnemonic: str, role: RoleName, index: int = 0) -> Account:
    """The `index`-th account of a role in a network whose accounts come from `mnemonic`."""
    return derive_accounts(mnemonic, index + 1, ROLE_PATHS[role])[index]
