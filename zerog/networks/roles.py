"""Keys of the roles of our own networks, never those of the test accounts that users spend from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from zerog._kernel import keccak256
from zerog.networks.parameters import NetworkParams
from zerog.primitives import Address, Wei
from zerog.primitives.keys import Account, derive_accounts

__all__ = [
    "DA_SIGNERS_MAX",
    "RoleName",
    "RolePurpose",
    "da_signer_secret",
    "funded_role_accounts",
    "role_account",
    "role_balances",
    "role_purposes",
]

RoleName = Literal["chain", "storage", "compute", "da"]
"""Subsystems that a network of our own has, in the order of their start."""
ROLE_PATHS: Final[dict[RoleName, str]] = {
    "chain": "m/44'/60'/16661'/0",
    "storage": "m/44'/60'/16661'/1",
    "compute": "m/44'/60'/16661'/2",
    "da": "m/44'/60'/16661'/3",
}
"""Derivation path of each role's keys. The test accounts stand at m/44'/60'/0'/0; 16661 is the chain id of 0G's main net."""
DA_SIGNERS_MAX: Final = 16
"""Signers of DA that have something to vote with in the first block."""
FUNDED: Final[dict[RoleName, int]] = {"storage": 2, "compute": 3, "da": 1 + DA_SIGNERS_MAX}
"""How many accounts of a role have something to spend. Storage proves that it is ready by storing a file, and its miner sends proofs of
what is stored. Of compute the first is the provider, which pays a stake, the second owns the contracts and acknowledges signers, and the
third is the user who proves that the provider is ready. Of DA the first is the disperser, which announces and confirms blobs; the others
are signers."""
GROUP_ORDER: Final = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Secrets of signatures over BN254 are below it."""


def role_account(mnemonic: str, role: RoleName, index: int = 0) -> Account:
    """The `index`-th account of a role in a network whose accounts come from `mnemonic`."""
    return derive_accounts(mnemonic, index + 1, ROLE_PATHS[role])[index]


def funded_role_accounts(network: NetworkParams) -> tuple[Account, ...]:
    """Accounts of roles that have something to spend from the first block on; none on a network that others began."""
    if network.genesis is None:
        return ()
    phrase = network.genesis.mnemonic
    return tuple(account for role, count in FUNDED.items() for account in derive_accounts(phrase, count, ROLE_PATHS[role]))


def role_balances(network: NetworkParams) -> Mapping[Address, Wei]:
    """What accounts of roles own in the first block where it is not what all others own: the balance of DA's signers is their weight."""
    if network.genesis is None:
        return {}
    accounts = derive_accounts(network.genesis.mnemonic, 1 + DA_SIGNERS_MAX, ROLE_PATHS["da"])
    return {account.address: network.genesis.da_signer_balance_wei for account in accounts[1:]}


@dataclass(frozen=True, slots=True)
class RolePurpose:
    """An account of a role, and what it is there for."""

    role: RoleName
    index: int
    """Among those of the role."""
    address: Address
    purpose: str


PURPOSES: Final[dict[RoleName, tuple[str, ...]]] = {
    "storage": ("stores the file that proves storage", "mines, with `zerog up --mine`"),
    "compute": ("the provider: pays its stake, is paid by settlements", "owns the contracts", "the user who proves the provider"),
    "da": ("the disperser: pays for blobs",),
}


def role_purposes(network: NetworkParams) -> tuple[RolePurpose, ...]:
    """The accounts of roles that pay or are paid on a network of our own; none on one that others began. Of DA's signers those that are
    registered from the first block on."""
    if network.genesis is None:
        return ()
    found: list[RolePurpose] = []
    for role, purposes in PURPOSES.items():
        signers = ("a signer: its balance is its votes",) * network.genesis.da_signer_count if role == "da" else ()
        texts = purposes + signers
        accounts = derive_accounts(network.genesis.mnemonic, len(texts), ROLE_PATHS[role])
        found += [
            RolePurpose(role, index, account.address, text) for index, (account, text) in enumerate(zip(accounts, texts, strict=True))
        ]
    return tuple(found)


def da_signer_secret(account: Account) -> bytes:
    """The secret (32 bytes) that a signer of DA on a network of our own signs blobs with: from its account's key, so that it has one key
    to keep."""
    digest = int.from_bytes(keccak256(b"zerog da signer" + account.private_key))
    return (digest % GROUP_ORDER).to_bytes(32)
