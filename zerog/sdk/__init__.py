"""What users import: `zerog.connect("local")` gives a network whose members talk to its subsystems."""

from zerog.sdk.errors import (
    KeyInvalidError,
    LimitsTwiceError,
    NetworkUrlError,
    NoDaError,
    NoKeyValueError,
    NoNetworkError,
    NoStorageError,
    OtherChainError,
    SdkError,
)
from zerog.sdk.network import AsyncNetwork, Key, Network, connect, connect_async
from zerog.sdk.places import DaPlace, Place, resolve

__all__ = [
    "AsyncNetwork",
    "DaPlace",
    "Key",
    "KeyInvalidError",
    "LimitsTwiceError",
    "Network",
    "NetworkUrlError",
    "NoDaError",
    "NoKeyValueError",
    "NoNetworkError",
    "NoStorageError",
    "OtherChainError",
    "Place",
    "SdkError",
    "connect",
    "connect_async",
    "resolve",
]
