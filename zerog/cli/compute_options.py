"""What the commands for compute share: which network, who pays, and how providers are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import cyclopts

from zerog.compute.client import Assurance, ComputeClient, Wallet
from zerog.primitives import Account, Address, SignatureError, decode_data
from zerog.primitives.errors import RefusalError
from zerog.runtime.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from zerog.sdk.network import Place

__all__ = ["ComputeArgumentError", "ComputePlace", "Flag", "provider_of"]

DEFAULT_NETWORK: Final = "local"
Flag = cyclopts.Parameter(negative="")


@dataclass(eq=False)
class ComputeArgumentError(RefusalError):
    """Words on the command line that do not go together, or not with what there is."""

    cause: str

    code = "arguments"
    remedy = "see the command's --help"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class ComputePlace:
    """Which market, and who pays."""

    network: str = DEFAULT_NETWORK
    """local, galileo, mainnet, or the URL of a chain node."""
    key: Annotated[
        str | None,
        cyclopts.Parameter(
            env_var=f"{ENVIRONMENT_PREFIX}KEY",
            help="Private key that pays; without one the first test account of a local network does, elsewhere one that is made and kept.",
        ),
    ] = field(default=None, repr=False)

    @contextmanager
    def connect(self, folder: Path, *, paying: bool = True, enclave: str | None = None) -> Iterator[ComputeClient]:
        """A client of the market that is meant, with somebody who pays if `paying`. `enclave` is what one has to show, if not the usual.

        Raises `NoNetworkError`, `ComputeArgumentError`.
        """
        from zerog.chain.client import ChainClient
        from zerog.sdk.network import least_assurance_behind, wallet_of

        place = self.place(folder)
        wallet = wallet_of(place)
        account = self.payer(place, wallet) if paying else None
        with ChainClient(place.chain_url) as chain:
            least = least_assurance_behind(place, chain) if enclave is None else Assurance(enclave)
            with ComputeClient(chain=chain, account=account, wallet=wallet, least_assurance=least) as compute:
                yield compute

    def place(self, folder: Path) -> "Place":
        """Where the network answers. Raises `NoNetworkError`, `UnknownNetworkError`."""
        from zerog.sdk import resolve

        return resolve(self.network, folder)

    def wallet(self, folder: Path) -> Wallet:
        """Where limits and keys are kept."""
        from zerog.sdk.network import wallet_of

        return wallet_of(self.place(folder))

    def is_local(self, folder: Path) -> bool:
        """Whether it is a network of our own, whose simulated enclaves nobody takes for real ones."""
        return bool(self.place(folder).accounts)

    def payer(self, place: "Place", wallet: Wallet) -> Account:
        """Raises `ComputeArgumentError`, `WalletError`."""
        if self.key is not None:
            return _account(self.key)
        return next(iter(place.accounts), None) or wallet.account()


def provider_of(text: str) -> Address:
    """Raises `ComputeArgumentError`."""
    try:
        return Address.from_json(text)
    except ValueError as error:
        raise ComputeArgumentError(f"a provider is 0x and 40 hex digits, and {text!r} is not ({error})") from None


def _account(key: str) -> Account:
    """The value is a secret, so it is not repeated."""
    try:
        return Account.from_private_key(decode_data(key if key[:2] in ("0x", "0X") else f"0x{key}"))
    except (SignatureError, ValueError) as error:
        raise ComputeArgumentError(f"--key: {error}") from None
