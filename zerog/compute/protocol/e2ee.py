"""End-to-end encryption between a user and the enclave that answers: requests are sealed to its key, answers to one of the user's.

HPKE (RFC 9180) in base mode over X25519, HKDF-SHA256 and ChaCha20-Poly1305. There are no dice here: `seed` are 32 bytes of the system's
randomness, fresh each time. What cannot be opened is refused; nothing is ever taken for plain that came sealed.

The enclave: `is_sealed`, `open_request`, `ResponseSealer`. The user: `seal_request`, `ResponseOpener`.

Source: 0gfoundation/0g-pc-e2ee, `protocol/SPEC.md`, `protocol/wire`, `protocol/proof`; 0gfoundation/0g-serving-broker,
`api/inference/internal/ctrl/e2ee.go`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from zerog._kernel import DecodeError, HpkeReceiver, HpkeSender, SealBrokenError
from zerog.compute.protocol.attestation import Enclave
from zerog.compute.protocol.envelope import (
    MARKER,
    JsonObject,
    associated_data,
    binding_hash,
    canonical,
    ciphertext_of,
    compact,
    decode_base64url,
    encode_base64url,
    is_sealed,
    load_object,
    metadata_of,
    names_of,
    unbound_fields_of,
)
from zerog.compute.protocol.errors import EncryptionError, SignedTextError, StaleEncryptionKeyError, UnsealableAnswerError
from zerog.compute.protocol.profiles import RESPONSE_UNBOUND_FIELDS, Profile
from zerog.primitives import Address, Hash32

__all__ = [
    "DONE",
    "OpenedRequest",
    "PublishedKey",
    "ResponseOpener",
    "ResponseSealer",
    "SealedRequest",
    "encryption_key_body",
    "is_sealed",
    "key_id_of",
    "open_request",
    "parse_encryption_key",
    "parse_sealed_text",
    "plain_text",
    "seal_request",
]

VERSION: Final = 1
KEM_ID: Final = "0x0020"
REQUEST_INFO: Final = b"0g-pc/v1/seal"
RESPONSE_INFO: Final = b"0g-pc/v1/resp"
KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
DONE: Final = b"[DONE]"
"""Payload of the event that ends a stream of the OpenAI kind."""

SCHEME_WHOLE: Final = "zg-sig-v1/e2ee-ct"
SCHEME_STREAM: Final = "zg-sig-v1/e2ee-ct-stream"
SCHEME_PLAIN: Final = "zg-sig-v1/plain"
_TEXT: Final = re.compile(r"(zg-sig-v1/[a-z0-9-]+):([0-9a-f]{64}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The key that an enclave asks requests to be sealed to. Nothing but a verified quote of version 2 proves that it is the enclave's."""

    public_key: bytes
    signer: Address


def key_id_of(public_key: bytes) -> str:
    """The name of a key: the first 8 bytes of its SHA-256, in base64url."""
    return encode_base64url(sha256(public_key).digest()[:KEY_ID_BYTES])


def encryption_key_body(enclave: Enclave) -> bytes:
    """What `GET /v1/e2ee/pubkey` answers."""
    public_key = enclave.encryption_public_key
    members = {"v": VERSION, "kem_id": KEM_ID, "enc_pub": encode_base64url(public_key), "key_id": key_id_of(public_key)}
    labels = {"simulated": True} if enclave.is_simulated else {}
    return compact({**members, "signer_address": str(enclave.signer.address), **labels})


def parse_encryption_key(body: bytes) -> PublishedKey:
    """Read the answer of `/v1/e2ee/pubkey`. Raises `EncryptionError`."""
    members = load_object(body, "the published key")
    _check_suite(members)
    public_key = decode_base64url(members.get("enc_pub"), "enc_pub", KEY_BYTES)
    if members.get("key_id") != key_id_of(public_key):
        raise EncryptionError("the published key has the name of another one")
    return PublishedKey(public_key, _address(members.get("signer_address"), "signer_address"))


# ---- the enclave ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request as the user wrote it, and what its answer needs."""

    body: bytes
    """JSON for the engine."""
    client_public_key: bytes
    """X25519 key that the answer is sealed to."""
    binding: Hash32
    """Half of what the answer's signature is over."""


