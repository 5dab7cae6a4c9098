"""Encrypting a request to the key of an enclave that has shown whose it is, and reading the answer."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import EnclaveUnprovenError, ProviderAnswerError, ProviderError
from zerog.compute.client.words import words_of
from zerog.compute.protocol.e2ee import PublishedKey, ResponseOpener, SealedRequest
from zerog.compute.protocol.envelope import compact, is_sealed, load_object, metadata_of, names_of
from zerog.compute.protocol.errors import EncryptionError, EvidenceError
from zerog.compute.protocol.evidence import EVIDENCE_BYTES_MAX, Assurance, QuoteVerifier, verify_evidence
from zerog.compute.protocol.profiles import Profile
from zerog.compute.protocol.sealed_proof import SECRET_BYTES, ExchangeSecret
from zerog.compute.wire.answer_file import Opening
from zerog.primitives import Address

__all__ = ["Recipient", "SealedTalk", "recipient_of", "shown_evidence"]

QUOTE_PATH = "/v1/quote"


@dataclass(frozen=True, slots=True)
class Recipient:
    """An enclave's key, and the evidence that it was taken from."""

    key: PublishedKey
    evidence: bytes


def recipient_of(
    connection: ProviderConnection, provider: Address, signer: Address, *, least: Assurance, quote_verifier: QuoteVerifier | None
) -> Recipient:
    """The key to seal to, out of evidence that shows no less than `least`.

    Raises `SimulatedEvidenceError`, `EnclaveUnprovenError`, `EvidenceError`, `ProviderError`.
    """
    body = connection.read(f"{QUOTE_PATH}?legacy=false", EVIDENCE_BYTES_MAX)
    verdict = verify_evidence(body, signer=signer, accept_simulated=least is Assurance.MOCK, quote_verifier=quote_verifier)
    if not verdict.assurance.is_at_least(least):
        raise EnclaveUnprovenError(provider, verdict.assurance.value, least.value)
    if verdict.encryption_public_key is None:
        raise EvidenceError("it names no key for encryption")
    return Recipient(PublishedKey(verdict.encryption_public_key, verdict.signer), body)


def shown_evidence(connection: ProviderConnection, signer: Address) -> bytes | None:
    """What a provider shows of its enclave, to be kept with answers; `None` where it shows nothing that can be read, whatever the cause."""
    try:
        body = connection.read(f"{QUOTE_PATH}?legacy=true", EVIDENCE_BYTES_MAX)
        verify_evidence(body, signer=signer, accept_simulated=True)
    except (ProviderError, EvidenceError):
        return None  # The answer is as true without it, and the verdict says that it is missing.
    return body


@dataclass(slots=True)
class SealedTalk:
    """One encrypted exchange."""

    recipient: Recipient
    profile: Profile
    secret: ExchangeSecret
    sealed: SealedRequest
    words: bytes = field(repr=False)
    url: str
    _opener: ResponseOpener = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._opener = self.secret.opener(self.profile, self.sealed)

    @classmethod
    def begin(cls, request: Mapping[str, object], profile: Profile, recipient: Recipient, url: str) -> "SealedTalk":
        """Seal a request. Raises `EncryptionError`."""
        secret = ExchangeSecret(secrets.token_bytes(SECRET_BYTES))
        sealed = secret.seal(request, profile, recipient.key)
        names = names_of(metadata_of(load_object(sealed.body, "the request")), "sealed_fields")
        return cls(recipient, profile, secret, sealed, compact({name: request[name] for name in names}), url)

    def opened(self, payload: bytes) -> bytes:
        """The next frame of the answer in clear. Raises `ProviderAnswerError`, also for a frame that came in clear."""
        if not is_sealed(payload):
            words_of(payload, self.url)  # A failure in mid-stream comes in clear, and is told.
            raise ProviderAnswerError(self.url, "a part of its answer to an encrypted request comes in clear")
        try:
            return compact(self._opener.open_frame(payload))
        except EncryptionError as error:
            raise ProviderAnswerError(self.url, str(error)) from None

    def opening(self) -> Opening:
        """For the file, once the answer is whole. Raises `ProviderAnswerError`."""
        if not self._opener.is_complete:
            raise ProviderAnswerError(self.url, "its encrypted answer was cut off")
        return Opening(words=self.words, recipient=self.recipient.key.public_key, secret=self.secret.secret)
