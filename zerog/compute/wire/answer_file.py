"""The file that an answer is kept in: request, answer, signature, receipt and settlement as one JSON in canonical form (RFC 8785).

There is one encoding of it and no other is read, so that whoever has the file has exactly the bytes that were checked.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from zerog.compute.protocol.errors import ComputeError
from zerog.compute.wire.provider import SettlementPlace, SignatureAnswer, SignedReceipt
from zerog.primitives import Address, Hash32, decode_hook, is_nested_deeper

__all__ = ["ANSWER_FILE_BYTES_MAX", "AnswerFile", "AnswerFileError", "SavedRequest", "SavedResponse", "read_answer_file"]

ANSWER_FILE_VERSION: Final = 1
ANSWER_FILE_BYTES_MAX: Final = 128 << 20
"""A request and an answer of 32 MiB each, in base64, and what belongs to them."""
NESTING_MAX: Final = 16
NUMBER_MAX: Final = 2**53 - 1


@dataclass(eq=False)
class AnswerFileError(ComputeError):
    """A file that is no saved answer, or not in the one form that there is."""

    cause: str

    code = "answer_file"
    remedy = "save the answer again with `zerog compute chat --save`; a file that was edited or encoded anew proves nothing"

    def __str__(self) -> str:
        return f"this is no saved answer: {self.cause}"


class SavedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked."""

    path: str
    """Below the service's URL."""
    content_type: str
    body: bytes = msgspec.field(name="body_base64")
    sha256: Hash32


class SavedResponse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came back, as it was delivered."""

    status: int
    content_type: str
    """Without parameters."""
    body: bytes = msgspec.field(name="body_base64")
    sha256: Hash32


class AnswerFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is needed to check an answer, but for the chain."""

    version: Annotated[int, msgspec.Meta(ge=ANSWER_FILE_VERSION, le=ANSWER_FILE_VERSION)] = ANSWER_FILE_VERSION
    chain_id: int
    contract: Address
    """The contract that the service is registered with."""
    provider: Address
    url: str
    """Of the service, as it stood on chain."""
    model: str
    request: SavedRequest
    response: SavedResponse
    signature: SignatureAnswer
    receipt: SignedReceipt | None
    """`None` from a provider that gives none, as official ones do."""
    settlement: SettlementPlace | None = None
    """`None` until the receipt is settled and the proof was fetched."""

    def to_bytes(self) -> bytes:
        """The file. Raises `AnswerFileError` for numbers that JSON cannot carry."""
        if self.chain_id > NUMBER_MAX:
            raise AnswerFileError(f"{self.chain_id} is no number that every reader of JSON reads as it is")
        # Sorted names, no spaces and the shortest escapes are what RFC 8785 asks for where numbers are whole and names ASCII.
        return msgspec.json.encode(self, enc_hook=str, order="sorted")


_DECODER: Final = msgspec.json.Decoder(AnswerFile, dec_hook=decode_hook)


def read_answer_file(data: bytes) -> AnswerFile:
    """A saved answer from its bytes, whose hashes and signatures are still to be checked. Raises `AnswerFileError`."""
    if len(data) > ANSWER_FILE_BYTES_MAX:
        raise AnswerFileError(f"it has {len(data)} bytes, more than {ANSWER_FILE_BYTES_MAX}")
    if is_nested_deeper(data, NESTING_MAX):
        raise AnswerFileError("it is nested too deeply")
    try:
        answer = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise AnswerFileError(str(error)) from None
    if answer.to_bytes() != data:
        raise AnswerFileError("it is not in canonical form (RFC 8785)")
    return answer
