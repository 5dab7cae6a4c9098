"""The file that an answer is kept in: request, answer, signature, receipt and settlement as one JSON in canonical form (RFC 8785).

There is one encoding of it and no other is read, so that whoever has the file has exactly the bytes that were checked.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from zerog.compute.protocol.errors import ComputeError
from zerog.compute.wire.provider import SettlementPlace, SignatureAnswer, SignedReceipt
from zerog.primitives import Address, Hash32, decode_hook, is_nested_deeper

__all__ = [
    "ANSWER_FILE_BYTES_MAX",
    "AnswerFile",
    "AnswerFileError",
    "Opening",
    "SavedEvidence",
    "SavedRequest",
    "SavedResponse",
    "read_answer_file",
]

ANSWER_FILE_VERSION: Final = 1
ANSWER_FILE_BYTES_MAX: Final = 192 << 20
"""A request and an answer of 32 MiB each, the words of a sealed request once more, all in base64, and what belongs to them."""
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
    """`application/json`, or of a form the type with its boundary."""
    body: bytes = msgspec.field(name="body_base64")
    sha256: Hash32


class SavedResponse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came back, as it was delivered."""

    status: int
    content_type: str
    """Without parameters."""
    body: bytes = msgspec.field(name="body_base64")
    sha256: Hash32


class SavedEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the provider showed of its enclave, as it was delivered."""

    body: bytes = msgspec.field(name="body_base64")
    sha256: Hash32


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What opens a sealed exchange: whoever has a file with it reads question and answer, and can check that they are what was sealed."""

    words: bytes = msgspec.field(name="words_base64")
    """The sealed members of the request, as JSON."""
    recipient: bytes = msgspec.field(name="recipient_base64")
    """The enclave's key that the request is sealed to."""
    secret: bytes = msgspec.field(name="secret_base64")
    """What the request was sealed with and the answer opens with, 32 bytes, used for nothing else."""

    def __repr__(self) -> str:
        return f"Opening({len(self.words)} bytes)"


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
    evidence: SavedEvidence | None = None
    """`None` where the provider showed none that can be read."""
    opening: Opening | None = None
    """Of a sealed exchange; `None` where the file is to prove it without telling what was said."""

    @property
    def without_opening(self) -> "AnswerFile":
        """The same proof for those who are not to read question and answer."""
        return msgspec.structs.replace(self, opening=None)

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
