"""What the marketplace refuses.

ComputeError
├── TokenError                       a session token or API key that opens nothing (HTTP 401)
│   ├── MissingTokenError            no `Authorization: Bearer app-sk-…`
│   ├── MalformedTokenError          not base64, not JSON, or members that cannot be
│   ├── ForeignTokenError            made for another provider
│   ├── ExpiredTokenError            its time is over, or was longer than allowed
│   ├── TokenSignatureError          not signed by the address that it names
│   └── RevokedTokenError            of another generation, or revoked by its id
├── InvalidPriceError                prices that cannot be
├── InsufficientBalanceError         what is locked does not cover the request (HTTP 402)
├── AdditionalInfoError              `additionalInfo` that cannot be read, or is too long
├── SignedTextError                  a text or a signature that is not of the form of an answer's
├── EnclaveKeyError                  a file of keys that cannot be used
├── EvidenceError                    evidence that is not what it should be
│   └── SimulatedEvidenceError       evidence of a simulated enclave, where a real one is wanted
└── EncryptionError                  a request or a response that cannot be opened
    ├── StaleEncryptionKeyError      sealed to a key that this enclave does not have (HTTP 409)
    └── UnsealableAnswerError        an engine's answer that cannot be sealed (HTTP 502)
"""

from dataclasses import dataclass

from zerog.primitives import Address, Wei
from zerog.primitives.errors import RefusalError

__all__ = [
    "AdditionalInfoError",
    "ComputeError",
    "EnclaveKeyError",
    "EncryptionError",
    "EvidenceError",
    "ExpiredTokenError",
    "ForeignTokenError",
    "InsufficientBalanceError",
    "InvalidPriceError",
    "MalformedTokenError",
    "MissingTokenError",
    "RevokedTokenError",
    "SignedTextError",
    "SimulatedEvidenceError",
    "StaleEncryptionKeyError",
    "TokenError",
    "TokenSignatureError",
    "UnsealableAnswerError",
]


class ComputeError(RefusalError):
    """A refusal of the marketplace."""


class TokenError(ComputeError):
    """A session token or API key that opens nothing."""

    code = "invalid_token"
    remedy = "sign a new token for this provider"
    http_status = 401


class MissingTokenError(TokenError):
    """A request without a token."""

    code = "missing_token"
    remedy = "send the header `Authorization: Bearer app-sk-…`"

    def __str__(self) -> str:
        return "missing or invalid Authorization header, must be Bearer app-sk-<base64(token|signature)>"


@dataclass(eq=False)
class MalformedTokenError(TokenError):
    """A token that cannot be read."""

    cause: str

    code = "malformed_token"

    def __str__(self) -> str:
        return f"the session token cannot be read: {self.cause}"


@dataclass(eq=False)
class ForeignTokenError(TokenError):
    """A token for another provider."""

    provider: Address

    code = "foreign_token"

    def __str__(self) -> str:
        return f"the session token is for another provider, {self.provider}"


@dataclass(eq=False)
class ExpiredTokenError(TokenError):
    """A token whose time is over, has not come, or was longer than allowed."""

    cause: str

    code = "expired_token"

    def __str__(self) -> str:
        return f"session token expired: {self.cause}"


@dataclass(eq=False)
class TokenSignatureError(TokenError):
    """A token that its address did not sign as it is."""

    address: Address

    code = "token_signature"

    def __str__(self) -> str:
        return f"the session token is not signed by {self.address}"


@dataclass(eq=False)
class RevokedTokenError(TokenError):
    """A token that its user revoked on chain."""

    cause: str

    code = "revoked_token"
    remedy = "create a new key"

    def __str__(self) -> str:
        return f"session token revoked: {self.cause}"


@dataclass(eq=False)
class InvalidPriceError(ComputeError):
    """Prices that cannot be."""

    cause: str

    code = "invalid_price"
    remedy = "give prices in wei, multipliers and divisors above zero, and tiers that grow"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class InsufficientBalanceError(ComputeError):
    """The balance that `user` locked for this provider does not cover the request."""

    user: Address
    locked_wei: Wei
    needed_wei: Wei

    code = "insufficient_balance"
    remedy = "transfer funds to this provider and retry"
    http_status = 402

    def __str__(self) -> str:
        # The official clients look for the beginning of this text.
        return (
            f"insufficient balance: your locked balance is {self.locked_wei} wei and {self.needed_wei} wei are needed; "
            f"transfer funds from {self.user} to this provider and retry"
        )


@dataclass(eq=False)
class AdditionalInfoError(ComputeError):
    """A service's `additionalInfo` that cannot be read, or is longer than the contract takes."""

    cause: str

    code = "additional_info"
    remedy = "give a JSON object of at most 4096 bytes with the members of the documentation"

    def __str__(self) -> str:
        return f"additionalInfo: {self.cause}"


@dataclass(eq=False)
class SignedTextError(ComputeError):
    """A text or a signature that is not of the form of an answer's."""

    cause: str

    code = "signed_text"
    remedy = "ask the provider for the signature again; if it stays so, do not trust the answer"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class EnclaveKeyError(ComputeError):
    """A file of an enclave's keys that cannot be used."""

    cause: str

    code = "enclave_key"
    remedy = "give the file that the provider made at its first start, readable for its owner alone (mode 0600)"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class EvidenceError(ComputeError):
    """Evidence of an enclave that is not what it should be."""

    cause: str

    code = "evidence"
    remedy = "do not trust this provider's enclave"

    def __str__(self) -> str:
        return f"the evidence proves nothing: {self.cause}"


class SimulatedEvidenceError(EvidenceError):
    """Evidence of a simulated enclave, where a real one is wanted."""

    code = "simulated_evidence"
    remedy = (
        "use a provider with a real enclave; on a network of your own, say that a simulated one will do"
        " (`simulated_enclaves=True` of `zerog.connect`, or `--enclave mock`)"
    )


@dataclass(eq=False)
class EncryptionError(ComputeError):
    """An encrypted request or response that cannot be opened."""

    cause: str

    code = "e2ee"
    remedy = "seal the request to the key of `/v1/e2ee/pubkey` as the documentation says"

    def __str__(self) -> str:
        return f"end-to-end encryption: {self.cause}"


class StaleEncryptionKeyError(EncryptionError):
    """A request sealed to another key than this enclave's."""

    code = "e2ee_key_mismatch"
    remedy = "fetch the key again and seal to it"
    http_status = 409

    def __str__(self) -> str:
        return f"e2ee_key_mismatch: {self.cause}"


class UnsealableAnswerError(EncryptionError):
    """An engine's answer that cannot be sealed, of which nothing may be sent."""

    code = "e2ee_answer"
    remedy = "use another model or provider; the operator has to look at this engine's answers"
    http_status = 502

    def __str__(self) -> str:
        return f"the engine's answer cannot be encrypted: {self.cause}"
