"""The checks of a saved answer that need nothing but its bytes."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE, AskedFor, Kind, asked_for, kind_of
from zerog.compute.client.verifying.used import check_used
from zerog.compute.client.verifying.verdict import Findings
from zerog.compute.protocol.constants import SIGNING_ALGORITHM
from zerog.compute.protocol.envelope import compact, is_sealed
from zerog.compute.protocol.errors import EncryptionError, SignedTextError
from zerog.compute.protocol.profiles import profile_of
from zerog.compute.protocol.receipts import ReceiptError, canonical_bytes, leaf_of, recover_receipt_signer
from zerog.compute.protocol.sealed_proof import ExchangeSecret, SealedExchange
from zerog.compute.protocol.signing import answer_text, images_text, parse_answer_text, recover_text_signer, sha256_hash
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import SignatureAnswer, SignedReceipt
from zerog.primitives import Address, Hash32

__all__ = ["Content", "check_bytes", "check_receipt_of"]

STATUS_OK: Final = 200
PROXY: Final = "/v1/proxy"


@dataclass(slots=True)
class Content:
    """What was asked and answered, as far as the file lets one read it, and what its bytes show."""

    kind: Kind
    is_sealed: bool = False
    request: bytes | None = None
    """The body in clear; `None` where it is sealed and the file has no key."""
    answer: bytes | None = None
    """Likewise; of a sealed stream its events in clear, each on a line of its own."""
    pictures: int | None = None
    """How many there are; `None` where none were asked for, or they cannot be seen."""
    findings: Findings = field(default_factory=Findings)


def check_bytes(file: AnswerFile) -> Content:
    """Hold request, answer, signature and receipt against each other. Raises `AnswerRefutedError`."""
    _check_hashes(file)
    content = Content(kind_of(file))
    asked = asked_for(file, content.kind)
    _check_asked(file, content, asked)
    text = _sealed_text(file, content) if is_sealed(file.request.body) else _plain_text(file, content)
    _check_signature(file.signature, text)
    if file.receipt is not None:
        _check_receipt(file, content)
    return content


def _check_hashes(file: AnswerFile) -> None:
    parts = (("request", file.request), ("response", file.response), ("evidence", file.evidence))
    for name, part in parts:
        if part is not None and sha256_hash(part.body) != part.sha256:
            raise AnswerRefutedError(name, "its bytes do not have the hash that stands beside them")
    if file.response.status != STATUS_OK:
        raise AnswerRefutedError("response", f"status {file.response.status} is not that of an answer")


def _check_asked(file: AnswerFile, content: Content, asked: AskedFor) -> None:
    """The model is the one that was asked for, and the answer comes in the way that was."""
    if asked.model is None:
        content.findings.not_proven.append("that this model was asked for: the request names none that can be read")
    elif asked.model != file.model:
        raise AnswerRefutedError("request", f"it asks for the model {asked.model!r}, not for {file.model!r}")
    kind, told = content.kind, file.response.content_type
    if kind.other_types and not (asked.stream and told == EVENTS_TYPE):
        fits = told == JSON_TYPE or told in kind.other_types
        content.findings.not_proven.append(f"that the answer's bytes are to be read as {told}: no signature covers the type")
    else:
        fits = told == (EVENTS_TYPE if asked.stream and kind.may_stream else JSON_TYPE)
    if not fits:
        raise AnswerRefutedError("response", f"the answer is {told}, which was not asked for")


# ---- what was signed -------------------------------------------------------------------------------------------------------------------


def _plain_text(file: AnswerFile, content: Content) -> str:
    """The text that has to be signed of an exchange in clear."""
    if file.opening is not None:
        raise AnswerRefutedError("opening", "there is one, and nothing is sealed")
    content.request, content.answer = file.request.body, file.response.body
    if not content.kind.has_images:
        content.findings.proven.append("the request and the answer are those that were signed, byte for byte")
        return answer_text(file.request.sha256, file.response.sha256)
    pictures = _pictures(file.response.body)
    content.pictures = len(pictures)
    shown = sum(not is_link for _, is_link in pictures)
    content.findings.proven.append(f"the request and {shown} pictures in the answer are those that were signed, byte for byte")
    if file.receipt is None:
        content.findings.not_proven.append("what the answer says beside its pictures: only these are signed, and there is no receipt")
    return images_text(file.request.sha256, _picture_hashes(file.signature.text, pictures, content))


def _picture_hashes(signed: str, pictures: Sequence[tuple[bytes, bool]], content: Content) -> list[Hash32]:
    """What has to be signed of each picture. Of one that the answer only links to, it is the picture itself, which the file does not hold,
    or its address where the provider knows no more."""
    hashes = [sha256_hash(data) for data, _ in pictures]
    try:
        told = parse_answer_text(signed)[1]
    except SignedTextError:
        return hashes  # They are not signed by this text.
    if len(told) != len(pictures):
        return hashes
    for index, (_, is_link) in enumerate(pictures):
        if is_link and told[index] == hashes[index]:
            content.findings.not_proven.append(f"what picture {index + 1} shows: only its address is signed")
        elif is_link:
            hashes[index] = told[index]
            missing = (
                f"that picture {index + 1} is the one that was signed: the file has its address alone. Its SHA-256 is {told[index].hex()}"
            )
            content.findings.not_proven.append(missing)
    return hashes


class _Picture(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None


class _Pictures(msgspec.Struct):
    data: list[_Picture]


def _pictures(body: bytes) -> list[tuple[bytes, bool]]:
    """The bytes that are signed of each picture: its own, or its address where the answer only links to it."""
    try:
        data = msgspec.json.decode(body, type=_Pictures).data
        pictures = [
            (base64.b64decode(one.b64_json, validate=True), False) if one.b64_json else ((one.url or "").encode(), True) for one in data
        ]
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error):
        pictures = []
    if not pictures or not all(data for data, _ in pictures):
        raise AnswerRefutedError("response", "pictures were asked for, and there are none in it")
    return pictures


def _sealed_text(file: AnswerFile, content: Content) -> str:
    """The text that has to be signed of a sealed exchange; with the file's key the exchange is opened, too."""
    content.is_sealed = True
    stream = file.response.content_type == EVENTS_TYPE
    try:
        profile = profile_of(file.request.path.removeprefix(PROXY))
        exchange = SealedExchange(profile, file.request.body, file.response.body, stream)
        request_hash = exchange.request_hash()
    except EncryptionError as error:
        raise AnswerRefutedError("request", str(error)) from None
    try:
        text = exchange.text(request_hash)
    except EncryptionError as error:
        raise AnswerRefutedError("response", str(error)) from None
    content.findings.proven.append("the encrypted request and the encrypted answer are those that were signed, whole and in order")
    if file.receipt is None:
        content.findings.not_proven.append("what stands outside of the encryption and is declared as nobody's, such as the answer's model")
    if file.opening is None:
        content.findings.not_proven.append("what was asked and answered: both are encrypted, and the file holds no key")
        return text
    try:
        secret = ExchangeSecret(file.opening.secret)
        request, frames = exchange.reopened(file.opening.words, file.opening.recipient, secret)
    except EncryptionError as error:
        raise AnswerRefutedError("opening", str(error)) from None
    content.request = compact(request)
    bodies = [compact(frame) for frame in frames]
    content.answer = b"".join(b"data: " + body + b"\n\n" for body in bodies) if stream else bodies[0]
    content.pictures = len(_pictures(bodies[0])) if content.kind.has_images else None
    content.findings.proven.append("question and answer in clear are what was encrypted: sealed and opened again with the file's key")
    return text


