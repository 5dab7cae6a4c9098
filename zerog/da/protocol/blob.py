"""How long a blob may be, in the words of those who refuse it.

Source: 0glabs/0g-da-client, disperser/apiserver; 0glabs/0g-da-encoder, grpc/.
"""

from dataclasses import dataclass
from typing import Final

from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.da.protocol.errors import DaError

__all__ = ["BlobEmptyError", "BlobTooLargeError", "EncoderBlobTooLargeError", "check_blob_size", "check_encoder_size"]

SHOWN_KIB_MAX: Final = 31_744
"""What the official disperser names as the limit; the length field at the end of a blob takes four bytes of it."""


@dataclass(eq=False)
class BlobTooLargeError(DaError):
    """A blob that is longer than a blob can be."""

    size_bytes: int

    code = "blob_too_large"
    remedy = f"split it into pieces of at most {BLOB_BYTES_MAX} bytes"
    http_status = 413
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return f"blob size cannot exceed {SHOWN_KIB_MAX} KiB"


@dataclass(eq=False)
class BlobEmptyError(DaError):
    """A blob without a byte: its commitment would be zero, which the entrance contract takes for none."""

    code = "blob_empty"
    remedy = "send at least one byte"
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "blob size must be greater than 0"


@dataclass(eq=False)
class EncoderBlobTooLargeError(DaError):
    """The same in the words of the encoder."""

    size_bytes: int
    bytes_max: int = BLOB_BYTES_MAX

    code = "blob_too_large"
    remedy = f"split it into pieces of at most {BLOB_BYTES_MAX} bytes"
    http_status = 413
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return f"TooLargeBlob {{ actual: {self.size_bytes}, expected_max: {self.bytes_max} }}"


def check_blob_size(size_bytes: int) -> None:
    """Raises `BlobEmptyError`, `BlobTooLargeError` for what a disperser does not take."""
    if size_bytes == 0:
        raise BlobEmptyError
    if size_bytes > BLOB_BYTES_MAX:
        raise BlobTooLargeError(size_bytes)


def check_encoder_size(size_bytes: int) -> None:
    """Raises `EncoderBlobTooLargeError`. An encoder takes nothing as a blob."""
    if size_bytes > BLOB_BYTES_MAX:
        raise EncoderBlobTooLargeError(size_bytes)
