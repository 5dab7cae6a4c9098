"""The id under which a disperser follows a blob.

It is text: the hash of the data, a dash, and in hex the time in nanoseconds with a slash and the hash of nothing behind it. That hash is
the official program's own way: it sums up a hasher that it has written nothing into. Clients take the id as it is.
Source: 0glabs/0g-da-client, disperser/common/blobstore, disperser/disperser.go (`ParseBlobKey`).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from zerog.da.protocol.errors import DaError

__all__ = ["RequestIdEmptyError", "RequestIdMalformedError", "check_request_id", "make_request_id"]

DASH: Final = "-"
HASH_OF_NOTHING: Final = hashlib.sha256().digest()
SHOWN_MAX: Final = 256


@dataclass(eq=False)
class RequestIdEmptyError(DaError):
    """A question about nothing."""

    code = "request_id_empty"
    remedy = "give the id that DisperseBlob answered with"
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "invalid request: request_id must not be empty"


@dataclass(eq=False)
class RequestIdMalformedError(DaError):
    """Bytes that are no id."""

    request_id: bytes

    code = "request_id_malformed"
    remedy = "give the id that DisperseBlob answered with"
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return f"invalid metadata key: {self.request_id[:SHOWN_MAX].decode('utf-8', errors='replace')}"


def make_request_id(data_hash: bytes, received_ns: int) -> str:
    """The id of a blob whose SHA-256 is `data_hash`, received at a time in nanoseconds since 1970. 169 characters, in our days."""
    return data_hash.hex() + DASH + (f"{received_ns}/".encode() + HASH_OF_NOTHING).hex()


def check_request_id(request_id: bytes) -> str:
    """The id as text, if it can be one: it has one dash. Raises `RequestIdEmptyError`, `RequestIdMalformedError`."""
    if not request_id:
        raise RequestIdEmptyError
    try:
        text = request_id.decode("ascii")
    except UnicodeDecodeError:
        raise RequestIdMalformedError(request_id) from None
    if text.count(DASH) != 1:
        raise RequestIdMalformedError(request_id)
    return text
