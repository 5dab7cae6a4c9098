"""Keys of a simulated enclave on disk: made at the first start, for the owner's eyes alone, and the same ever after."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from zerog import __version__
from zerog.compute.protocol.attestation import SIMULATED_WARNING, SimulatedEnclave
from zerog.compute.protocol.errors import EnclaveKeyError
from zerog.primitives import Account, SignatureError
from zerog.runtime.files import make_private_folder

__all__ = ["load_simulated_enclave", "simulated_enclave"]

KEY_FILE_MODE: Final = 0o600
KEY_FILE_BYTES_MAX: Final = 4096
KEY_BYTES: Final = 32


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds, in hex."""

    signer_key: str
    encryption_seed: str
    warning: str = SIMULATED_WARNING


def simulated_enclave(signer: Account, encryption_seed: bytes) -> SimulatedEnclave:
    """An enclave whose keys somebody else keeps."""
    return SimulatedEnclave.from_keys(signer, encryption_seed, version=__version__)


def load_simulated_enclave(path: Path, *, signer: Account | None = None) -> SimulatedEnclave:
    """The enclave whose keys are in the file `path`, which is made if there is none; with `signer` as its signer then.

    Several brokers of one provider share a file. Raises `EnclaveKeyError` when it cannot be read, or others can read it.
    """
    if not path.exists():
        _make(path, signer)
    keys = _read(path)
    return simulated_enclave(keys[0], keys[1])


def _make(path: Path, signer: Account | None) -> None:
    """Whoever comes first makes the file; a half-written one is never seen."""
    signer_key = signer.private_key if signer else _new_private_key()
    content = msgspec.json.encode(_KeyFile(signer_key=signer_key.hex(), encryption_seed=secrets.token_bytes(KEY_BYTES).hex()))
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _new_private_key() -> bytes:
    """Random bytes that are a key of the curve; all but one in 2^128 are."""
    while True:
        candidate = secrets.token_bytes(KEY_BYTES)
        with suppress(SignatureError):
            return Account.from_private_key(candidate).private_key


def _read(path: Path) -> tuple[Account, bytes]:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise EnclaveKeyError(f"{path} can be read by others")
            keys = msgspec.json.decode(file.read(KEY_FILE_BYTES_MAX), type=_KeyFile)
        seed = bytes.fromhex(keys.encryption_seed)
        account = Account.from_private_key(bytes.fromhex(keys.signer_key))
    except OSError as error:
        raise EnclaveKeyError(f"{path}: {error.strerror}") from None
    except (ValueError, msgspec.DecodeError, SignatureError):
        raise EnclaveKeyError(f"{path} holds no keys of an enclave") from None
    if len(seed) != KEY_BYTES:
        raise EnclaveKeyError(f"{path} holds no keys of an enclave")
    return account, seed
