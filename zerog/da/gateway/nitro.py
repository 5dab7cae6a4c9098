"""`daprovider_*`: what Arbitrum Nitro asks a DA provider outside of it.

Sources: OffchainLabs/nitro, daprovider/daclient/daclient.go, daprovider/server_api/, daprovider/data_streaming/; a proof of ours has the
form of its reference provider (daprovider/referenceda/), so that the same enhancer carries it.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec
from anyio import to_thread

from zerog._kernel import keccak256
from zerog.da.client.errors import DaClientError
from zerog.da.gateway.chunks import PendingMessages
from zerog.da.gateway.errors import PayloadLostError, PayloadUnknownError, StoreRefusedError
from zerog.da.gateway.payloads import Payloads
from zerog.da.protocol.certificates import (
    FORK_HEADER,
    PROVIDER_HEADER,
    CertificateInvalidError,
    certificate_of_message,
    decode_certificate,
    encode_certificate,
)
from zerog.da.protocol.commitments import GenericCommitment
from zerog.primitives import Data, Hash32, Quantity, Uint64
from zerog.runtime.jsonrpc import Namespace

__all__ = ["Provider", "daprovider"]

daprovider: Final = Namespace("daprovider")

SHA2_256_PREIMAGE: Final = "1"
CERTIFICATE_PREIMAGE: Final = "3"
"""Kinds of preimages. Source: OffchainLabs/nitro, arbutil/preimage_type.go."""
PROOF_VERSION: Final = 1
NO_TIME: Final = Uint64(0)
NO_SIGNATURE: Final = Data(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What the methods work with."""

    payloads: Payloads
    pending: PendingMessages
    falls_back: bool
    """Whether posters shall go on with their next writer when a message cannot be stored."""

    async def store(self, message: bytes) -> Data:
        """The certificate. Raises `PayloadEmptyError`, `PayloadTooLargeError`, `StoreRefusedError`."""
        try:
            commitment = await self.payloads.put(message)
        except DaClientError as error:
            raise StoreRefusedError(str(error), self.falls_back) from None
        return Data(encode_certificate(commitment.blobs))

    async def payload_of(self, certificate: bytes) -> bytes:
        """Raises `CertificateInvalidError`, and what `Payloads.get` raises."""
        return await self.payloads.get(GenericCommitment(decode_certificate(certificate)))


class HeaderBytes(msgspec.Struct, rename="camel"):
    """What messages of ours begin with."""

    header_bytes: Data


class MessageSize(msgspec.Struct, rename="camel"):
    """The longest batch, in bytes."""

    max_size: int


class Stored(msgspec.Struct):
    """What is posted in place of a batch."""

    certificate: Data = msgspec.field(name="serialized-da-cert")


class Started(msgspec.Struct):
    """The number of a message that comes in parts. Nitro keeps an older name for it."""

    number: Uint64 = msgspec.field(name="BatchId")


class Payload(msgspec.Struct):
    """A batch; base64, as Go writes bytes."""

    payload: bytes = msgspec.field(name="Payload")


class Preimages(msgspec.Struct):
    """What a validator replays a batch from, by kind and key."""

    preimages: dict[str, dict[str, bytes]] = msgspec.field(name="Preimages")


class Proof(msgspec.Struct):
    """For the one-step prover."""

    proof: Data


@daprovider.method("getSupportedHeaderBytes")
def get_supported_header_bytes(_provider: Provider) -> HeaderBytes:
    """The byte of providers outside of Nitro. What 0G's fork posted with its own is read all the same."""
    return HeaderBytes(header_bytes=Data([PROVIDER_HEADER]))


@daprovider.method("getMaxMessageSize")
def get_max_message_size(provider: Provider) -> MessageSize:
    """How long a batch may be."""
    return MessageSize(max_size=provider.payloads.bytes_max)


@daprovider.method("store")
async def store(provider: Provider, message: Data, _timeout: Uint64 = NO_TIME) -> Stored:
    """Store a batch. `timeout` says until when it must be kept; the network keeps it for its window of epochs."""
    return Stored(certificate=await provider.store(message))


@daprovider.method("startChunkedStore")
def start_chunked_store(
    provider: Provider,
    _timestamp: Uint64,
    chunk_count: Uint64,
    chunk_bytes: Uint64,
    total_bytes: Uint64,
    _timeout: Uint64 = NO_TIME,
    _signature: Data = NO_SIGNATURE,
) -> Started:
    """Begin a batch in parts. Whoever reaches the gateway may store, so signatures are not looked at."""
    return Started(number=Uint64(provider.pending.start(int(chunk_count), int(chunk_bytes), int(total_bytes))))


@daprovider.method("sendChunk")
def send_chunk(provider: Provider, number: Uint64, index: Uint64, chunk: Data, _signature: Data = NO_SIGNATURE) -> None:
    """One part."""
    provider.pending.add(int(number), int(index), bytes(chunk))


@daprovider.method("commitChunkedStore")
async def commit_chunked_store(provider: Provider, number: Uint64, _signature: Data = NO_SIGNATURE) -> Stored:
    """All parts have been sent: store the batch."""
    return Stored(certificate=await provider.store(provider.pending.finish(int(number))))


@daprovider.method("recoverPayload")
async def recover_payload(provider: Provider, _batch: Quantity, _block: Hash32, message: Data) -> Payload:
    """The batch of a sequencer's message."""
    return Payload(payload=await provider.payload_of(certificate_of_message(message)))


@daprovider.method("collectPreimages")
async def collect_preimages(provider: Provider, _batch: Quantity, _block: Hash32, message: Data) -> Preimages:
    """The batch under the key that validators look for it with: of our certificates their Keccak-256, of the fork's the SHA-256 of the
    list in it."""
    certificate = certificate_of_message(message)
    payload = await provider.payload_of(certificate)
    if certificate[0] == FORK_HEADER:
        return Preimages(preimages={SHA2_256_PREIMAGE: {f"0x{sha256(certificate[1:]).hexdigest()}": payload}})
    return Preimages(preimages={CERTIFICATE_PREIMAGE: {f"0x{keccak256(certificate).hex()}": payload}})


@daprovider.method("generateReadPreimageProof")
async def generate_read_preimage_proof(provider: Provider, _first: str, second: str, third: str | None = None) -> Proof:
    """The whole batch, from which the contract reads at an offset. Older releases put the hash of the certificate before the offset."""
    certificate = Data.from_json(second if third is None else third)
    payload = await provider.payload_of(certificate)
    return Proof(proof=Data(await to_thread.run_sync(_read_proof, payload)))


def _read_proof(payload: bytes) -> bytes:
    return bytes([PROOF_VERSION]) + len(payload).to_bytes(8, "big") + payload


@daprovider.method("generateCertificateValidityProof")
async def generate_certificate_validity_proof(provider: Provider, certificate: Data) -> Proof:
    """Whether a certificate is well formed and its batch is there: one byte, and the version. The contract has the last word."""
    try:
        await provider.payload_of(certificate)
    except (CertificateInvalidError, PayloadUnknownError):
        return Proof(proof=Data([0, PROOF_VERSION]))
    except PayloadLostError:
        raise  # It may be valid; nobody can say so now.
    return Proof(proof=Data([1, PROOF_VERSION]))
