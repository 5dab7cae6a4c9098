"""What users of the marketplace meet beside the refusals of its rules.

ComputeError
├── ServiceUnknownError        nobody offers what was asked for
├── ServiceUnusableError       a service whose signer the contract's owner has not acknowledged
├── EnclaveUnprovenError       an enclave that shows less than is asked for
├── KeyMissingError            nobody is there to pay
├── ProviderError              the provider's fault, or that of the way to it
│   ├── ProviderUnreachableError   no connection, or no answer in time
│   │   └── ProofUnavailableError  likewise, where only this provider has what is asked for
│   ├── ProviderAnswerError        an answer that is not what a provider answers
│   ├── ProviderRefusedError       the provider refused, in its own words
│   └── UnsafeUrlError             a service's URL that leads to a private address
├── TransactionFailedError     a transaction that did nothing
├── NoBlocksError              a transaction that waits on a chain that makes blocks only when told
├── WrongChainError            an answer of another chain than the one that was asked
├── ComputeTimeoutError        it takes longer than the caller waits
├── NotSettledError            a receipt that no settlement holds yet
├── NotPublishedError          a settlement whose receipts are nowhere to be found yet
└── AnswerRefutedError         an answer that is not what it says
"""

from dataclasses import dataclass

from zerog.chain.client.errors import NoKeyError
from zerog.compute.protocol.errors import ComputeError
from zerog.primitives import Address, Hash32
from zerog.primitives.errors import DeadlineError

__all__ = [
    "AnswerRefutedError",
    "ComputeError",
    "ComputeTimeoutError",
    "EnclaveUnprovenError",
    "KeyMissingError",
    "NoBlocksError",
    "NotPublishedError",
    "NotSettledError",
    "ProofUnavailableError",
    "ProviderAnswerError",
    "ProviderError",
    "ProviderRefusedError",
    "ProviderUnreachableError",
    "ServiceUnknownError",
    "ServiceUnusableError",
    "TransactionFailedError",
    "UnsafeUrlError",
    "WrongChainError",
]


@dataclass(eq=False)
class ServiceUnknownError(ComputeError):
    """No service is what was asked for."""

    what: str

    code = "service_unknown"
    remedy = "see what there is with `zerog compute list --all`"
    http_status = 404

    def __str__(self) -> str:
        return f"there is no service {self.what}"


@dataclass(eq=False)
class ServiceUnusableError(ComputeError):
    """A service that cannot be paid yet."""

    provider: Address

    code = "service_unusable"
    remedy = "wait until the contract's owner acknowledges the provider's signer, or use another provider"
    http_status = 409

    def __str__(self) -> str:
        return f"the contract's owner has not acknowledged the signer of provider {self.provider}"


@dataclass(eq=False)
class EnclaveUnprovenError(ComputeError):
    """Something is to be encrypted to an enclave that shows less of itself than is asked for."""

    provider: Address
    shown: str
    least: str

    code = "enclave_unproven"
    remedy = (
        "use another provider, hand in a verifier of quotes (`quote_verifier`), or say that less will do"
        " (`simulated_enclaves=True` of `zerog.connect`, `least_assurance` of `ComputeClient`, or `--enclave`)"
    )
    http_status = 403

    def __str__(self) -> str:
        return f"the evidence of provider {self.provider} shows {self.shown!r}, and {self.least!r} is asked for: nothing was sent"


class KeyMissingError(ComputeError, NoKeyError):
    """Something is to be paid or signed, and nobody is there who does."""

    code = "key_missing"
    remedy = "give a key (`--key`, or `account` in a program)"
    http_status = 401

    def __str__(self) -> str:
        return "this needs an account that pays and signs"


class ProviderError(ComputeError):
    """A provider that did not do what it should."""

    http_status = 502


@dataclass(eq=False)
class ProviderUnreachableError(ProviderError):
    """Nobody answers at a service's URL, or not in time."""

    url: str
    cause: str

    code = "provider_unreachable"
    remedy = "try again later, or use another provider: `zerog compute list`"

    def __str__(self) -> str:
        return f"no answer from {self.url}: {self.cause}"


class ProofUnavailableError(DeadlineError, ProviderUnreachableError):
    """The provider is away, and only it can show the way from a receipt to its settlement."""

    code = "proof_unavailable"
    remedy = "try again later: this provider has published no proof. Until then the answer verifies as not yet settled"
    http_status = 502


