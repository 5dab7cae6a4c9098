"""What a provider refuses: each with the status that clients of 0G's brokers expect, a cause and a remedy.

ComputeError
├── ProviderSettingsError        settings that cannot be
├── RequestError                 a body that is none for this route (400)
├── ModelMismatchError           a model that is not served here (404)
├── ModelExpiredError            a model whose time is over (410)
├── EndpointNotSupportedError    a path that is neither charged nor free (404)
├── RouteNotOfferedError         a route of the official broker that this provider does not have (501)
├── NoAccountError, NotAcknowledgedError   nothing could be settled (402, 403, 503)
├── ForeignUserError             a token of somebody else (403)
├── RateLimitedError             more in a minute than the limits allow (429)
├── TooManyRequestsError         more at once than one user may have (429)
├── ProviderBusyError            more at once than the provider answers (503)
├── JobNotFoundError, ForeignJobError, TooManyJobsError
├── SignatureNotFoundError, ReceiptNotFoundError, PictureNotFoundError
├── BrokenAnswerError            what the model's server answered cannot be used (502)
├── UpstreamRefusedError         the model's server refused the request; its status and words are passed on
├── NotRecordedError             an answer that could not be charged, and is therefore not given (503)
├── ProviderStoppedError         asked while it does not run (503)
└── NotKeptError                 nothing of which a copy could be made
"""

from dataclasses import dataclass, field

from zerog.compute.protocol.errors import ComputeError

__all__ = [
    "BrokenAnswerError",
    "EndpointNotSupportedError",
    "ForeignJobError",
    "ForeignUserError",
    "JobNotFoundError",
    "ModelExpiredError",
    "ModelMismatchError",
    "NoAccountError",
    "NotAcknowledgedError",
    "NotKeptError",
    "NotRecordedError",
    "PictureNotFoundError",
    "ProviderBusyError",
    "ProviderSettingsError",
    "ProviderStoppedError",
    "RateLimitedError",
    "ReceiptNotFoundError",
    "RequestError",
    "RouteNotOfferedError",
    "SignatureNotFoundError",
    "TooManyJobsError",
    "TooManyRequestsError",
    "UpstreamRefusedError",
]


@dataclass(eq=False)
class ProviderSettingsError(ComputeError):
    """Settings of a provider that cannot be."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class RequestError(ComputeError):
    """A body that is none for this route."""

    cause: str

    code = "invalid_request"
    remedy = "send what the OpenAI API takes on this route"
    http_status = 400

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class ModelMismatchError(ComputeError):
    """The request names a model that this provider does not serve."""

    model: str
    served: tuple[str, ...]

    code = "model_not_found"
    http_status = 404

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"name {' or '.join(self.served)}" if self.served else "choose another provider: this one serves no model on this route"

    def __str__(self) -> str:
        return f"the model {self.model[:200]!r} is not served here"


@dataclass(eq=False)
class ModelExpiredError(ComputeError):
    """A model that was offered until a day that is over."""

    model: str
    expired: str

    code = "model_expired"
    remedy = "choose a model of GET /v1/models that has not expired"
    http_status = 410

    def __str__(self) -> str:
        return f"the model {self.model!r} was served until {self.expired}"


@dataclass(eq=False)
class EndpointNotSupportedError(ComputeError):
    """A path that is neither charged nor free."""

    path: str

    code = "endpoint_not_supported"
    remedy = "use a route of the documentation, for example POST /v1/proxy/chat/completions"
    http_status = 404

    def __str__(self) -> str:
        return f"endpoint not supported: {self.path[:200]}"


@dataclass(eq=False)
class RouteNotOfferedError(ComputeError):
    """A route that official brokers may have and this provider does not."""

    what: str
    advice: str

    code = "not_offered"
    http_status = 501

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return self.advice

    def __str__(self) -> str:
        return f"this provider does not offer {self.what}"


@dataclass(eq=False)
class NoAccountError(ComputeError):
    """The caller has no account with this provider."""

    user: str
    provider: str

    code = "insufficient_balance"
    http_status = 402

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"move at least 1 0G from your ledger to the provider {self.provider}: `zerog compute fund`, or transferFund of the SDK"

    def __str__(self) -> str:
        return f"insufficient balance: your locked balance is 0, {self.user} has no account with this provider"


@dataclass(eq=False)
class NotAcknowledgedError(ComputeError):
    """Nobody vouches for the signer of this provider's answers, so that nothing could be settled."""

    by_user: bool
    """Whether it is the user's acknowledgement that is missing, and not that of the contract's owner."""

    code = "not_acknowledged"

    @property
    def http_status(self) -> int:  # type: ignore[override]
        return 403 if self.by_user else 503

    @property
    def remedy(self) -> str:  # type: ignore[override]
        if self.by_user:
            return "acknowledge the provider's signer: any transfer of funds to it does so"
        return "wait until the owner of the serving contract has acknowledged the service, or choose another provider"

    def __str__(self) -> str:
        return f"the signer of this provider is not acknowledged by {'your account' if self.by_user else 'the owner of the contract'}"


