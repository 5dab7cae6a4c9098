"""What the commands for key-value streams share: which node, how streams, keys and accounts are written, and how keys are printed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import cyclopts

from zerog.cli.storage_options import StorageArgumentError, StoragePlace
from zerog.primitives import Address, Hash32, decode_data
from zerog.storage.client.kv import KvClient, stream_id

__all__ = ["Flag", "KeyText", "KvPlace", "StreamText", "account_of", "key_of", "shown", "stream_of"]

StreamText: TypeAlias = Annotated[
    str, cyclopts.Parameter(help="The stream: its id (0x and 64 hex digits), or a word that stands for the Keccak-256 of it.")
]
KeyText: TypeAlias = Annotated[str, cyclopts.Parameter(help="The key: text, or 0x and hex digits for any bytes.")]
Flag = cyclopts.Parameter(negative="")


@dataclass(frozen=True, kw_only=True)
class KvPlace(StoragePlace):
    """Where the streams are, and who writes."""

    kv: str | None = None
    """URL of a key-value node, if not the network's."""

    @contextmanager
    def connect_kv(self, folder: Path) -> Iterator[KvClient]:
        """A client of the node that is meant, without storage where none is known. Raises `NoNetworkError`, `NoKeyValueError`,
        `StorageArgumentError`."""
        from zerog.chain.client import ChainClient
        from zerog.sdk import NoKeyValueError
        from zerog.storage.client import StorageClient

        place = self.place(folder)
        url = self.kv or place.kv_url
        if url is None:
            raise NoKeyValueError(place.chain_url)
        indexer = None if self.node else self.indexer or place.indexer_url
        with ExitStack() as stack:
            chain = stack.enter_context(ChainClient(place.chain_url))
            storage = None
            if indexer is not None or self.node:
                storage = stack.enter_context(StorageClient(indexer=indexer, nodes=self.node, chain=chain, account=self.payer(place)))
            yield stack.enter_context(KvClient(url, storage=storage, chain=chain, flow=place.flow))

    def chain_id(self, folder: Path) -> int:
        """Of the chain that is meant."""
        from zerog.chain.client import ChainClient

        with ChainClient(self.place(folder).chain_url) as chain:
            return int(chain.chain_id())


def stream_of(text: str) -> Hash32:
    """Raises `StorageArgumentError`."""
    try:
        return stream_id(text)
    except ValueError as error:
        raise StorageArgumentError(f"{text!r} names no stream: {error}") from None


def key_of(text: str) -> bytes:
    """Raises `StorageArgumentError`."""
    if text[:2] not in ("0x", "0X"):
        return text.encode()
    try:
        return decode_data(text)
    except ValueError as error:
        raise StorageArgumentError(f"{text!r} is no key: {error}") from None


def account_of(text: str) -> Address:
    """Raises `StorageArgumentError`."""
    try:
        return Address.from_json(text)
    except ValueError as error:
        raise StorageArgumentError(f"an account is 0x and 40 hex digits, and {text!r} is not ({error})") from None


def shown(key: bytes) -> str:
    """A key as the commands take it: as text if it is plain text, else in hex."""
    try:
        text = key.decode()
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and text and text[:2] not in ("0x", "0X") else f"0x{key.hex()}"