def open_request(body: bytes, profile: Profile, enclave: Enclave) -> OpenedRequest:
    """Open a sealed request; takes time in proportion to its length, so call it from a thread.

    Raises `StaleEncryptionKeyError` (409) when it is sealed to another key, `EncryptionError` (400) for everything else.
    """
    envelope = load_object(body, "the request")
    metadata = metadata_of(envelope)
    _check_suite(metadata)
    own_key_id = key_id_of(enclave.encryption_public_key)
    if metadata.get("key_id") != own_key_id:
        raise StaleEncryptionKeyError(f"the request is not sealed to this enclave's key {own_key_id}; fetch it again and seal to it")
    if _address(metadata.get("signer_addr"), "signer_addr") != enclave.signer.address:
        raise EncryptionError("signer_addr is not this enclave's signer")
    client_public_key = _usable_key(metadata.get("client_eph_pub"))
    sealed = names_of(metadata, "sealed_fields")
    unbound = unbound_fields_of(metadata, sealed)
    readable = {name: value for name, value in envelope.items() if name != MARKER}
    profile.check_request(readable, sealed, unbound)
    encapsulated = decode_base64url(metadata.get("enc"), "enc", KEY_BYTES)
    receiver = _receiver(enclave.encryption_key, encapsulated, REQUEST_INFO)
    beside, ciphertext = associated_data(envelope), ciphertext_of(envelope)
    merged = _merged(readable, _open(receiver, ciphertext, beside), sealed)
    return OpenedRequest(compact(merged), client_public_key, binding_hash(beside, ciphertext))


def _usable_key(value: object) -> bytes:
    """The key for the answer. Found out before anything is computed: a key that nothing can be sealed to would make the answer free."""
    public_key = decode_base64url(value, "client_eph_pub", KEY_BYTES)
    _sender(public_key, RESPONSE_INFO, bytes(KEY_BYTES))
    return public_key


@dataclass(slots=True)
class ResponseSealer:
    """Seals one answer to the user's key: a whole one, or the frames of a stream in their order."""

    profile: Profile
    request: OpenedRequest
    seed: bytes = field(repr=False)
    _sender: HpkeSender = field(init=False, repr=False)
    _frames: list[Hash32] = field(init=False, repr=False, default_factory=list)
    _is_whole: bool = field(init=False, default=False)
    _is_final: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._sender = _sender(self.request.client_public_key, RESPONSE_INFO, self.seed)

    def seal_answer(self, body: bytes) -> bytes:
        """The JSON of an answer that is not a stream. Raises `UnsealableAnswerError`: send nothing of it then."""
        self._is_whole = True
        with _as_unsealable():
            return self._seal(load_object(body, "the answer"), is_final=True)

    def seal_event(self, payload: bytes) -> bytes:
        """The payload of one event (what follows `data:`) as an event of its own, with the blank line that ends it.

        `[DONE]` gives the final frame and itself. Raises `UnsealableAnswerError`: end the stream then.
        """
        if payload.strip() == DONE:
            return self.finish() + b"data: " + DONE + b"\n\n"
        with _as_unsealable():
            frame = load_object(payload, "an event")
            is_last = self.profile.has_shapes and frame.get("type") == "message_stop"
            return self._event(frame, self._seal(frame, is_final=is_last))

    def finish(self) -> bytes:
        """The final frame as an event, if it was not sent yet: without one the user takes the answer for cut off."""
        if self._is_final:
            return b""
        frame: JsonObject = {"type": "message_stop"} if self.profile.has_shapes else {self.profile.response_content: []}
        return self._event(frame, self._seal(frame, is_final=True))

    def text(self) -> str:
        """What the answer's signature is over."""
        if self._is_whole:
            return _text(SCHEME_WHOLE, self.request.binding, self._frames[0])
        return _text(SCHEME_STREAM, self.request.binding, _stream_hash(self._frames))

    def _event(self, frame: Mapping[str, object], sealed: bytes) -> bytes:
        """Clients of the Messages API want the type before the data as well; it is taken from what is bound."""
        line = b"event: " + str(frame["type"]).encode() + b"\n" if self.profile.has_shapes else b""
        return line + b"data: " + sealed + b"\n\n"

    def _seal(self, frame: JsonObject, *, is_final: bool) -> bytes:
        if self._is_final:
            raise EncryptionError("something comes after the final frame")
        if MARKER in frame:
            raise EncryptionError(f"the answer has a member {MARKER} already")
        fitted = self.profile.fitted(frame)
        sealed = self.profile.sealed_fields_of(fitted)
        first: JsonObject = {} if self._frames else {"v": VERSION, "enc": encode_base64url(self._sender.encapsulated)}
        metadata: JsonObject = {
            **first,
            "sealed_fields": list(sealed),
            "unbound_fields": list(RESPONSE_UNBOUND_FIELDS),
            "final": is_final,
        }
        envelope = {**{name: value for name, value in fitted.items() if name not in sealed}, MARKER: metadata}
        beside = associated_data(envelope)
        ciphertext = self._sender.seal(compact({name: fitted[name] for name in sealed}), beside)
        metadata["ciphertext"] = encode_base64url(ciphertext)
        self._frames.append(binding_hash(beside, ciphertext))
        self._is_final = is_final
        return compact(envelope)