@dataclass(eq=False)
class ProviderAnswerError(ProviderError):
    """An answer that is not what a provider answers."""

    url: str
    cause: str

    code = "provider_answer"
    remedy = "use another provider: `zerog compute list`"

    def __str__(self) -> str:
        return f"{self.url}: {self.cause}"


@dataclass(eq=False)
class ProviderRefusedError(ProviderError):
    """A provider that refused, in its own words."""

    url: str
    status: int
    reason: str
    reason_code: str | None = None
    advice: str | None = None

    code = "provider_refused"

    @property
    def remedy(self) -> str:  # type: ignore[override]  # The provider knows best.
        return self.advice or "see what the provider says"

    def __str__(self) -> str:
        named = f"{self.status} {self.reason_code}" if self.reason_code else str(self.status)
        return f"the provider refused ({named}): {self.reason}"


@dataclass(eq=False)
class UnsafeUrlError(ProviderError):
    """A URL from chain that would lead into the network of the one who asks."""

    url: str

    code = "unsafe_url"
    remedy = "use another provider: addresses of private networks are called on a local chain only"

    def __str__(self) -> str:
        return f"the service's URL {self.url!r} is no public one"


@dataclass(eq=False)
class TransactionFailedError(ComputeError):
    """A transaction that is in a block and did nothing."""

    transaction_hash: Hash32
    cause: str

    code = "transaction_failed"
    remedy = "look at `zerog compute account` and try again"
    http_status = 409

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} failed: {self.cause}"


@dataclass(eq=False)
class NoBlocksError(ComputeError):
    """A transaction was taken, and the chain makes blocks only when it is told to, which nobody does."""

    transaction_hash: Hash32

    code = "no_blocks"
    remedy = (
        "make a block (`evm_mine`), or let the chain make them by itself (`evm_setAutomine`, `zerog up --block-time 1`); then try again"
    )
    http_status = 503

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} waits for a block, and this chain makes none by itself"


@dataclass(eq=False)
class ComputeTimeoutError(DeadlineError, ComputeError):
    """Something takes longer than the caller waits for it."""

    what: str
    timeout_s: float
    known: tuple[str, ...] = ()
    """What was done until then, such as a transaction that was sent, or a request that was taken."""

    code = "compute_timeout"
    remedy = "wait longer (`timeout_s`); a transaction that was sent still counts, and a request that a provider has taken is paid for"

    def __str__(self) -> str:
        return "; ".join((f"{self.what} within {self.timeout_s:g} s", *self.known))


@dataclass(eq=False)
class NotSettledError(DeadlineError, ComputeError):
    """A receipt that is part of no settlement yet."""

    request_id: str

    code = "not_settled"
    remedy = "ask again later: providers settle by the clock, or when enough has come together"
    http_status = 409

    def __str__(self) -> str:
        return f"answer {self.request_id} is not settled yet"


@dataclass(eq=False)
class NotPublishedError(DeadlineError, ComputeError):
    """The receipts of a settlement are not to be found without their provider."""

    requests_hash: Hash32
    """Root over the receipts."""
    cause: str

    code = "not_published"
    remedy = "try again later: a provider that publishes does so after each settlement. Until then only it can show the proof"

    def __str__(self) -> str:
        return f"the receipts with the root {self.requests_hash} are not published: {self.cause}"


@dataclass(eq=False)
class WrongChainError(ComputeError):
    """An answer that was sold on another chain than the one that is to prove it. That says nothing about the answer."""

    answer_chain_id: int
    chain_id: int
    url: str

    code = "wrong_chain"
    remedy = "name the network that the answer was bought on: `--network local`, galileo, mainnet or the URL of a node"

    def __str__(self) -> str:
        return f"the answer is of chain {self.answer_chain_id}, and {self.url} is chain {self.chain_id}"


@dataclass(eq=False)
class AnswerRefutedError(ComputeError):
    """An answer that is not what it says."""

    check: str
    """The part that does not hold: `request`, `response`, `signature`, `receipt`, `service`, `settlement`, `evidence`, `opening`, `data`,
    `replay`, or what a replayer calls the place of a difference."""
    cause: str

    code = "answer_refuted"
    remedy = "do not trust this answer; if the file was not altered, show it to whoever recommends the provider"

    def __str__(self) -> str:
        return f"{self.check}: {self.cause}"
