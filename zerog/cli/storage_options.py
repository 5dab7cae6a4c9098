"""What the commands for files share: which network, who pays, how to send, whose keys; and how roots and ranges are written."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import cyclopts

from zerog.primitives import Account, Hash32, SignatureError, decode_data
from zerog.primitives.errors import RefusalError
from zerog.runtime.settings import ENVIRONMENT_PREFIX
from zerog.storage.client import DownloadOptions, Encryption, StorageClient, UploadOptions
from zerog.storage.protocol.encryption import FileKeys, PublicKey, SecretKey

if TYPE_CHECKING:
    from zerog.sdk.network import Place

__all__ = ["Decrypting", "Encrypting", "Reading", "StorageArgumentError", "StoragePlace", "Uploading", "byte_range", "file_names"]

DEFAULT_NETWORK: Final = "local"


@dataclass(eq=False)
class StorageArgumentError(RefusalError):
    """Words on the command line that do not go together, or not with what is stored."""

    cause: str

    code = "arguments"
    remedy = "see the command's --help"

    def __str__(self) -> str:
        return self.cause


def _secret(variable: str, text: str) -> cyclopts.Parameter:
    return cyclopts.Parameter(env_var=f"{ENVIRONMENT_PREFIX}{variable}", help=text)


@dataclass(frozen=True, kw_only=True)
class StoragePlace:
    """Where the files are, and who pays."""

    network: str = DEFAULT_NETWORK
    """local, galileo, mainnet, or the URL of a chain node."""
    indexer: str | None = None
    """URL of an indexer, if not the network's."""
    node: tuple[str, ...] = ()
    """URL of a storage node to use instead of an indexer; can be given several times."""
    key: Annotated[str | None, _secret("KEY", "Private key that pays; on a local network the first test account does without one.")] = (
        field(default=None, repr=False)
    )

    @contextmanager
    def connect(self, folder: Path) -> Iterator[StorageClient]:
        """A client of the network that is meant. Raises `NoNetworkError`, `NoStorageError`, `StorageArgumentError`."""
        from zerog.chain.client import ChainClient
        from zerog.sdk import NoStorageError

        place = self.place(folder)
        account = self.payer(place)
        indexer = self.indexer or place.indexer_url
        if indexer is None and not self.node:
            raise NoStorageError(place.chain_url)
        with ChainClient(place.chain_url) as chain:
            nodes = self.node
            with StorageClient(indexer=None if nodes else indexer, nodes=nodes, chain=chain, account=account) as storage:
                yield storage

    def place(self, folder: Path) -> "Place":
        """Where the network answers. Raises `NoNetworkError`, `UnknownNetworkError`."""
        from zerog.sdk import resolve

        return resolve(self.network, folder)

    def payer(self, place: "Place") -> Account | None:
        """Who pays: the account of the key, or the first test account. Raises `StorageArgumentError`."""
        return next(iter(place.accounts), None) if self.key is None else _account(self.key)


@dataclass(frozen=True, kw_only=True)
class Uploading:
    """How files are sent."""

    replicas: int = 1
    """How many nodes shall hold each segment."""
    method: Literal["min", "max", "random"] = "min"
    """Which nodes are preferred: those with large shards (min), with small ones (max), or any (random)."""
    fragment_bytes: int = UploadOptions().fragment_bytes
    """A larger file is cut into pieces with roots of their own; rounded up to a power of two."""
    again: Annotated[bool, cyclopts.Parameter(negative="")] = False
    """Submit it also when the network has it, for a life of its own."""

    def options(self) -> UploadOptions:
        return UploadOptions(replicas=self.replicas, method=self.method, fragment_bytes=self.fragment_bytes, skip_present=not self.again)


