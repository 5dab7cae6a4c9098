"""What users import: `zerog.connect("local")` gives a network whose members talk to its subsystems."""

from zerog.sdk.network import (
    AsyncNetwork,
    DaPlace,
    Network,
    NoDaError,
    NoKeyValueError,
    NoNetworkError,
    NoStorageError,
    connect,
    connect_async,
    resolve,
)

__all__ = [
    "AsyncNetwork",
    "DaPlace",
    "Network",
    "NoDaError",
    "NoKeyValueError",
    "NoNetworkError",
    "NoStorageError",
    "connect",
    "connect_async",
    "resolve",
]
