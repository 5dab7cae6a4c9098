"""What can go wrong between a user of DA and its services.

DaError
└── DaClientError
    ├── DaServiceError           a service did not answer, or not what was asked for
    ├── BlobRefusedError         a disperser does not take a blob
    ├── RequestUnknownError      a disperser knows no such request
    ├── DispersalFailedError     a blob is FAILED, with the reason
    ├── DispersalTimeoutError    it is not yet where the caller wanted it
    ├── DaTimeoutError           anything else takes longer than the caller waits
    ├── BlobNotFoundError        no service has a blob
    ├── BlobWrongError           a service gave other bytes than those that are named
    ├── BlobUnconfirmedError     no quorum has confirmed a blob yet
    └── NoServiceError           it is not known where a service is
"""

from dataclasses import dataclass

from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Hash32
from zerog.primitives.errors import DeadlineError

__all__ = [
    "BlobNotFoundError",
    "BlobRefusedError",
    "BlobUnconfirmedError",
    "BlobWrongError",
    "DaClientError",
    "DaServiceError",
    "DaTimeoutError",
    "DispersalFailedError",
    "DispersalTimeoutError",
    "NoServiceError",
    "RequestUnknownError",
]


class DaClientError(DaError):
    """Something that a user of DA wanted and did not get."""


@dataclass(eq=False)
class DaServiceError(DaClientError):
    """A service cannot be reached, or answers nonsense."""

    address: str
    cause: str

    code = "da_service"
    remedy = "see whether it runs, and its log"
    http_status = 503

    def __str__(self) -> str:
        return f"{self.address}: {self.cause}"


@dataclass(eq=False)
class BlobRefusedError(DaClientError):
    """A disperser does not take a blob: there is no room or no turn for it now."""

    cause: str

    code = "da_blob_refused"
    remedy = "send it again later"
    http_status = 503

    def __str__(self) -> str:
        return f"the blob was not taken: {self.cause}"


@dataclass(eq=False)
class RequestUnknownError(DaClientError):
    """A disperser knows no such request, or no longer."""

    request_id: str
    cause: str

    code = "da_request_unknown"
    remedy = "give the whole id, to the disperser that it came from"
    http_status = 404

    def __str__(self) -> str:
        return f"request {self.request_id[:16]}…: {self.cause}"


@dataclass(eq=False)
class DispersalFailedError(DaClientError):
    """A blob did not get to a quorum."""

    request_id: str
    reason: str

    code = "da_dispersal_failed"
    remedy = "disperse it again; the reason says whether that helps"
    http_status = 503

    def __str__(self) -> str:
        return f"the blob has failed: {self.reason or 'the disperser does not say why'}"


@dataclass(eq=False)
class DispersalTimeoutError(DeadlineError, DaClientError):
    """A blob is on its way for longer than the caller waits; it goes on."""

    request_id: str
    status: BlobStatus
    step: str
    timeout_s: float

    code = "da_dispersal_slow"
    remedy = "ask for its status later: `zerog da status ID`"
    http_status = 503

    def __str__(self) -> str:
        where = f"{self.status.name} ({self.step})" if self.step else self.status.name
        return f"after {self.timeout_s:g} s the blob is {where}; its request is {self.request_id}"


@dataclass(eq=False)
class DaTimeoutError(DeadlineError, DaClientError):
    """Something takes longer than the caller waits for it."""

    what: str
    timeout_s: float

    code = "da_timeout"
    remedy = "wait longer (`timeout_s`), and see whether the services of DA run; a blob that was not taken can be sent again"

    def __str__(self) -> str:
        return f"{self.what} within {self.timeout_s:g} s"


@dataclass(eq=False)
class BlobNotFoundError(DaClientError):
    """No service gives a blob."""

    name: BlobName
    causes: tuple[str, ...]

    code = "da_blob_not_found"
    remedy = "check root, epoch and quorum; a blob can be had once it is confirmed, until its epoch has left the window of the network"
    http_status = 404

    def __str__(self) -> str:
        return f"blob {self.name} cannot be had: {'; '.join(self.causes)}"


@dataclass(eq=False)
class BlobWrongError(DaClientError):
    """Whoever gave a blob, or its name, does not have it."""

    root: Hash32
    found: Hash32
    source: str

    code = "da_blob_wrong"
    remedy = "ask another service, and trust this one no more"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.source} speaks of {self.root}, and the bytes have the root {self.found}"


@dataclass(eq=False)
class BlobUnconfirmedError(DeadlineError, DaClientError):
    """The chain has no confirmation of a blob."""

    root: Hash32

    code = "da_blob_unconfirmed"
    remedy = "wait until a quorum has signed for it; `zerog da ls` shows where it is"

    def __str__(self) -> str:
        return f"no quorum has confirmed a blob with the root {self.root}"


@dataclass(eq=False)
class NoServiceError(DaClientError):
    """It is not known where a service is."""

    what: str

    code = "no_da_service"
    remedy = "start the network with `zerog up`, or give the service's address"
    http_status = 404

    def __str__(self) -> str:
        return f"it is not known where the {self.what} of DA is"