@dataclass(frozen=True, kw_only=True)
class Encrypting:
    """For whom a file is encrypted."""

    encrypt_key: Annotated[str | None, _secret("ENCRYPT_KEY", "Encrypt with this key of 32 bytes; whoever reads the file needs it.")] = (
        field(default=None, repr=False)
    )
    encrypt_for: str | None = None
    """Encrypt for the private key of this public key of secp256k1, in its compressed form of 33 bytes."""
    official_form: Annotated[bool, cyclopts.Parameter(negative="")] = False
    """Encrypt as the official clients do, who cannot read the authenticated form."""

    def encryption(self) -> Encryption | None:
        """Raises `EncryptionKeyError` and `StorageArgumentError`."""
        if self.encrypt_key is None and self.encrypt_for is None:
            return None
        return Encryption(
            key=None if self.encrypt_key is None else SecretKey(_hex(self.encrypt_key, "--encrypt-key")),
            recipient=None if self.encrypt_for is None else PublicKey(_hex(self.encrypt_for, "--encrypt-for")),
            form="official" if self.official_form else "sealed",
        )


@dataclass(frozen=True, kw_only=True)
class Decrypting:
    """With which keys what is read is decrypted."""

    decrypt_key: Annotated[str | None, _secret("DECRYPT_KEY", "Decrypt with the key that was shared.")] = field(default=None, repr=False)
    decrypt_private: Annotated[str | None, _secret("DECRYPT_PRIVATE", "Decrypt with the private key of the recipient.")] = field(
        default=None, repr=False
    )

    def keys(self) -> FileKeys | None:
        """Raises `StorageArgumentError`."""
        if self.decrypt_key is None and self.decrypt_private is None:
            return None
        return FileKeys(
            shared=None if self.decrypt_key is None else SecretKey(_hex(self.decrypt_key, "--decrypt-key")),
            private=None if self.decrypt_private is None else SecretKey(_hex(self.decrypt_private, "--decrypt-private")),
        )


@dataclass(frozen=True, kw_only=True)
class Reading(Decrypting):
    """How files are fetched."""

    unverified: Annotated[bool, cyclopts.Parameter(negative="")] = False
    """Believe the nodes instead of holding every byte against the root."""

    def options(self) -> DownloadOptions:
        return DownloadOptions(verify=not self.unverified)


def file_names(texts: Sequence[str]) -> Hash32 | int | tuple[Hash32, ...]:
    """A root, a number, or several roots. Raises `StorageArgumentError`."""
    if not texts:
        raise StorageArgumentError("name a file: by its root, or by the number of its submission")
    if len(texts) == 1 and texts[0].isascii() and texts[0].isdecimal() and len(texts[0]) < 19:
        return int(texts[0])
    try:
        roots = tuple(Hash32.from_json(text) for text in texts)
    except ValueError as error:
        raise StorageArgumentError(f"a root is 0x and 64 hex digits, and {' '.join(texts)!r} is not ({error})") from None
    return roots[0] if len(roots) == 1 else roots


def byte_range(text: str | None, size_bytes: int) -> tuple[int, int]:
    """First byte and end of what `text` names in a file. Raises `StorageArgumentError`. Source: RFC 9110, section 14.1.2."""
    if text is None:
        return 0, size_bytes
    found = re.fullmatch(r"(\d{0,18})-(\d{0,18})", text, re.ASCII)
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        raise StorageArgumentError(f"a range is 0-99, 100- or -50, not {text!r}")
    if not first:
        return max(size_bytes - int(last), 0), size_bytes
    start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if start >= size_bytes or end <= start:
        raise StorageArgumentError(f"the file has {size_bytes} bytes, and none of them are {text}")
    return start, end


def _account(key: str) -> Account:
    try:
        return Account.from_private_key(_hex(key, "--key"))
    except (SignatureError, ValueError) as error:
        raise StorageArgumentError(f"--key: {error}") from None


def _hex(text: str, flag: str) -> bytes:
    """The value is a secret, so it is not repeated."""
    try:
        return decode_data(text if text[:2] in ("0x", "0X") else f"0x{text}")
    except ValueError as error:
        raise StorageArgumentError(f"{flag}: {error}") from None
