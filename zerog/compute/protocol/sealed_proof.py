"""What a sealed exchange proves to somebody who has only its bytes, and what to whoever is given its secret as well.

Without the secret: the signed text is over the ciphertexts, so these are the ones that were sent and answered, whole and in order. With it:
both sides are sealed and opened again. HPKE is deterministic in the seed of its sender, so the same words, seed and recipient give the same
ciphertext, and no other words do; the answer opens with the key that the request named.

The derivation of the seeds from one secret is zerog's own. Source of all else: as of `e2ee.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from zerog._kernel import x25519_key_pair
from zerog.compute.protocol.e2ee import (
    PublishedKey,
    ResponseOpener,
    SealedRequest,
    key_id_of,
    seal_request,
    stream_text,
    whole_text,
)
from zerog.compute.protocol.envelope import (
    MARKER,
    JsonObject,
    compact,
    envelope_hash,
    load_object,
    metadata_of,
    names_of,
    unbound_fields_of,
)
from zerog.compute.protocol.errors import EncryptionError
from zerog.compute.protocol.profiles import Profile
from zerog.primitives import Address, Hash32

__all__ = ["SECRET_BYTES", "ExchangeSecret", "SealedExchange", "event_payloads"]

SECRET_BYTES: Final = 32
REQUEST_LABEL: Final = b"zerog-sealed-exchange-v1/request"
ANSWER_LABEL: Final = b"zerog-sealed-exchange-v1/answer"
DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class ExchangeSecret:
    """32 random bytes that one request is sealed with and its answer opened; to be used for one exchange."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise EncryptionError(f"the secret of an exchange has {SECRET_BYTES} bytes, not {len(self.secret)}")

    @property
    def client_key_pair(self) -> tuple[bytes, bytes]:
        """Private and public key that the answer is sealed to."""
        return x25519_key_pair(sha256(ANSWER_LABEL + self.secret).digest())

    def seal(self, request: Mapping[str, object], profile: Profile, recipient: PublishedKey) -> SealedRequest:
        """Seal a request to an enclave's key. Raises `EncryptionError`."""
        seed = sha256(REQUEST_LABEL + self.secret).digest()
        return seal_request(request, profile, recipient=recipient, client_public_key=self.client_key_pair[1], seed=seed)

    def opener(self, profile: Profile, sealed: SealedRequest) -> ResponseOpener:
        """For the frames of the answer."""
        return ResponseOpener(profile, self.client_key_pair[0], sealed.binding)


def event_payloads(stream: bytes) -> list[bytes]:
    """What the events of a stream carry, without `[DONE]`. Source: WHATWG HTML, server-sent events."""
    lines = (line.removesuffix(b"\r") for line in stream.split(b"\n"))
    payloads = [line[len(b"data:") :].strip() for line in lines if line.startswith(b"data:")]
    return [payload for payload in payloads if payload not in (b"", DONE)]


@dataclass(frozen=True, slots=True)
class SealedExchange:
    """The envelopes of one exchange."""

    profile: Profile
    request: bytes
    answer: bytes
    is_stream: bool

    @property
    def frames(self) -> Sequence[bytes]:
        """The envelopes of the answer, in their order."""
        return event_payloads(self.answer) if self.is_stream else [self.answer]

    def request_hash(self) -> Hash32:
        """The request's half of what has to be signed. Raises `EncryptionError` for one that leaves readable what has to be sealed."""
        envelope = load_object(self.request, "the request")
        metadata = metadata_of(envelope)
        sealed = names_of(metadata, "sealed_fields")
        readable = {name: value for name, value in envelope.items() if name != MARKER}
        self.profile.check_request(readable, sealed, unbound_fields_of(metadata, sealed))
        if set(sealed).intersection(readable):
            raise EncryptionError("a sealed member of the request stands in clear as well")
        return envelope_hash(envelope)

    def text(self, request: Hash32) -> str:
        """What the provider has to have signed, computed without any key.

        Raises `EncryptionError` for what is no sealed answer: a frame in clear, content that is readable, or an end that is missing.
        """
        frames = self.frames
        hashes = [envelope_hash(self._frame(frame, is_last=index == len(frames) - 1)) for index, frame in enumerate(frames)]
        if not hashes:
            raise EncryptionError("there is no answer")
        return stream_text(request, hashes) if self.is_stream else whole_text(request, hashes[0])

    def key_id(self) -> str:
        """The name of the key that the request is sealed to. Raises `EncryptionError`."""
        return str(metadata_of(load_object(self.request, "the request")).get("key_id"))

    def reopened(self, words: bytes, recipient_key: bytes, secret: ExchangeSecret) -> tuple[JsonObject, list[JsonObject]]:
        """The request and the frames of the answer in clear: `words` are the sealed members of the request as JSON.

        Raises `EncryptionError` where they are not what was sealed to `recipient_key`, or the secret is not that of this exchange.
        """
        envelope = load_object(self.request, "the request")
        metadata = metadata_of(envelope)
        sealed = names_of(metadata, "sealed_fields")
        opened = load_object(words, "what was sealed")
        if set(opened) != set(sealed) or compact(opened) != words or metadata.get("key_id") != key_id_of(recipient_key):
            raise EncryptionError("the words or the key beside it are not those of the request")
        plain = {**{name: value for name, value in envelope.items() if name != MARKER}, **opened}
        again = secret.seal(plain, self.profile, PublishedKey(recipient_key, _signer(metadata)))
        same = ("enc", "client_eph_pub", "ciphertext")
        remade = metadata_of(load_object(again.body, "the request"))
        if any(remade.get(name) != metadata.get(name) for name in same):
            raise EncryptionError("the words beside it, sealed again, are not the request that was sent")
        opener = secret.opener(self.profile, again)
        return plain, [opener.open_frame(frame) for frame in self.frames]

    def _frame(self, payload: bytes, *, is_last: bool) -> JsonObject:
        envelope = load_object(payload, "a frame of the answer")
        metadata = metadata_of(envelope)
        sealed = names_of(metadata, "sealed_fields")
        if metadata.get("final") is not is_last:
            raise EncryptionError("the answer is not whole, or goes on after its end")
        readable = {name: value for name, value in envelope.items() if name != MARKER}
        self.profile.check_frame(readable, sealed, unbound_fields_of(metadata, sealed), is_final=is_last)
        if set(sealed).intersection(readable):
            raise EncryptionError("a sealed member of the answer stands in clear as well")
        return envelope


def _signer(metadata: Mapping[str, object]) -> Address:
    try:
        return Address.from_json(metadata.get("signer_addr"))
    except ValueError:
        raise EncryptionError("signer_addr is no address") from None
