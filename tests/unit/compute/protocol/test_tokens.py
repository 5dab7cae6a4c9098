"""Session tokens: the official bytes, and what opens nothing."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import PROVIDER, SIGNER, TOKEN_DIGEST, TOKEN_JSON, TOKEN_SIGNATURE, USER
from zerog._kernel import keccak256
from zerog.compute.protocol.constants import EPHEMERAL_LIFETIME_MS_MAX
from zerog.compute.protocol.errors import (
    ExpiredTokenError,
    ForeignTokenError,
    MalformedTokenError,
    MissingTokenError,
    RevokedTokenError,
    TokenError,
    TokenSignatureError,
)
from zerog.compute.protocol.signing import sign_personal
from zerog.compute.protocol.tokens import (
    CLOCK_SKEW_MS_MAX,
    SessionToken,
    check,
    check_generation,
    free_token_id,
    make_api_key,
    parse_api_key,
    parse_authorization,
)

NOW = 1_700_000_000_000
TOKEN = SessionToken(
    address=USER.address,
    provider=PROVIDER,
    timestamp_ms=NOW,
    expires_at_ms=NOW + EPHEMERAL_LIFETIME_MS_MAX,
    nonce="1700000000000-abcdefghijk000000",
    generation=0,
    token_id=255,
)
tokens = st.builds(
    SessionToken,
    address=st.just(USER.address),
    provider=st.just(PROVIDER),
    timestamp_ms=st.integers(0, 2**53 - 1),
    expires_at_ms=st.integers(0, 2**53 - 1),
    nonce=st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"]), max_size=64),
    generation=st.integers(0, 2**53 - 1),
    token_id=st.integers(0, 255),
)


def key_of(text: bytes, signature: bytes) -> str:
    return "app-sk-" + base64.b64encode(text + b"|0x" + signature.hex().encode()).decode()


def signed_key(text: bytes) -> str:
    return key_of(text, sign_personal(keccak256(text), USER.private_key))


def test_a_token_has_the_official_bytes_and_signature() -> None:
    signed = parse_api_key(make_api_key(TOKEN, USER.private_key))
    assert (signed.json_bytes, signed.digest, signed.signature) == (TOKEN_JSON, TOKEN_DIGEST, TOKEN_SIGNATURE)
    assert signed.token == TOKEN
    assert signed.signer() == USER.address


def test_the_official_key_opens() -> None:
    signed = parse_authorization("Bearer " + key_of(TOKEN_JSON, TOKEN_SIGNATURE))
    check(signed, PROVIDER, NOW)
    check_generation(signed.token, 0, 0)
    assert signed.token == TOKEN


@given(tokens)
def test_a_key_gives_its_token_back(token: SessionToken) -> None:
    signed = parse_authorization("Bearer " + make_api_key(token, USER.private_key))
    assert (signed.token, signed.signer()) == (token, USER.address)


@given(st.data())
def test_no_byte_of_a_token_can_be_changed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TOKEN_JSON) - 1))
    changed = bytearray(TOKEN_JSON)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TokenError):
        check(parse_api_key(key_of(bytes(changed), TOKEN_SIGNATURE)), PROVIDER, NOW)


@given(st.integers(0, 64), st.integers(1, 255))
def test_no_byte_of_a_signature_can_be_changed(place: int, change: int) -> None:
    changed = bytearray(TOKEN_SIGNATURE)
    changed[place] ^= change
    if bytes(changed[:64]) == TOKEN_SIGNATURE[:64] and changed[64] % 27 == TOKEN_SIGNATURE[64] % 27:
        return  # v 0 and v 27 are one.
    with pytest.raises(TokenSignatureError):
        check(parse_api_key(key_of(TOKEN_JSON, bytes(changed))), PROVIDER, NOW)


def test_order_space_case_and_further_members_are_free() -> None:
    """The JSON is hashed as it came, so what is signed opens however it is written."""
    members = {**dict(reversed(json.loads(TOKEN_JSON).items())), "label": {"of": ["mine"]}}
    text = json.dumps(members, indent=1).replace(str(USER.address), str(USER.address).lower()).encode()
    check(parse_api_key(signed_key(text)), PROVIDER, NOW)


@pytest.mark.parametrize("header", [None, "", "Basic app-sk-eA==", "Bearer", "Bearer sk-live-1", "app-sk-eA=="])
def test_a_request_without_a_key_is_told_how_to_send_one(header: str | None) -> None:
    with pytest.raises(MissingTokenError) as refusal:
        parse_authorization(header)
    assert (refusal.value.http_status, refusal.value.code) == (401, "missing_token")


@pytest.mark.parametrize(
    "key",
    [
        "app-sk-" + "!" * 8,
        "app-sk-" + base64.b64encode(TOKEN_JSON).decode(),
        "app-sk-" + base64.b64encode(TOKEN_JSON + b"|0x12").decode(),
        "app-sk-" + base64.b64encode(TOKEN_JSON + b"|" + TOKEN_SIGNATURE.hex().encode()).decode(),
        "app-sk-" + "A" * 10_000,
        signed_key(b"[]"),
        signed_key(b"{}"),
        signed_key(TOKEN_JSON.replace(b'"tokenId":255', b'"tokenId":256')),
        signed_key(TOKEN_JSON.replace(b'"tokenId":255', b'"tokenId":-1')),
        signed_key(TOKEN_JSON.replace(b'"tokenId":255', b'"tokenId":"255"')),
        signed_key(TOKEN_JSON.replace(b'"generation":0', b'"generation":-1')),
        signed_key(TOKEN_JSON.replace(b'"timestamp":17', b'"timestamp":1e9999,"a":17')),
        signed_key(TOKEN_JSON.replace(b"0x3C44", b"0xZC44")),
        signed_key(TOKEN_JSON.replace(b"}", b',"x":' + b"[" * 900 + b"]" * 900 + b"}")),
    ],
)
def test_what_cannot_be_read_is_refused(key: str) -> None:
    with pytest.raises(MalformedTokenError) as refusal:
        parse_api_key(key)
    assert refusal.value.http_status == 401


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: "Bearer app-sk-" + base64.b64encode(data).decode()))
def test_any_header_is_refused_as_one(header: str) -> None:
    with pytest.raises(TokenError) as refusal:
        check(parse_authorization(header), PROVIDER, NOW)
    assert str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"provider": USER.address}, ForeignTokenError),
        ({"expires_at_ms": 0}, ExpiredTokenError),
        ({"expires_at_ms": NOW}, ExpiredTokenError),
        ({"expires_at_ms": NOW + EPHEMERAL_LIFETIME_MS_MAX + 1}, ExpiredTokenError),
        ({"timestamp_ms": NOW + CLOCK_SKEW_MS_MAX + 1, "expires_at_ms": NOW + EPHEMERAL_LIFETIME_MS_MAX}, ExpiredTokenError),
        ({"token_id": 3, "expires_at_ms": NOW - 1}, ExpiredTokenError),
        ({"address": SIGNER.address}, TokenSignatureError),
    ],
)
def test_what_is_signed_may_still_open_nothing(changes: dict[str, object], refusal: type[TokenError]) -> None:
    token = replace(TOKEN, **changes)  # type: ignore[arg-type]
    with pytest.raises(refusal):
        check(parse_api_key(make_api_key(token, USER.private_key)), PROVIDER, NOW)


def test_a_persistent_key_may_live_for_ever() -> None:
    key = make_api_key(replace(TOKEN, token_id=0, expires_at_ms=0), USER.private_key)
    check(parse_api_key(key), PROVIDER, NOW * 2)


@given(st.integers(0, 255), st.integers(0, 2**256 - 1))
def test_a_bit_revokes_its_key_and_no_other(token_id: int, bitmap: int) -> None:
    token = replace(TOKEN, token_id=token_id)
    if token_id < 255 and bitmap >> token_id & 1:
        with pytest.raises(RevokedTokenError):
            check_generation(token, 0, bitmap)
    else:
        check_generation(token, 0, bitmap)


@pytest.mark.parametrize("generation", [1, 3])
def test_only_the_present_generation_opens(generation: int) -> None:
    with pytest.raises(RevokedTokenError):
        check_generation(replace(TOKEN, generation=2), generation, 0)


def test_the_smallest_free_id_is_given() -> None:
    assert free_token_id(0b0111) == 3
    assert free_token_id(0b0101, frozenset({1, 3})) == 4
    assert free_token_id(2**255 - 1) is None
