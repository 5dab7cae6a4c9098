"""Envelopes: the official hashes, canonical form, and text that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.protocol.e2ee import parse_sealed_text, plain_text, stream_text, whole_text
from zerog.compute.protocol.envelope import (
    associated_data,
    binding_hash,
    canonical,
    decode_base64url,
    encode_base64url,
    envelope_hash,
    is_sealed,
    load_object,
)
from zerog.compute.protocol.errors import EncryptionError, SignedTextError
from zerog.primitives import Hash32

# Source: 0gfoundation/0g-pc-e2ee, `protocol/proof/kat_test.go` and `kat_anthropic_test.go`.
REQUEST = (
    '{"model":"gpt-4o","_e2ee":{"v":1,"kem_id":"X25519","key_id":"AAAAAAAAAAA","client_eph_pub":"Y2xpZW50ZXBo","enc":"ZW5jYXBz",'
    '"sealed_fields":["messages"],"ciphertext":"AAECAwQF"}}'
)
ANSWER = (
    '{"model":"gpt-4o","usage":{"total_tokens":3},"_e2ee":{"v":1,"enc":"cmVzcGVuYw","sealed_fields":["choices"],'
    '"unbound_fields":["model","x_0g_trace"],"final":true,"ciphertext":"BgcICQoL"}}'
)
FRAMES = [
    (
        '{"model":"gpt-4o","_e2ee":{"v":1,"enc":"cmVzcGVuYw","sealed_fields":["choices"],"unbound_fields":["model","x_0g_trace"],'
        '"final":false,"ciphertext":"DA0ODxAR"}}'
    ),
    '{"model":"gpt-4o","_e2ee":{"sealed_fields":["choices"],"unbound_fields":["model","x_0g_trace"],"final":true,"ciphertext":"EhMUFRYX"}}',
]
REQUEST_HASH = "7142bf93edca74323dd450689f4e087fea152d0b811ed5c89ad3c7668f349b8e"
ANSWER_HASH = "b45f993cafa582df20c1ebb03ce421cccd00f54aa2664ac6658a98f26ec55ff7"
STREAM_HASH = "4f41983a49ff197ec60de80a892ba9322f8e41051b4813a9edd817ac7ed8ea85"
MESSAGES_REQUEST = (
    '{"model":"claude-x","max_tokens":1024,"stream":true,"_e2ee":{"v":1,"kem_id":"X25519","key_id":"AAAAAAAAAAA",'
    '"client_eph_pub":"Y2xpZW50ZXBo","enc":"ZW5jYXBz","sealed_fields":["messages","system"],"ciphertext":"AAECAwQF"}}'
)
MESSAGES_FRAMES = [
    (
        '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"usage":'
        '{"input_tokens":11,"output_tokens":1}},"_e2ee":{"v":1,"enc":"cmVzcGVuYw","sealed_fields":[],"unbound_fields":["model","x_0g_trace"],'
        '"final":false,"ciphertext":"DA0ODxAR"}}'
    ),
    (
        '{"type":"content_block_start","index":0,"_e2ee":{"sealed_fields":["content_block"],"unbound_fields":["model","x_0g_trace"],'
        '"final":false,"ciphertext":"EhMUFRYX"}}'
    ),
    (
        '{"type":"content_block_delta","index":0,"_e2ee":{"sealed_fields":["delta"],"unbound_fields":["model","x_0g_trace"],"final":false,'
        '"ciphertext":"GBkaGxwd"}}'
    ),
    (
        '{"type":"content_block_stop","index":0,"_e2ee":{"sealed_fields":[],"unbound_fields":["model","x_0g_trace"],"final":false,'
        '"ciphertext":"Hh8gISIj"}}'
    ),
    (
        '{"type":"message_delta","usage":{"output_tokens":20},"_e2ee":{"sealed_fields":["delta"],"unbound_fields":["model","x_0g_trace"],'
        '"final":false,"ciphertext":"JCUmJygp"}}'
    ),
    '{"type":"message_stop","_e2ee":{"sealed_fields":[],"unbound_fields":["model","x_0g_trace"],"final":true,"ciphertext":"Kissa7"}}',
]


def hash_of(text: str) -> Hash32:
    return envelope_hash(json.loads(text))


def test_hashes_and_texts_are_those_of_the_official_library() -> None:
    assert binding_hash(b"kat-aad", b"kat-ct").hex() == "cd267304498951f9045bd85577a28b1c15f1a1c287987fdcedd81a62e8f507fc"
    assert (hash_of(REQUEST).hex(), hash_of(ANSWER).hex()) == (REQUEST_HASH, ANSWER_HASH)
    assert whole_text(hash_of(REQUEST), hash_of(ANSWER)) == f"zg-sig-v1/e2ee-ct:{REQUEST_HASH}:{ANSWER_HASH}"
    assert stream_text(hash_of(REQUEST), list(map(hash_of, FRAMES))) == f"zg-sig-v1/e2ee-ct-stream:{REQUEST_HASH}:{STREAM_HASH}"


def test_frames_of_several_kinds_are_hashed_as_there() -> None:
    assert stream_text(hash_of(MESSAGES_REQUEST), list(map(hash_of, MESSAGES_FRAMES))) == (
        "zg-sig-v1/e2ee-ct-stream:825a8bc801a6cf1ee932bb418adda99904ab3cb733f148b8dd6c347341b43a18:"
        "ada3a8ced7de16aa56938e0561f8ab2c5ea48f41f86f540c7e106f95ee2f7ffd"
    )


def test_an_unbound_member_may_change_and_no_other() -> None:
    envelope = json.loads(ANSWER)
    before = associated_data(envelope)
    assert associated_data({**envelope, "model": "other", "x_0g_trace": {"a": 1}}) == before
    assert associated_data({**envelope, "usage": {}}) != before
    enlarged = {**envelope["_e2ee"], "unbound_fields": ["model", "x_0g_trace", "usage"]}
    assert associated_data({**envelope, "_e2ee": enlarged}) != before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (1.0, "1"),
        (1e21, "1e+21"),
        (0.1, "0.1"),
        (2**64, "18446744073709552000"),
        ({"€": "é\n"}, '{"€":"é\\n"}'),
    ],
)
def test_canonical_form_is_that_of_javascript(value: object, text: str) -> None:
    assert canonical(value) == text.encode()


def test_a_plain_exchange_has_a_text_too() -> None:
    text = plain_text({"b": 1, "a": 2}, {})
    assert parse_sealed_text(text)[0] == "zg-sig-v1/plain"
    assert plain_text({"a": 2, "b": 1}, {}) == text


@pytest.mark.parametrize(
    "text", ["", "zg-sig-v2/e2ee-ct:" + "00" * 32 + ":" + "00" * 32, "zg-sig-v1/e2ee-ct:00:00", "00" * 32 + ":" + "00" * 32]
)
def test_an_unknown_scheme_is_refused(text: str) -> None:
    with pytest.raises(SignedTextError):
        parse_sealed_text(text)


@pytest.mark.parametrize(
    ("body", "sealed"),
    [
        (b'{"_e2ee":{}}', True),
        (b'{"_e2ee":null}', True),
        (b'{"\\u005fe2\\u0065e":{}}', True),
        (b'{"a":"\\u005fe2ee"}', False),
        (b'{"messages":[{"content":"_e2ee"}]}', False),
        (b'{"a":{"_e2ee":1}}', False),
        (b'["_e2ee"]', False),
        (b"_e2ee", False),
        (b"\xff_e2ee", False),
        (b'{"_e2ee":' + b"[" * 1000, False),
    ],
)
def test_only_a_member_at_the_top_makes_an_envelope(body: bytes, sealed: bool) -> None:
    assert is_sealed(body) is sealed


@given(st.binary(max_size=70))
def test_base64url_goes_both_ways(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data), "it") == data


@pytest.mark.parametrize("text", ["AA==", "A", "A+A/", "ÄA", None, 5, "A A"])
def test_other_encodings_are_refused(text: object) -> None:
    with pytest.raises(EncryptionError):
        decode_base64url(text, "it")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        '{"a":1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
        b"\xff",
        b'{"a":1' + b"0" * 5000 + b"}",
    ],
)
def test_json_that_cannot_be_bound_is_refused(text: bytes) -> None:
    with pytest.raises(EncryptionError):
        load_object(text, "it")
