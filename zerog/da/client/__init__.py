"""How everybody else talks to DA: to single services, and to a network of them. The clients load grpcio, and only when they are named."""

from typing import TYPE_CHECKING

from zerog.da.client.errors import (
    BlobNotFoundError,
    BlobRefusedError,
    BlobUnconfirmedError,
    BlobWrongError,
    DaClientError,
    DaServiceError,
    DaTimeoutError,
    DispersalFailedError,
    DispersalTimeoutError,
    NoServiceError,
    RequestUnknownError,
)
from zerog.da.client.results import CheckedSample, Dispersal, DispersalProgress, ProgressCallback, WaitUntil

if TYPE_CHECKING:
    from zerog.da.client.asynchronous import AsyncDaClient
    from zerog.da.client.client import DaClient

__all__ = [
    "AsyncDaClient",
    "BlobNotFoundError",
    "BlobRefusedError",
    "BlobUnconfirmedError",
    "BlobWrongError",
    "CheckedSample",
    "DaClient",
    "DaClientError",
    "DaServiceError",
    "DaTimeoutError",
    "Dispersal",
    "DispersalFailedError",
    "DispersalProgress",
    "DispersalTimeoutError",
    "NoServiceError",
    "ProgressCallback",
    "RequestUnknownError",
    "WaitUntil",
]


def __getattr__(name: str) -> object:
    """The clients, on first use."""
    if name == "AsyncDaClient":
        from zerog.da.client import asynchronous

        return asynchronous.AsyncDaClient
    if name == "DaClient":
        from zerog.da.client import client

        return client.DaClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
