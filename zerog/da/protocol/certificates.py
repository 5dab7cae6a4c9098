"""What stands in a batch of an Arbitrum chain in place of its payload: a header byte, and in RLP the names of the blobs.

Behind the byte that Nitro gives to DA providers outside of it, and behind that of 0G's fork, the same bytes follow.

Sources: 0glabs/nitro, das/zerogravity/zerogravity.go; OffchainLabs/nitro, daprovider/ (header byte 0x01, a message's header of 40 bytes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.da.protocol.commitments import BLOBS_MAX
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32, rlp

__all__ = [
    "FORK_HEADER",
    "PROVIDER_HEADER",
    "SEQUENCER_HEADER_BYTES",
    "CertificateInvalidError",
    "certificate_of_message",
    "decode_certificate",
    "encode_certificate",
]

PROVIDER_HEADER: Final = 0x01
"""Of every DA provider that Nitro talks to over JSON-RPC."""
FORK_HEADER: Final = 0x20
"""Of 0G in 0G's own fork of Nitro."""
SEQUENCER_HEADER_BYTES: Final = 40
"""What stands before the certificate in a sequencer's message: times, blocks and a count of delayed messages."""
UINT_BITS: Final = 64
FIELDS: Final = 3


@dataclass(eq=False)
class CertificateInvalidError(DaError):
    """Bytes that are no certificate of ours."""

    cause: str

    code = "da_certificate_invalid"
    remedy = "send a certificate as this server gave it, in a sequencer's message behind its header of 40 bytes"

    def __str__(self) -> str:
        return f"this is no certificate of 0G DA: {self.cause}"


def encode_certificate(blobs: Sequence[BlobName], header: int = PROVIDER_HEADER) -> bytes:
    """`header`, then the list of `[root, epoch, quorum]`. Raises `ValueError` for no blob, or more than `BLOBS_MAX`."""
    if not 1 <= len(blobs) <= BLOBS_MAX:
        raise ValueError(f"a certificate names 1 to {BLOBS_MAX} blobs, not {len(blobs)}")
    names = [[bytes(blob.root), rlp.encode_number(blob.epoch), rlp.encode_number(blob.quorum_id)] for blob in blobs]
    return bytes([header]) + rlp.encode(names)


def decode_certificate(data: bytes) -> tuple[BlobName, ...]:
    """The inverse of `encode_certificate`, for either header. Raises `CertificateInvalidError`."""
    if data[:1] not in (bytes([PROVIDER_HEADER]), bytes([FORK_HEADER])):
        raise CertificateInvalidError(f"it does not begin with {PROVIDER_HEADER:#04x} or {FORK_HEADER:#04x}")
    try:
        names = rlp.decode(data[1:])
        if isinstance(names, bytes) or not 1 <= len(names) <= BLOBS_MAX:
            raise CertificateInvalidError(f"it is no list of 1 to {BLOBS_MAX} blobs")
        return tuple(_name(name) for name in names)
    except ValueError as error:
        raise CertificateInvalidError(str(error)) from None


def _name(name: rlp.Item) -> BlobName:
    if isinstance(name, bytes) or len(name) != FIELDS:
        raise CertificateInvalidError("a blob's name is a list of root, epoch and quorum")
    root, epoch, quorum_id = name
    if not isinstance(root, bytes) or len(root) != Hash32.LENGTH:
        raise CertificateInvalidError(f"a root has {Hash32.LENGTH} bytes")
    return BlobName(Hash32(root), rlp.decode_number(epoch, UINT_BITS), rlp.decode_number(quorum_id, UINT_BITS))


def certificate_of_message(message: bytes) -> bytes:
    """The certificate in a sequencer's message. Raises `CertificateInvalidError`."""
    if len(message) <= SEQUENCER_HEADER_BYTES:
        raise CertificateInvalidError(f"a message of {len(message)} bytes has nothing behind its header of {SEQUENCER_HEADER_BYTES}")
    return message[SEQUENCER_HEADER_BYTES:]
