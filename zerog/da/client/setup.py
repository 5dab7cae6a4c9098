"""Which parameters commitments and proofs are made with: three kinds by name, and where the openly insecure one is allowed.

Source of the split: 0glabs/0g-da-encoder, README (parameters of the ceremony, and how others are made).
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from zerog._kernel import AmtSetup, keccak256
from zerog.da.protocol.errors import DaError

__all__ = [
    "DEFAULT_SETUP",
    "InsecureSetupRefusedError",
    "Setup",
    "SetupKind",
    "SetupNameError",
    "check_setup_name",
    "insecure_tau",
    "open_setup",
]

log = structlog.get_logger(__name__)

SetupKind = Literal["insecure-dev", "made", "official"]
DEFAULT_SETUP: Final = "insecure-dev:local"
KINDS: Final[tuple[SetupKind, ...]] = ("insecure-dev", "made", "official")
SEED_PREFIX: Final = b"zerog insecure DA setup"
BANNER: Final = "anybody can forge proofs: its secret number is public. It is for development on this machine, and for nothing else"


@dataclass(eq=False)
class SetupNameError(DaError):
    """No name of a setup."""

    name: str

    code = "da_setup_name"
    remedy = "name one as insecure-dev:SEED, made:FOLDER or official:FOLDER"

    def __str__(self) -> str:
        return f"{self.name!r} is no setup"


@dataclass(eq=False)
class InsecureSetupRefusedError(DaError):
    """The insecure setup where others would rely on it."""

    cause: str

    code = "da_setup_insecure"
    remedy = "use the official parameters (official:FOLDER), or ones that you made (made:FOLDER)"
    http_status = 403

    def __str__(self) -> str:
        return f"the setup insecure-dev is refused: {self.cause}"


@dataclass(frozen=True, slots=True)
class Setup:
    """Parameters that are open."""

    kind: SetupKind
    amt: AmtSetup

    @property
    def fingerprint(self) -> bytes:
        """32 bytes. Two programs work together only where it is the same."""
        return self.amt.fingerprint


def check_setup_name(name: str) -> tuple[SetupKind, str]:
    """Kind, and seed or folder. Raises `SetupNameError`."""
    kind, separator, rest = name.partition(":")
    found = next((known for known in KINDS if known == kind), None)
    if found is None or not separator or not rest:
        raise SetupNameError(name)
    return found, rest


def insecure_tau(seed: str) -> bytes:
    """The number of a seed, which is reduced to the field by whoever takes it."""
    return keccak256(SEED_PREFIX + seed.encode())


def open_setup(
    name: str,
    *,
    host: str,
    is_own_network: bool = True,
    allow_remote: bool = False,
    prove: bool = True,
    development: bool = False,
) -> Setup:
    """The setup of a name, for a role that listens on `host`. Blocks: a second for the insecure one, more for files.

    `is_own_network` says that the chain is one of our own, or a local copy of a public one; without `prove` files are read only as far as
    it takes to verify. Raises `SetupNameError`, `InsecureSetupRefusedError`, and the kernel's error for files that cannot be read or are
    others than they say.
    """
    kind, rest = check_setup_name(name)
    if kind != "insecure-dev":
        return Setup(kind, AmtSetup.load(rest, official=kind == "official", prove=prove))
    if not is_own_network:
        raise InsecureSetupRefusedError("the chain is a public network")
    if not allow_remote and not _is_loopback(host):
        raise InsecureSetupRefusedError(f"others can reach {host}; --allow-insecure-setup lets them")
    log.warning("insecure_da_setup", seed=rest, meaning=BANNER)
    return Setup(kind, AmtSetup.insecure(insecure_tau(rest), development=development))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
