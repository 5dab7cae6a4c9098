"""Where a disperser works: its account, and the folder of its books."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from zerog.da.client.chain import DaChain
from zerog.da.disperser.errors import DisperserSettingsError
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.networks import load, role_account
from zerog.primitives import Account, Address, SignatureError
from zerog.runtime.files import FileLock, make_private_folder

__all__ = ["BOOKS_FILE", "account_of", "entrance_of", "folder_of"]

BOOKS_FILE: Final = "disperser.sqlite"
LOCK_FILE: Final = "lock"
OTHERS: Final = 0o077
LOCAL: Final = "local"


def entrance_of(settings: DaDisperserSettings) -> Address | None:
    """The entrance contract that the settings name. Raises `DisperserSettingsError`."""
    if settings.entrance is None:
        return None
    try:
        return Address.from_json(settings.entrance)
    except ValueError as error:
        raise DisperserSettingsError(f"entrance: {error}") from None


def account_of(settings: DaDisperserSettings, chain: DaChain) -> Account:
    """The key of the settings; on a network of our own else the one that is funded for the disperser. Raises `DisperserSettingsError`."""
    key = settings.private_key if settings.key_file is None else _read_key(settings.key_file)
    if key is not None:
        try:
            return Account.from_private_key(bytes.fromhex(key.strip().removeprefix("0x")))
        except (ValueError, SignatureError):
            raise DisperserSettingsError("private-key or key-file: it is no key: 32 bytes in hex") from None
    genesis = load(LOCAL).genesis
    if not chain.is_own or genesis is None:
        raise DisperserSettingsError("key-file: the disperser of a public network needs a key of its own, with money for transactions")
    return role_account(genesis.mnemonic, "da")


def _read_key(path: Path) -> str:
    try:
        if path.stat().st_mode & OTHERS:
            raise DisperserSettingsError(f"key-file: {path} can be read by others: chmod 600 {path}")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DisperserSettingsError(f"key-file: {path}: {error}") from None


@contextmanager
def folder_of(settings: DaDisperserSettings) -> Iterator[Path]:
    """The data folder, which is this process's alone meanwhile, or one that goes when the block ends. Raises `LockHeldError`."""
    if settings.data_dir is None:
        with TemporaryDirectory(prefix="zerog-disperser-") as folder:
            yield Path(folder)
        return
    make_private_folder(settings.data_dir)
    with FileLock.acquire(settings.data_dir / LOCK_FILE, command="disperser"):
        yield settings.data_dir