@contextmanager
def _as_unsealable() -> Iterator[None]:
    """The engine's fault, not the user's."""
    try:
        yield
    except EncryptionError as error:
        raise UnsealableAnswerError(error.cause) from None


# ---- the user ---------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """A request to send, and the half of the answer's text that it decides."""

    body: bytes
    binding: Hash32


def seal_request(
    request: Mapping[str, object],
    profile: Profile,
    *,
    recipient: PublishedKey,
    client_public_key: bytes,
    seed: bytes,
    sealed_fields: Sequence[str] | None = None,
    unbound_fields: Sequence[str] = (),
) -> SealedRequest:
    """Seal a request to an enclave's key. Raises `EncryptionError` when that would leave something in clear that must not be.

    `sealed_fields`: those of the profile that the request has, if not given. Keep the private key of `client_public_key` for the answer.
    """
    if MARKER in request:
        raise EncryptionError(f"the request has a member {MARKER} already")
    chosen = [name for name in profile.default_sealed if name in request] if sealed_fields is None else list(sealed_fields)
    missing = [name for name in chosen if name not in request]
    if missing:
        raise EncryptionError(f"the request has no {missing[0]} to seal")
    sender = _sender(recipient.public_key, REQUEST_INFO, seed)
    metadata: JsonObject = {
        "v": VERSION,
        "kem_id": KEM_ID,
        "key_id": key_id_of(recipient.public_key),
        "signer_addr": str(recipient.signer),
        "client_eph_pub": encode_base64url(client_public_key),
        "enc": encode_base64url(sender.encapsulated),
        "sealed_fields": chosen,
        **({"unbound_fields": list(unbound_fields)} if unbound_fields else {}),
    }
    readable = {name: value for name, value in request.items() if name not in chosen}
    profile.check_request(readable, names_of(metadata, "sealed_fields"), unbound_fields_of(metadata, chosen))
    envelope = {**readable, MARKER: metadata}
    beside = associated_data(envelope)
    ciphertext = sender.seal(compact({name: request[name] for name in chosen}), beside)
    metadata["ciphertext"] = encode_base64url(ciphertext)
    return SealedRequest(compact(envelope), binding_hash(beside, ciphertext))


@dataclass(slots=True)
class ResponseOpener:
    """Opens the frames of one answer, in their order. An answer that is not complete at its end was cut off: refuse it."""

    profile: Profile
    private_key: bytes = field(repr=False)
    request_binding: Hash32
    is_complete: bool = field(init=False, default=False)
    """Whether the final frame has come."""
    _receiver: HpkeReceiver | None = field(init=False, repr=False, default=None)
    _frames: list[Hash32] = field(init=False, repr=False, default_factory=list)

    def open_answer(self, body: bytes) -> JsonObject:
        """An answer that is not a stream. Raises `EncryptionError`."""
        opened = self.open_frame(body)
        if not self.is_complete:
            raise EncryptionError("the answer is not marked as whole")
        return opened

    def open_frame(self, payload: bytes) -> JsonObject:
        """The payload of the next event of a stream (not `[DONE]`). Raises `EncryptionError`."""
        if self.is_complete:
            raise EncryptionError("something comes after the final frame")
        envelope = load_object(payload, "a frame")
        metadata = metadata_of(envelope)
        sealed = names_of(metadata, "sealed_fields")
        unbound, is_final = unbound_fields_of(metadata, sealed), metadata.get("final")
        if not isinstance(is_final, bool):
            raise EncryptionError("a frame does not say whether it is final")
        readable = {name: value for name, value in envelope.items() if name != MARKER}
        self.profile.check_frame(readable, sealed, unbound, is_final=is_final)
        beside, ciphertext = associated_data(envelope), ciphertext_of(envelope)
        merged = _merged(readable, _open(self._context(metadata), ciphertext, beside), sealed)
        self._frames.append(binding_hash(beside, ciphertext))
        self.is_complete = is_final
        return merged

    def _context(self, metadata: Mapping[str, object]) -> HpkeReceiver:
        if self._receiver is None:
            if metadata.get("v") != VERSION:
                raise EncryptionError("the answer is of a version that is not known here")
            self._receiver = _receiver(self.private_key, decode_base64url(metadata.get("enc"), "enc", KEY_BYTES), RESPONSE_INFO)
        return self._receiver

    def check_text(self, text: str) -> None:
        """Whether what the provider signed is of this request and this answer. Raises `SignedTextError`."""
        scheme, request, response = parse_sealed_text(text)
        if scheme == SCHEME_WHOLE and len(self._frames) == 1:
            expected = self._frames[0]
        elif scheme == SCHEME_STREAM:
            expected = _stream_hash(self._frames)
        else:
            raise SignedTextError(f"the text is signed by the scheme {scheme}, which does not fit the answer")
        if not self.is_complete or request != self.request_binding or response != expected:
            raise SignedTextError("the signed text is of another request or another answer")