def _check_signature(signature: SignatureAnswer, text: str) -> None:
    """What was signed is this text, by the address beside it."""
    if signature.signing_algo != SIGNING_ALGORITHM:
        raise AnswerRefutedError("signature", f"{signature.signing_algo!r} is no way to sign that we know")
    if signature.text != text + _company(signature):
        raise AnswerRefutedError("signature", "the signed text is not about these bytes, or not about the company that is named beside it")
    try:
        signer = recover_text_signer(signature.text, signature.signature)
    except SignedTextError as error:
        raise AnswerRefutedError("signature", str(error)) from None
    if signature.signature[-1] not in (27, 28) or signer != signature.signing_address:
        raise AnswerRefutedError("signature", f"it is not that of {signature.signing_address}")


def _company(signature: SignatureAnswer) -> str:
    """What stands behind the hashes where a company runs the model. Source: 0gfoundation/0g-serving-broker, `ctrl/signing.go`."""
    parts = (signature.provider_type, signature.provider_identity, signature.tls_cert_fingerprint)
    if all(part is None for part in parts):
        return ""
    if any(part is None for part in parts):
        raise AnswerRefutedError("signature", "it names a company in part only")
    return "".join(f":{part}" for part in parts)


# ---- the receipt -----------------------------------------------------------------------------------------------------------------------


def check_receipt_of(signed: SignedReceipt, user: Address, provider: Address, chain_id: int) -> None:
    """A receipt by itself: signed by the key that it names, and of these parties. Raises `AnswerRefutedError`."""
    _check_signed(signed)
    receipt = signed.receipt
    if (receipt.user, receipt.provider, receipt.chain_id) != (user, provider, chain_id):
        raise AnswerRefutedError("receipt", f"it is of {receipt.user} with {receipt.provider} on chain {receipt.chain_id}")


def _check_receipt(file: AnswerFile, content: Content) -> None:
    """It is about this answer, signed by who signed the answer, and charges for no more than the answer says."""
    if file.receipt is None:
        raise RuntimeError("there is a receipt")
    receipt = file.receipt.receipt
    _check_signed(file.receipt)
    pairs = (
        ("the signer", receipt.signer, file.signature.signing_address),
        ("the chain", receipt.chain_id, file.chain_id),
        ("the provider", receipt.provider, file.provider),
        ("the model", receipt.model, file.model),
        ("the kind of service", receipt.service_type, content.kind.service_type.value),
        ("the hash of the request", receipt.request_sha256, file.request.sha256),
        ("the hash of the answer", receipt.response_sha256, file.response.sha256),
        ("the signed text", receipt.signed_text, file.signature.text),
    )
    for what, said, found in pairs:
        if said != found:
            raise AnswerRefutedError("receipt", f"{what} is {said} in the receipt and {found} in the file")
    content.findings.proven.append("the receipt is about this answer, and signed by the same key")
    if not check_used(file.response.body, file.response.content_type, receipt.usage, pictures=content.pictures):
        content.findings.not_proven.append("that so much was used as the receipt charges for: the answer does not say it all")


def _check_signed(signed: SignedReceipt) -> None:
    """Its hash is that of its canonical bytes, and the signer that it names has signed that."""
    if leaf_of(canonical_bytes(signed.receipt)) != signed.leaf:
        raise AnswerRefutedError("receipt", "it does not have the hash that stands beside it")
    try:
        signer = recover_receipt_signer(signed.leaf, signed.signature)
    except ReceiptError as error:
        raise AnswerRefutedError("receipt", str(error)) from None
    if signed.signature[-1] not in (27, 28) or signer != signed.receipt.signer:
        raise AnswerRefutedError("receipt", f"it is not signed by {signed.receipt.signer}")
