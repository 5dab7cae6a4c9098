"""The checks of a saved answer that need nothing but its bytes."""

from typing import Final

import msgspec

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.protocol.constants import SIGNING_ALGORITHM
from zerog.compute.protocol.errors import SignedTextError
from zerog.compute.protocol.receipts import ReceiptError, canonical_bytes, leaf_of, recover_receipt_signer
from zerog.compute.protocol.signing import answer_text, recover_text_signer, sha256_hash
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import SignatureAnswer
from zerog.primitives import is_nested_deeper

__all__ = ["check_bytes"]

JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream"
PATHS: Final = ("/v1/proxy/chat/completions", "/v1/proxy/messages", "/v1/proxy/embeddings")
"""Of requests in JSON whose answer is signed as a whole."""
STATUS_OK: Final = 200
NESTING_MAX: Final = 64


def check_bytes(file: AnswerFile) -> None:
    """Hold request, answer, signature and receipt against each other. Raises `AnswerRefutedError`."""
    _check_request(file)
    _check_response(file)
    _check_signature(file)
    if file.receipt is not None:
        _check_receipt(file)
        _check_usage(file)


def _check_request(file: AnswerFile) -> None:
    request = file.request
    if sha256_hash(request.body) != request.sha256:
        raise AnswerRefutedError("request", "its bytes do not have the hash that stands beside them")
    if request.path not in PATHS or request.content_type != JSON_TYPE:
        raise AnswerRefutedError("request", f"{request.content_type} to {request.path} is nothing that an answer is kept of")
    asked = _object(request.body)
    if asked is None:
        raise AnswerRefutedError("request", "its body is no JSON object")
    if asked.get("model") != file.model:
        raise AnswerRefutedError("request", f"it asks for the model {asked.get('model')!r}, not for {file.model!r}")
    is_stream = asked.get("stream") is True
    if file.response.content_type != (EVENTS_TYPE if is_stream else JSON_TYPE):
        raise AnswerRefutedError("response", f"the answer is {file.response.content_type}, which was not asked for")


def _check_response(file: AnswerFile) -> None:
    if file.response.status != STATUS_OK:
        raise AnswerRefutedError("response", f"status {file.response.status} is not that of an answer")
    if sha256_hash(file.response.body) != file.response.sha256:
        raise AnswerRefutedError("response", "its bytes do not have the hash that stands beside them")


def _check_signature(file: AnswerFile) -> None:
    """The text that was signed names both hashes, and the signature is that of the address beside it."""
    signature = file.signature
    if signature.signing_algo != SIGNING_ALGORITHM:
        raise AnswerRefutedError("signature", f"{signature.signing_algo!r} is no way to sign that we know")
    if signature.text != answer_text(file.request.sha256, file.response.sha256) + _company(signature):
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
    return "".join(f":{part}" for part in parts) if all(part is not None for part in parts) else ""


def _check_receipt(file: AnswerFile) -> None:
    """It is about this answer, and signed by who signed the answer."""
    if file.receipt is None:
        raise RuntimeError("there is a receipt")
    receipt, leaf = file.receipt.receipt, file.receipt.leaf
    if leaf_of(canonical_bytes(receipt)) != leaf:
        raise AnswerRefutedError("receipt", "it does not have the hash that stands beside it")
    try:
        signer = recover_receipt_signer(leaf, file.receipt.signature)
    except ReceiptError as error:
        raise AnswerRefutedError("receipt", str(error)) from None
    if file.receipt.signature[-1] not in (27, 28) or signer != receipt.signer:
        raise AnswerRefutedError("receipt", f"it is not signed by {receipt.signer}")
    pairs = (
        ("the signer", receipt.signer, file.signature.signing_address),
        ("the chain", receipt.chain_id, file.chain_id),
        ("the provider", receipt.provider, file.provider),
        ("the model", receipt.model, file.model),
        ("the hash of the request", receipt.request_sha256, file.request.sha256),
        ("the hash of the answer", receipt.response_sha256, file.response.sha256),
        ("the signed text", receipt.signed_text, file.signature.text),
    )
    for what, said, found in pairs:
        if said != found:
            raise AnswerRefutedError("receipt", f"{what} is {said} in the receipt and {found} in the file")


def _check_usage(file: AnswerFile) -> None:
    """What was charged for is what the answer says was used, where it says that."""
    told = _told_usage(file)
    if told is None or file.receipt is None:
        return
    usage = file.receipt.receipt.usage
    for member, charged in (("prompt_tokens", usage.prompt_tokens), ("completion_tokens", usage.completion_tokens)):
        said = told.get(member)
        if isinstance(said, int) and not isinstance(said, bool) and said < charged:
            raise AnswerRefutedError("receipt", f"{charged} {member} are charged, and the answer says {said}")


def _told_usage(file: AnswerFile) -> dict[str, object] | None:
    """The last `usage` in the answer."""
    if file.response.content_type == JSON_TYPE:
        bodies = [file.response.body]
    else:
        lines = (line.strip() for line in file.response.body.split(b"\n"))
        bodies = [line[len(b"data:") :].strip() for line in lines if line.startswith(b"data:") and b'"usage"' in line]
    usages = [found.get("usage") for body in bodies if (found := _object(body)) is not None]
    return next((usage for usage in reversed(usages) if isinstance(usage, dict)), None)


def _object(body: bytes) -> dict[str, object] | None:
    """A JSON object, or `None` for anything else."""
    if is_nested_deeper(body, NESTING_MAX):
        return None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
