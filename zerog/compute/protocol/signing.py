"""What a provider signs of an answer, and how: EIP-191 over short texts of hashes.

Sources: 0gfoundation/0g-serving-broker, `api/inference/internal/ctrl/signing.go`; npm `@0gfoundation/0g-compute-ts-sdk` 0.9.0
(`processResponse`); EIP-191.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from zerog._kernel import SignatureError, keccak256, personal_sign, secp256k1_recover
from zerog.compute.protocol.errors import SignedTextError
from zerog.primitives import Address, Hash32

__all__ = [
    "answer_text",
    "centralized_answer_text",
    "decode_signature",
    "images_text",
    "is_signed_by_digest",
    "parse_answer_text",
    "personal_digest",
    "recover_personal_signer",
    "recover_text_signer",
    "sha256_hash",
    "sign_personal",
    "sign_text",
]

SIGNATURE_BYTES: Final = 65
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"0x[0-9a-fA-F]{130}")


def sha256_hash(data: bytes) -> Hash32:
    """SHA-256, which answers are bound by (everything else here is Keccak)."""
    return Hash32(sha256(data).digest())


def answer_text(request_sha256: bytes, response_sha256: bytes) -> str:
    """What is signed of chat, transcription, speech and embeddings: both hashes over the bytes as they were received and delivered."""
    return f"{Hash32(request_sha256).hex()}:{Hash32(response_sha256).hex()}"


def images_text(request_sha256: bytes, image_sha256: Sequence[bytes]) -> str:
    """What is signed of pictures: the hash of the request, and that of each picture in order."""
    return f"{Hash32(request_sha256).hex()}:{','.join(Hash32(image).hex() for image in image_sha256)}"


def centralized_answer_text(
    request_sha256: bytes, response_sha256: bytes, *, provider_type: str, provider_identity: str, certificate_sha256: bytes
) -> str:
    """What is signed when a company runs the model: also who it is, and the fingerprint of its TLS certificate."""
    return f"{answer_text(request_sha256, response_sha256)}:{provider_type}:{provider_identity}:{Hash32(certificate_sha256).hex()}"


def parse_answer_text(text: str) -> tuple[Hash32, tuple[Hash32, ...]]:
    """Hash of the request and those of the answer (several for pictures) out of a signed text. Raises `SignedTextError`."""
    request, separator, rest = text.partition(":")
    answers = rest.split(":", 1)[0].split(",") if separator else []
    if not _HASH.fullmatch(request) or not answers or not all(map(_HASH.fullmatch, answers)):
        raise SignedTextError(f"{text[:80]!r} is not a hash, a colon and a hash")
    return Hash32(bytes.fromhex(request)), tuple(Hash32(bytes.fromhex(answer)) for answer in answers)


def sign_text(text: str, private_key: bytes) -> bytes:
    """Sign a text (EIP-191 `personal_sign`): r, s and v 27 or 28, 65 bytes. Raises `SignatureError` for bytes that are no key."""
    return sign_personal(text.encode(), private_key)


def recover_text_signer(text: str, signature: bytes) -> Address:
    """Who signed a text. Raises `SignedTextError` when the signature is of nobody."""
    return recover_personal_signer(text.encode(), signature)


def sign_personal(message: bytes, private_key: bytes) -> bytes:
    """Sign bytes (EIP-191 `personal_sign`): r, s and v 27 or 28. Raises `SignatureError` for bytes that are no key."""
    return personal_sign(message, private_key)


def recover_personal_signer(message: bytes, signature: bytes) -> Address:
    """Who signed bytes; v may be 0, 1, 27 or 28. Raises `SignedTextError` when the signature is of nobody."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignedTextError(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    try:
        return Address(secp256k1_recover(personal_digest(message), signature))
    except SignatureError as error:
        raise SignedTextError(str(error)) from None


def is_signed_by_digest(address: Address, digest: bytes, signature: bytes) -> bool:
    """Whether `address` signed a Keccak digest with `personal_sign`, also where its leading zero bytes were lost.

    The official client passes digests of fine-tuning calls through a number, so one in 256 is signed short. Session tokens are not.
    """
    messages = {bytes(digest), digest.lstrip(b"\0")}
    try:
        return any(recover_personal_signer(message, signature) == address for message in messages)
    except SignedTextError:
        return False


def decode_signature(text: str) -> bytes:
    """The 65 bytes of a signature in `0x…` text. Raises `SignedTextError`."""
    if not _SIGNATURE.fullmatch(text):
        raise SignedTextError("a signature is 0x and 130 hex digits")
    return bytes.fromhex(text[2:])


def personal_digest(message: bytes) -> Hash32:
    """What is signed for a message. Source: EIP-191, version 0x45."""
    return Hash32(keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message))
