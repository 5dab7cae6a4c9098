"""What the disperser refuses, in the words of the official one, whose refusals have the gRPC status UNKNOWN.

DaError
├── DisperserSettingsError       a setting that cannot be
├── DisperserStoppedError        it does not run
├── DisperserDataError           its folder is of another network, or of another version
├── RequestRateLimitedError      a client that disperses too often
├── RetrieveRateLimitedError     a client that retrieves too often
├── StoreFullError               blobs under way take all the room that there is for them
├── UnknownRequestError          an id that nobody was given, or that is forgotten
├── RootLengthError              a root that is no hash
├── CursorError                  a cursor that no page gave
├── NotFinalError                the blob that proves the disperser did not become final
└── StepFailedError              a try that did not succeed; for the blob's own record
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.da.protocol.errors import DaError

__all__ = [
    "CursorError",
    "DisperserDataError",
    "DisperserSettingsError",
    "DisperserStoppedError",
    "NotFinalError",
    "RequestRateLimitedError",
    "RetrieveRateLimitedError",
    "RootLengthError",
    "StepFailedError",
    "StoreFullError",
    "UnknownRequestError",
]


@dataclass(eq=False)
class DisperserSettingsError(DaError):
    """Settings of a disperser that cannot be."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class DisperserStoppedError(DaError):
    """The disperser does not run, or not yet."""

    code = "disperser_stopped"
    remedy = "start it and wait until it reports its address"
    http_status = 503

    def __str__(self) -> str:
        return "the disperser is not running"


@dataclass(eq=False)
class DisperserDataError(DaError):
    """A folder that another disperser left."""

    path: Path
    cause: str

    code = "disperser_data"
    remedy = "name another folder with --data-dir, or the network that this one belongs to"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


@dataclass(eq=False)
class RequestRateLimitedError(DaError):
    """A client that disperses too often."""

    code = "rate_limited"
    remedy = "send fewer blobs a minute"
    http_status = 429
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "request ratelimited"


@dataclass(eq=False)
class RetrieveRateLimitedError(DaError):
    """A client that retrieves too often."""

    code = "rate_limited"
    remedy = "ask for fewer blobs a minute"
    http_status = 429
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "request rate limited"


@dataclass(eq=False)
class StoreFullError(DaError):
    """Blobs under way take all the room that there is for them."""

    code = "store_full"
    remedy = "wait until some of the blobs are final"
    http_status = 503
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "memory db is full"


@dataclass(eq=False)
class UnknownRequestError(DaError):
    """An id that nobody was given, or that is forgotten."""

    code = "request_unknown"
    remedy = "give the id that DisperseBlob answered with; ids are forgotten when the time to keep blobs is over"
    http_status = 404
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "failed to retrieve blob status: disperse failed or request may not exist"


@dataclass(eq=False)
class RootLengthError(DaError):
    """A root that is no hash."""

    code = "root_length"
    remedy = "give the 32 bytes of the blob's storage root"
    grpc_status = "UNKNOWN"

    def __str__(self) -> str:
        return "parameter StorageRoot len is not accepted"


@dataclass(eq=False)
class CursorError(DaError):
    """A cursor that no page gave."""

    cursor: str

    code = "cursor_invalid"
    remedy = "give `next_cursor` of the page before, or nothing for the first page"
    grpc_status = "INVALID_ARGUMENT"

    def __str__(self) -> str:
        return f"{self.cursor[:80]!r} is no cursor"


@dataclass(eq=False)
class NotFinalError(DaError):
    """The blob that proves the disperser did not become final."""

    cause: str

    code = "not_ready"
    remedy = "see the disperser's status and log"
    http_status = 503

    def __str__(self) -> str:
        return f"the blob of the proof is not final: {self.cause}"


@dataclass(eq=False)
class StepFailedError(DaError):
    """A try that did not succeed."""

    reason: str
    is_hopeless: bool = False
    """Whether another one would end the same way."""

    code = "step_failed"
    remedy = "see the reason"

    def __str__(self) -> str:
        return self.reason