# ---- texts ------------------------------------------------------------------------------------------------------------------------------


def parse_sealed_text(text: str) -> tuple[str, Hash32, Hash32]:
    """Scheme, hash of the request and hash of the answer. Raises `SignedTextError` for a text of another form or an unknown scheme."""
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in (SCHEME_WHOLE, SCHEME_STREAM, SCHEME_PLAIN):
        raise SignedTextError(f"{text[:80]!r} is not a known scheme and two hashes")
    return match[1], Hash32(bytes.fromhex(match[2])), Hash32(bytes.fromhex(match[3]))


def plain_text(request: object, answer: object) -> str:
    """The text of an exchange in clear, over the canonical form of both. Raises `EncryptionError`."""
    hashes = [Hash32(sha256(canonical(value)).digest()) for value in (request, answer)]
    return _text(SCHEME_PLAIN, hashes[0], hashes[1])


def stream_text(request: Hash32, frames: Sequence[Hash32]) -> str:
    """The text of a stream, from the hashes of its frames in the order in which they were sent."""
    return _text(SCHEME_STREAM, request, _stream_hash(frames))


def whole_text(request: Hash32, answer: Hash32) -> str:
    """The text of an answer that is no stream."""
    return _text(SCHEME_WHOLE, request, answer)


def _stream_hash(frames: Sequence[Hash32]) -> Hash32:
    return Hash32(sha256(b"".join(frames)).digest())


def _text(scheme: str, request: Hash32, answer: Hash32) -> str:
    return f"{scheme}:{request.hex()}:{answer.hex()}"


# ---- what both sides do -----------------------------------------------------------------------------------------------------------------


def _check_suite(metadata: Mapping[str, object]) -> None:
    if type(metadata.get("v")) is not int or metadata["v"] != VERSION or metadata.get("kem_id") != KEM_ID:
        raise EncryptionError(f"only version {VERSION} with KEM {KEM_ID} is known here")


def _address(value: object, what: str) -> Address:
    if not isinstance(value, str) or re.fullmatch(r"0x[0-9a-fA-F]{40}", value) is None:
        raise EncryptionError(f"{what} is no address")
    return Address(bytes.fromhex(value[2:]))


def _sender(public_key: bytes, info: bytes, seed: bytes) -> HpkeSender:
    try:
        return HpkeSender(public_key, info, seed)
    except DecodeError as error:
        raise EncryptionError(f"nothing can be sealed to the key: {error}") from None


def _receiver(private_key: bytes, encapsulated: bytes, info: bytes) -> HpkeReceiver:
    try:
        return HpkeReceiver(private_key, encapsulated, info)
    except DecodeError as error:
        raise EncryptionError(f"enc is no key: {error}") from None


def _open(receiver: HpkeReceiver, ciphertext: bytes, beside: bytes) -> JsonObject:
    try:
        plain = receiver.open(ciphertext, beside)
    except SealBrokenError:
        raise EncryptionError("it was changed on the way, comes out of order, or was sealed to another key") from None
    return load_object(plain, "what was sealed")


def _merged(readable: Mapping[str, object], opened: JsonObject, sealed: Sequence[str]) -> JsonObject:
    """Both halves together: exactly the sealed names must come out, and none of them may also stand in clear."""
    if set(opened) != set(sealed):
        raise EncryptionError("what was sealed is not what sealed_fields names")
    both = set(opened).intersection(readable)
    if both:
        raise EncryptionError(f"{min(both)} is sealed and stands in clear as well")
    return {**readable, **opened}
