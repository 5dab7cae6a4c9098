"""How long a blob may be, and what its id looks like."""

import hashlib
import re

import pytest

from zerog.da.protocol.blob import BlobEmptyError, BlobTooLargeError, EncoderBlobTooLargeError, check_blob_size, check_encoder_size
from zerog.da.protocol.request_id import RequestIdEmptyError, RequestIdMalformedError, check_request_id, make_request_id


def test_sizes_and_the_words_of_their_refusal() -> None:
    check_blob_size(1)
    check_blob_size(32_505_852)
    with pytest.raises(BlobTooLargeError, match=r"^blob size cannot exceed 31744 KiB$"):
        check_blob_size(32_505_853)
    with pytest.raises(BlobEmptyError, match=r"^blob size must be greater than 0$"):
        check_blob_size(0)
    check_encoder_size(0)
    check_encoder_size(32_505_852)
    with pytest.raises(EncoderBlobTooLargeError, match=re.escape("TooLargeBlob { actual: 32505853, expected_max: 32505852 }")):
        check_encoder_size(32_505_853)


def test_an_id_is_the_hash_of_the_data_and_the_time_with_the_hash_of_nothing() -> None:
    made = make_request_id(hashlib.sha256(b"blob").digest(), 1_700_000_000_123_456_789)
    digest, _, rest = made.partition("-")
    assert digest == hashlib.sha256(b"blob").hexdigest()
    assert bytes.fromhex(rest)[:20] == b"1700000000123456789/"
    assert rest[40:] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert len(made) == 64 + 1 + 104
    assert check_request_id(made.encode()) == made


@pytest.mark.parametrize("wrong", [b"abc", b"a-b-c", b"\xff-\xfe"])
def test_what_has_not_one_dash_is_no_id(wrong: bytes) -> None:
    with pytest.raises(RequestIdMalformedError, match=r"^invalid metadata key: "):
        check_request_id(wrong)
    with pytest.raises(RequestIdEmptyError, match=r"^invalid request: request_id must not be empty$"):
        check_request_id(b"")
