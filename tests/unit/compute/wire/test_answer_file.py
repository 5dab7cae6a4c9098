"""The one form of a saved answer."""

import json

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.protocol.fees import Usage
from zerog.compute.protocol.receipts import EngineIdentity, Receipt, SummedNode
from zerog.compute.wire.answer_file import AnswerFile, AnswerFileError, SavedRequest, SavedResponse, read_answer_file
from zerog.compute.wire.provider import SettlementEntry, SettlementPlace, SignatureAnswer, SignedReceipt
from zerog.primitives import Address, Data, Hash32

USER, PROVIDER, SIGNER, CONTRACT = (Address(bytes([number]) * 20) for number in (0xAB, 0xBC, 0xCD, 0xDE))
HASH = Hash32(b"\xef" * 32)


def answer_file() -> AnswerFile:
    receipt = Receipt(
        version=1,
        id="key",
        chain_id=31337,
        provider=PROVIDER,
        user=USER,
        service_type="chatbot",
        model="a-model",
        request_sha256=HASH,
        response_sha256=HASH,
        signed_text="text",
        usage=Usage(prompt_tokens=1, completion_tokens=2),
        input_fee="1",
        output_fee="2",
        fee="3",
        created_at_ms=1_700_000_000_000,
        signer=SIGNER,
        engine=EngineIdentity(name="scripted", version="1"),
    )
    entry = SettlementEntry(user=USER, provider=PROVIDER, total_fee="3", requests_hash=HASH, nonce="17", signature=Data(b"\xaa" * 65))
    return AnswerFile(
        chain_id=31337,
        contract=CONTRACT,
        provider=PROVIDER,
        url="http://127.0.0.1:3080",
        model="a-model",
        request=SavedRequest(path="/v1/proxy/chat/completions", content_type="application/json", body=b"\xff\0question", sha256=HASH),
        response=SavedResponse(status=200, content_type="application/json", body="Grüße".encode(), sha256=HASH),
        signature=SignatureAnswer(text="text", signature=Data(b"\xaa" * 65), signing_address=SIGNER, signing_algo="ecdsa"),
        receipt=SignedReceipt(receipt=receipt, leaf=HASH, signature=Data(b"\xaa" * 65)),
        settlement=SettlementPlace(
            transaction_hash=HASH,
            block_number=7,
            contract=CONTRACT,
            entry=entry,
            index=0,
            count=2,
            proof=[SummedNode(hash=Hash32(b"\xaf" * 32), amount="4")],
        ),
    )


def test_what_was_written_is_read_again() -> None:
    answer = answer_file()
    assert read_answer_file(answer.to_bytes()) == answer
    unsettled = msgspec.structs.replace(answer, settlement=None)
    assert read_answer_file(unsettled.to_bytes()) == unsettled


@given(st.text(), st.binary(max_size=64))
def test_the_form_is_that_of_rfc_8785(text: str, body: bytes) -> None:
    answer = answer_file()
    answer = msgspec.structs.replace(answer, model=text, response=msgspec.structs.replace(answer.response, body=body))
    assert answer.to_bytes() == rfc8785.dumps(msgspec.to_builtins(answer, enc_hook=str))
    assert read_answer_file(answer.to_bytes()) == answer


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text + b"\n", id="a line end"),
        pytest.param(lambda text: json.dumps(json.loads(text)).encode(), id="spaces"),
        pytest.param(lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode(), id="another order"),
        pytest.param(lambda text: text.replace(b'"text":"text"', b'"text":"t\\u0065xt"'), id="an escape"),
        pytest.param(lambda text: text.replace(b"0xaaaa", b"0xAAAA"), id="upper case in hex"),
        pytest.param(lambda text: text.replace(str(USER).encode(), str(USER).lower().encode()), id="an address without checksum"),
        pytest.param(lambda text: text.replace(b'"fee":"3"', b'"fee":"03"'), id="a leading zero"),
        pytest.param(lambda text: text.replace(b'"version":1}', b'"version":2}'), id="another version"),
        pytest.param(lambda text: text.replace(b'"version":1}', b'"version":1,"w":1}'), id="a further member"),
        pytest.param(lambda text: text.replace(b'"url":', b'"uri":'), id="a member of another name"),
        pytest.param(lambda text: text[:-1], id="half of it"),
        pytest.param(lambda _: b"[" * 100_000, id="deep nesting"),
        pytest.param(lambda _: b"\xff\xfe", id="no text"),
        pytest.param(lambda _: b"{}", id="an empty object"),
    ],
)
def test_no_other_form_is_read(change: object) -> None:
    content = answer_file().to_bytes()
    changed = change(content)  # type: ignore[operator]  # Each is a function of bytes.
    assert changed != content
    with pytest.raises(AnswerFileError):
        read_answer_file(changed)


def test_numbers_that_json_cannot_carry_are_not_written() -> None:
    with pytest.raises(AnswerFileError):
        msgspec.structs.replace(answer_file(), chain_id=2**60).to_bytes()
