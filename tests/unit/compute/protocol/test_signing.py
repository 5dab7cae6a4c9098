"""What is signed of an answer: the official texts and signatures."""

from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import (
    ANSWER_SIGNATURE,
    ANSWER_TEXT,
    CANCEL_DIGEST,
    CANCEL_SIGNATURE,
    DATASET_DIGEST,
    DATASET_SIGNATURE,
    DOWNLOAD_DIGEST,
    SIGNER,
    TASK_DIGEST,
    TASK_SIGNATURE,
    USER,
)
from zerog._kernel import keccak256
from zerog.compute.protocol.errors import SignedTextError
from zerog.compute.protocol.signing import (
    answer_text,
    centralized_answer_text,
    decode_signature,
    images_text,
    is_signed_by_digest,
    parse_answer_text,
    recover_text_signer,
    sha256_hash,
    sign_personal,
    sign_text,
)
from zerog.primitives import Hash32

REQUEST = b'{"model":"m"}'
ANSWER = b'{"ok":true}'


def test_an_answer_is_signed_as_the_official_broker_does() -> None:
    text = answer_text(sha256_hash(REQUEST), sha256_hash(ANSWER))
    assert text == ANSWER_TEXT
    assert sign_text(text, SIGNER.private_key) == ANSWER_SIGNATURE
    assert recover_text_signer(text, ANSWER_SIGNATURE) == SIGNER.address


@pytest.mark.parametrize(
    ("digest", "signature"), [(TASK_DIGEST, TASK_SIGNATURE), (CANCEL_DIGEST, CANCEL_SIGNATURE), (DATASET_DIGEST, DATASET_SIGNATURE)]
)
def test_calls_of_fine_tuning_are_signed_by_their_digest(digest: bytes, signature: bytes) -> None:
    assert sign_personal(digest, USER.private_key) == signature
    assert is_signed_by_digest(USER.address, digest, signature)
    assert not is_signed_by_digest(SIGNER.address, digest, signature)


def test_the_digests_of_fine_tuning_are_these() -> None:
    nonce = (17954862393730040).to_bytes(32, "big")
    assert keccak256(USER.address + nonce + b"0x" + b"33" * 32) == TASK_DIGEST
    assert keccak256(bytes.fromhex("123e4567e89b12d3a456426614174000")) == CANCEL_DIGEST
    assert keccak256(f"{USER.address}1700000000".encode()) == DATASET_DIGEST
    assert keccak256(b"123e4567e89b12d3a4564266141740001700000000") == DOWNLOAD_DIGEST


@given(st.binary(min_size=1, max_size=28).map(lambda data: data.rjust(32, b"\0")))
def test_a_digest_may_have_lost_its_leading_zeros(digest: bytes) -> None:
    short = sign_personal(digest.lstrip(b"\0"), USER.private_key)
    assert is_signed_by_digest(USER.address, digest, short)
    assert is_signed_by_digest(USER.address, digest, sign_personal(digest, USER.private_key))
    assert not is_signed_by_digest(USER.address, b"\1" + digest[1:], short)


def test_pictures_and_companies_have_texts_of_their_own() -> None:
    request, images = sha256_hash(REQUEST), [sha256_hash(b"1"), sha256_hash(b"2")]
    text = images_text(request, images)
    assert text == f"{request.hex()}:{images[0].hex()},{images[1].hex()}"
    assert parse_answer_text(text) == (request, tuple(images))
    company = centralized_answer_text(
        request, images[0], provider_type="centralized", provider_identity="acme", certificate_sha256=bytes(32)
    )
    assert company == f"{request.hex()}:{images[0].hex()}:centralized:acme:{'00' * 32}"
    assert parse_answer_text(company) == (request, (images[0],))


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_a_text_gives_its_hashes_back(request: bytes, answer: bytes) -> None:
    hashes = Hash32(sha256(request).digest()), Hash32(sha256(answer).digest())
    assert parse_answer_text(answer_text(*hashes)) == (hashes[0], (hashes[1],))


@pytest.mark.parametrize(
    "text", ["", ":", ANSWER_TEXT[:-1], ANSWER_TEXT.upper(), ANSWER_TEXT + ",", "00" * 32, ANSWER_TEXT.replace(":", ";")]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(SignedTextError):
        parse_answer_text(text)


@pytest.mark.parametrize("text", ["", "0x", "0x" + "0" * 129, "00" * 65, "0x" + "g" * 130, "0x" + "0" * 132])
def test_other_signatures_are_refused(text: str) -> None:
    with pytest.raises(SignedTextError):
        decode_signature(text)


@given(st.text(max_size=100), st.binary(max_size=70))
def test_a_signature_of_nobody_is_refused(text: str, signature: bytes) -> None:
    with suppress(SignedTextError):
        assert len(recover_text_signer(text, signature)) == 20
    assert decode_signature("0x" + ANSWER_SIGNATURE.hex()) == ANSWER_SIGNATURE
