"""What the gateway refuses.

DaError
└── GatewayError
    ├── PayloadEmptyError        no blob can hold nothing
    ├── PayloadTooLargeError
    ├── PayloadForeignError      a payload has another digest than the one in its path
    ├── PayloadUnknownError      nobody knows a commitment
    ├── PayloadLostError         it is known, and cannot be had now
    ├── StoreRefusedError        what Nitro is told of a store that failed
    ├── ChunksError              parts of a message that do not fit together
    ├── NameUnknownError         no quorum has signed a root
    └── GatewayStoppedError
"""

from dataclasses import dataclass

from zerog.da.protocol.errors import DaError
from zerog.primitives import Hash32

__all__ = [
    "ChunksError",
    "GatewayError",
    "GatewayStoppedError",
    "NameUnknownError",
    "PayloadEmptyError",
    "PayloadForeignError",
    "PayloadLostError",
    "PayloadTooLargeError",
    "PayloadUnknownError",
    "StoreRefusedError",
]


class GatewayError(DaError):
    """A request to the gateway that is not fulfilled."""


class PayloadEmptyError(GatewayError):
    """No blob can hold nothing."""

    code = "payload_empty"
    remedy = "send at least one byte"

    def __str__(self) -> str:
        return "the payload is empty"


@dataclass(eq=False)
class PayloadTooLargeError(GatewayError):
    """More than this gateway splits into blobs."""

    size_bytes: int
    bytes_max: int

    code = "payload_too_large"
    remedy = "send smaller batches, or run the gateway with a larger `payload-bytes-max`"
    http_status = 413

    def __str__(self) -> str:
        return f"message too large for current DA backend: {self.size_bytes} bytes, and this gateway takes {self.bytes_max}"


@dataclass(eq=False)
class PayloadForeignError(GatewayError):
    """A payload under the digest of another one."""

    named: Hash32
    found: Hash32

    code = "payload_foreign"
    remedy = "put a payload under 0x00 and its own Keccak-256 digest"

    def __str__(self) -> str:
        return f"the payload has the digest {self.found}, and was sent as {self.named}"


@dataclass(eq=False)
class PayloadUnknownError(GatewayError):
    """A commitment that nobody knows."""

    cause: str

    code = "payload_unknown"
    remedy = "check the commitment; blobs are forgotten once their epoch has left the window of the network"
    http_status = 404

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class PayloadLostError(GatewayError):
    """A quorum has signed it, and it cannot be had now."""

    cause: str

    code = "payload_unavailable"
    remedy = "ask again later, and look whether the signers of its quorum run"
    http_status = 503

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class StoreRefusedError(GatewayError):
    """A message of Nitro that could not be stored. The text says to Nitro whether its poster may fall back."""

    cause: str
    falls_back: bool

    code = "store_refused"
    remedy = "see the log of the disperser; with the setting `nitro-fallback` posters go on with their next DA writer meanwhile"
    http_status = 503

    def __str__(self) -> str:
        return f"{FALLBACK}: {self.cause}" if self.falls_back else self.cause


FALLBACK = "DA provider requests fallback to next writer"
"""What a batch poster looks for in an error. Source: OffchainLabs/nitro, daprovider/writer.go."""


@dataclass(eq=False)
class ChunksError(GatewayError):
    """Parts of a message that do not fit together."""

    cause: str

    code = "chunks_invalid"
    remedy = "begin anew with `daprovider_startChunkedStore`"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class NameUnknownError(GatewayError):
    """No quorum has signed a root, as far as the chain is read."""

    root: Hash32

    code = "root_unknown"
    remedy = "wait until the blob is confirmed, or name epoch and quorum: ?epoch=E&quorum=Q"
    http_status = 404

    def __str__(self) -> str:
        return f"no quorum has signed {self.root}"


class GatewayStoppedError(GatewayError):
    """The gateway does not run, or not yet."""

    code = "gateway_stopped"
    remedy = "start it and wait until it reports its URL"
    http_status = 503

    def __str__(self) -> str:
        return "the gateway is not running"
