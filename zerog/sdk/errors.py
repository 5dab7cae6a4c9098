"""Why no network could be connected to, or one has not what is asked of it.

SdkError
├── NoNetworkError       no local network runs in this folder
├── NetworkUrlError      text that is no URL of a node
├── OtherChainError      the node is that of another chain
├── NoStorageError, NoKeyValueError, NoDaError
│                        the network has no such subsystem, or it is not known where
├── KeyInvalidError      text or bytes that are no private key
└── LimitsTwiceError     limits for a signer that has some
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives.errors import RefusalError

__all__ = [
    "KeyInvalidError",
    "LimitsTwiceError",
    "NetworkUrlError",
    "NoDaError",
    "NoKeyValueError",
    "NoNetworkError",
    "NoStorageError",
    "OtherChainError",
    "SdkError",
]


class SdkError(RefusalError):
    """A network that cannot be connected to, or has not what is asked of it."""


@dataclass(eq=False)
class NoNetworkError(SdkError):
    """No local network runs in this folder, or not its chain."""

    folder: Path

    code = "no_network"
    remedy = "start one with `zerog up`, or give its folder or URL"
    http_status = 404

    def __str__(self) -> str:
        return f"no local network with a chain runs in {self.folder.absolute()}"


@dataclass(eq=False)
class NetworkUrlError(SdkError):
    """Something that begins as a URL and is not that of a node."""

    url: str

    code = "network_url"
    remedy = "give the URL of a node's JSON-RPC, such as http://127.0.0.1:8545"

    def __str__(self) -> str:
        return f"{self.url!r} is no URL of a node"


@dataclass(eq=False)
class OtherChainError(SdkError):
    """The node that answers is that of another chain than the one that is meant."""

    chain_url: str
    found: int
    wanted: int

    code = "other_chain"
    remedy = "give the URL of a node of the network that you mean, or its chain id"
    http_status = 409

    def __str__(self) -> str:
        return f"the node at {self.chain_url} has chain id {self.found}, not {self.wanted}"


@dataclass(eq=False)
class NoStorageError(SdkError):
    """The network has no storage, or it is not known where."""

    chain_url: str

    code = "no_storage"
    remedy = "start it with `zerog up`, or name an indexer (`indexer_url`) or a storage node"
    http_status = 404

    def __str__(self) -> str:
        return f"no storage is known for the chain at {self.chain_url}"


@dataclass(eq=False)
class NoKeyValueError(SdkError):
    """The network has no key-value node, or it is not known where."""

    chain_url: str

    code = "no_key_value_node"
    remedy = "start one with `zerog up` or `zerog kv run`, or give the URL of another (`kv_url`, or `--kv` of the commands)"
    http_status = 404

    def __str__(self) -> str:
        return f"no key-value node is known for the chain at {self.chain_url}"


@dataclass(eq=False)
class NoDaError(SdkError):
    """The network has no DA, or it is not known where."""

    chain_url: str

    code = "no_da"
    remedy = "start it with `zerog up`, or name a disperser (`disperser`, or `--disperser` of the commands)"
    http_status = 404

    def __str__(self) -> str:
        return f"no DA is known for the chain at {self.chain_url}"


@dataclass(eq=False)
class KeyInvalidError(SdkError):
    """What was given as a private key is none. The value is a secret, so the message does not repeat it."""

    reason: str

    code = "key_invalid"
    remedy = "give the 32 bytes of a private key, as bytes or as 64 hex digits with or without 0x"

    def __str__(self) -> str:
        return f"this is no private key: {self.reason}"


class LimitsTwiceError(SdkError):
    """Limits were given beside a signer that has its own."""

    code = "limits_twice"
    remedy = "give the account as `key` with `limits`, or the signer alone"

    def __str__(self) -> str:
        return "the key is a signer, which has limits of its own"
