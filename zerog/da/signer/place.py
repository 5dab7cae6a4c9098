"""Where a DA node stands: on which chain, with which account and secret, and where it keeps its rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from zerog._kernel import bls_public_key
from zerog.chain.client import AsyncChainClient
from zerog.da.client.chain import DaChain
from zerog.da.signer.errors import SignerSettingsError
from zerog.da.signer.settings import DaSignerSettings
from zerog.networks import da_signer_secret, load, role_account
from zerog.primitives import Account, SignatureError
from zerog.runtime.files import make_private_folder

__all__ = ["SignerPlace", "find_place", "folder_of"]

KEY_FILE_BYTES_MAX: Final = 1_024
SECRET_BYTES: Final = 32
OTHERS: Final = 0o077
"""Rights of everybody but the owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerPlace:
    """One signer on a chain."""

    chain: DaChain
    account: Account
    secret: bytes = field(repr=False)
    """The BLS secret, 32 big-endian bytes."""

    def __str__(self) -> str:
        """What the data is bound to."""
        return f"signer {self.account.address} of the entrance {self.chain.entrance} on chain {self.chain.chain_id}"


async def find_place(client: AsyncChainClient, settings: DaSignerSettings, account: Account | None = None) -> SignerPlace:
    """Raises `SignerSettingsError` for keys that are missing or none, and what `DaChain.find` raises."""
    chain = await DaChain.find(client, settings.entrance_address)
    if account is None and settings.key_file is not None:
        account = _account(settings.key_file)
    genesis = load("local").genesis if chain.is_own else None
    if account is None and genesis is not None:
        account = role_account(genesis.mnemonic, "da", settings.signer)
    if account is None:
        raise SignerSettingsError("key_file: a signer of a public network needs an account of its own, whose balance is its weight")
    secret = _secret(settings)
    if secret is None and chain.is_own:
        secret = da_signer_secret(account)
    if secret is None:
        raise SignerSettingsError("bls_key_file: a signer of a public network needs a secret of its own to sign blobs with")
    return SignerPlace(chain=chain, account=account, secret=secret)


@contextmanager
def folder_of(settings: DaSignerSettings) -> Iterator[Path]:
    """The data folder, or one that goes when the block ends."""
    if settings.data_dir is None:
        with TemporaryDirectory(prefix="zerog-da-signer-") as folder:
            yield Path(folder)
        return
    make_private_folder(settings.data_dir)
    yield settings.data_dir


def _account(path: Path) -> Account:
    try:
        return Account.from_private_key(bytes.fromhex(_read_key(path).removeprefix("0x")))
    except (ValueError, SignatureError):
        raise SignerSettingsError(f"key_file: {path} holds no private key in hex") from None


def _secret(settings: DaSignerSettings) -> bytes | None:
    text = settings.bls_key if settings.bls_key_file is None else _read_key(settings.bls_key_file)
    if text is None:
        return None
    try:
        secret = int(text.strip()).to_bytes(SECRET_BYTES, "big")
        bls_public_key(secret)
    except (ValueError, OverflowError):
        raise SignerSettingsError("bls_key or bls_key_file: it is no secret: a decimal number below the order of the group") from None
    return secret


def _read_key(path: Path) -> str:
    try:
        if path.stat().st_mode & OTHERS:
            raise SignerSettingsError(f"{path} can be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            return file.read(KEY_FILE_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SignerSettingsError(f"{path}: {error}") from None