@dataclass(eq=False)
class ForeignUserError(ComputeError):
    """A token that is good, but is not of the user that the request is about."""

    user: str

    code = "forbidden"
    remedy = "use a token of that user"
    http_status = 403

    def __str__(self) -> str:
        return f"your token is not one of {self.user}"


@dataclass(eq=False)
class RateLimitedError(ComputeError):
    """More in a minute than one user may ask for."""

    unit: str
    limit: int
    retry_after_s: float = 0
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)

    code = "rate_limit_exceeded"
    http_status = 429

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"try again in {self.retry_after_s:.0f} s"

    def __str__(self) -> str:
        return f"rate limit exceeded: at most {self.limit} {self.unit} in a minute"


@dataclass(eq=False)
class TooManyRequestsError(ComputeError):
    """More requests at once than one user may have."""

    limit: int
    retry_after_s: float = 1

    code = "too_many_concurrent_requests"
    remedy = "wait for the answer to an earlier request"
    http_status = 429

    def __str__(self) -> str:
        return f"too many requests at once: at most {self.limit} of one user are answered"


@dataclass(eq=False)
class ProviderBusyError(ComputeError):
    """More requests at once than the provider answers."""

    limit: int
    retry_after_s: float = 1

    code = "provider_busy"
    remedy = "try again in a second, or choose another provider"
    http_status = 503

    def __str__(self) -> str:
        return f"the provider answers {self.limit} requests already"


@dataclass(eq=False)
class JobNotFoundError(ComputeError):
    """No job of this id."""

    job_id: str

    code = "job_not_found"
    remedy = "use the jobId that the provider answered when the job was created"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no job {self.job_id[:80]!r}"


@dataclass(eq=False)
class ForeignJobError(ComputeError):
    """Somebody else's job."""

    job_id: str

    code = "forbidden"
    remedy = "use a token of the user who created the job"
    http_status = 403

    def __str__(self) -> str:
        return f"the job {self.job_id[:80]!r} is not yours"


@dataclass(eq=False)
class TooManyJobsError(ComputeError):
    """More jobs wait than the provider keeps."""

    limit: int
    retry_after_s: float = 5

    code = "too_many_jobs"
    remedy = "wait for earlier jobs"
    http_status = 503

    def __str__(self) -> str:
        return f"{self.limit} jobs wait already"


@dataclass(eq=False)
class SignatureNotFoundError(ComputeError):
    """No answer of this id was signed here."""

    answer_id: str

    code = "signature_not_found"
    remedy = "use the value of the answer's ZG-Res-Key header; an answer without a signature was not charged either"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no signature for {self.answer_id[:80]!r}"


@dataclass(eq=False)
class ReceiptNotFoundError(ComputeError):
    """No answer of this id was charged here."""

    answer_id: str

    code = "receipt_not_found"
    remedy = "use the value of the answer's ZG-Res-Key header; an answer without a receipt was not charged"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no receipt for {self.answer_id[:80]!r}"


@dataclass(eq=False)
class PictureNotFoundError(ComputeError):
    """No picture is kept at this address."""

    kept_s: float

    code = "picture_not_found"
    http_status = 404

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return f"use an address out of an answer; pictures are kept for {self.kept_s / 3600:.0f} h"

    def __str__(self) -> str:
        return "there is no picture here, or not any more"


@dataclass(eq=False)
class BrokenAnswerError(ComputeError):
    """What the model's server answered is not what its API says. Nothing is charged."""

    cause: str

    code = "upstream_broken_answer"
    remedy = "try again; nothing was charged"
    http_status = 502

    def __str__(self) -> str:
        return f"the model's server gave an answer that cannot be used: {self.cause}"


@dataclass(eq=False)
class UpstreamRefusedError(ComputeError):
    """The model's server refused the request. Nothing is charged."""

    status: int
    message: str
    upstream_code: str

    code = "upstream_refused"
    remedy = "change the request as the message says, or try again later; nothing was charged"

    @property
    def http_status(self) -> int:  # type: ignore[override]
        return self.status

    def __str__(self) -> str:
        return self.message


class NotRecordedError(ComputeError):
    """An answer whose charge could not be made durable is not given to the client."""

    code = "not_recorded"
    remedy = "try again; whether this request was charged is told by GET /v1/receipts/{ZG-Res-Key}"
    http_status = 503

    def __str__(self) -> str:
        return "the answer could not be recorded"


class ProviderStoppedError(ComputeError):
    """The provider does not run."""

    code = "provider_stopped"
    remedy = "start it with `zerog compute run`"
    http_status = 503

    def __str__(self) -> str:
        return "the provider does not run"


class NotKeptError(ComputeError):
    """Nothing of which a copy could be made."""

    code = "not_kept"
    remedy = "give the provider a data folder; books in a shared database are copied with the database's own tools"

    def __str__(self) -> str:
        return "the provider's books are in a temporary folder, or in a shared database"
