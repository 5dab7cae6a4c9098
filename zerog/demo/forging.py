"""What a forger would do to a saved answer without the provider's key: every hash beside the change is made to fit again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from zerog.compute.protocol.receipts import canonical_bytes, leaf_of
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.wire.answer_file import AnswerFile
from zerog.demo.errors import DemoError
from zerog.primitives import Hash32

__all__ = ["Forgery", "forgeries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One change: the answer's file and the text as they are after it; one of both is the true one."""

    name: str
    changed: str
    """What, in words."""
    answer: bytes = field(repr=False)
    data: bytes = field(repr=False)


def forgeries(file: AnswerFile, data: bytes, root: Hash32) -> Iterator[Forgery]:
    """Another answer, another price, another root of the data, and other data under the same root."""
    answer = file.to_bytes()
    yield Forgery(name="answer.json", changed="one letter of the answer", answer=_other_answer(file).to_bytes(), data=data)
    yield Forgery(name="price.json", changed="the price, raised tenfold", answer=_other_price(file).to_bytes(), data=data)
    yield Forgery(name="root.json", changed="the root of the text, in the question", answer=_other_root(file, root).to_bytes(), data=data)
    yield Forgery(name="text.txt", changed="one letter of the text", answer=answer, data=_other_letter(data, 0))


def _other_answer(file: AnswerFile) -> AnswerFile:
    """The first letter that the model said."""
    body = file.response.body
    said = re.search(rb'"content":\s*"[^"\\a-zA-Z]*([a-zA-Z])', body)
    if said is None:
        raise DemoError("the answer has no letter that could be changed")
    changed = _other_letter(body, said.start(1))
    return msgspec.structs.replace(file, response=msgspec.structs.replace(file.response, body=changed, sha256=sha256_hash(changed)))


def _other_price(file: AnswerFile) -> AnswerFile:
    if file.receipt is None:
        raise DemoError("the answer has no receipt whose price could be changed")
    receipt = file.receipt.receipt
    raised = msgspec.structs.replace(
        receipt, **{name: str(10 * int(getattr(receipt, name))) for name in ("input_fee", "output_fee", "fee")}
    )
    leaf = leaf_of(canonical_bytes(raised))
    return msgspec.structs.replace(file, receipt=msgspec.structs.replace(file.receipt, receipt=raised, leaf=leaf))


def _other_root(file: AnswerFile, root: Hash32) -> AnswerFile:
    body = file.request.body.replace(str(root).encode(), str(Hash32(bytes(reversed(root)))).encode())
    return msgspec.structs.replace(file, request=msgspec.structs.replace(file.request, body=body, sha256=sha256_hash(body)))


def _other_letter(data: bytes, at: int) -> bytes:
    """Upper case becomes lower case, and the other way round."""
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
