"""Session tokens and API keys: what a user signs so that a provider knows whom to charge.

A key is `app-sk-` and base64 of the token's JSON, a bar, and the signature in hex. What is signed is the Keccak hash of the JSON, as it was
sent: order of members and white space are the maker's.

Sources: 0gfoundation/0g-serving-broker, `doc/api-token.md` and `api/inference/internal/ctrl/request.go`; npm
`@0gfoundation/0g-compute-ts-sdk` 0.9.0.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final

import msgspec

from zerog._kernel import keccak256
from zerog.compute.protocol.constants import (
    API_KEY_PREFIX,
    EPHEMERAL_LIFETIME_MS_MAX,
    EPHEMERAL_TOKEN_ID,
    PERSISTENT_TOKEN_ID_MAX,
)
from zerog.compute.protocol.errors import (
    ExpiredTokenError,
    ForeignTokenError,
    MalformedTokenError,
    MissingTokenError,
    RevokedTokenError,
    SignedTextError,
    TokenSignatureError,
)
from zerog.compute.protocol.signing import decode_signature, recover_personal_signer, sign_personal
from zerog.primitives import Address, Hash32, is_nested_deeper

__all__ = [
    "CLOCK_SKEW_MS_MAX",
    "SessionToken",
    "SignedToken",
    "check",
    "check_generation",
    "free_token_id",
    "make_api_key",
    "parse_api_key",
    "parse_authorization",
]

HEADER_CHARACTERS_MAX: Final = 8192
"""No honest header is a tenth as long."""
CLOCK_SKEW_MS_MAX: Final = 5 * 60 * 1000
"""How far an ephemeral token may lie in the future: otherwise one made today could live next year. Ours, not the official one's."""
TIMESTAMP_MS_MAX: Final = 2**53 - 1
"""Largest integer that a JavaScript client can write exactly."""
NESTING_MAX: Final = 4
_BEARER: Final = re.compile(r"bearer +", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionToken:
    """A user's word that a provider may charge it. Times are milliseconds since 1970; `expires_at_ms` 0 means never."""

    address: Address
    provider: Address
    timestamp_ms: int
    expires_at_ms: int
    nonce: str
    generation: int
    token_id: int
    """255 for a token that ends by itself within a day, 0 to 254 for a key that can be revoked."""

    @property
    def is_ephemeral(self) -> bool:
        return self.token_id == EPHEMERAL_TOKEN_ID

    def json_bytes(self) -> bytes:
        """The token as the official client writes it: this order, no white space, addresses with their checksums."""
        members = {
            "address": str(self.address),
            "provider": str(self.provider),
            "timestamp": self.timestamp_ms,
            "expiresAt": self.expires_at_ms,
            "nonce": self.nonce,
            "generation": self.generation,
            "tokenId": self.token_id,
        }
        return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token, the JSON that it came in, and the signature (65 bytes) of somebody."""

    token: SessionToken
    json_bytes: bytes
    signature: bytes

    @property
    def digest(self) -> Hash32:
        """What was signed, and what names this token in caches: the Keccak hash of its JSON as received."""
        return Hash32(keccak256(self.json_bytes))

    def signer(self) -> Address:
        """Who signed. Raises `SignedTextError` when it is nobody."""
        return recover_personal_signer(self.digest, self.signature)


class _TokenMembers(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The JSON of a token; members that we do not know are left alone."""

    address: str
    provider: str
    timestamp: int
    expires_at: int
    nonce: str
    generation: int
    token_id: int


_DECODER: Final = msgspec.json.Decoder(_TokenMembers)


def make_api_key(token: SessionToken, private_key: bytes) -> str:
    """Sign a token: the key that goes where OpenAI clients take theirs. Raises `SignatureError` for bytes that are no key."""
    text = token.json_bytes()
    signature = sign_personal(keccak256(text), private_key)
    return API_KEY_PREFIX + base64.b64encode(text + b"|0x" + signature.hex().encode()).decode()


def parse_authorization(header: str | None) -> SignedToken:
    """The token in a header `Authorization: Bearer app-sk-…`, unchecked. Raises `MissingTokenError`, `MalformedTokenError`."""
    bearer = _BEARER.match(header or "")
    if header is None or bearer is None:
        raise MissingTokenError
    return parse_api_key(header[bearer.end() :].strip())


def parse_api_key(key: str) -> SignedToken:
    """The token in an API key, unchecked. Raises `MissingTokenError`, `MalformedTokenError`."""
    if not key.startswith(API_KEY_PREFIX):
        raise MissingTokenError
    if len(key) > HEADER_CHARACTERS_MAX:
        raise MalformedTokenError(f"it has {len(key)} characters, more than {HEADER_CHARACTERS_MAX}")
    try:
        content = base64.b64decode(key[len(API_KEY_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise MalformedTokenError("what follows app-sk- is not base64") from None
    text, bar, signature = content.partition(b"|")
    if not bar:
        raise MalformedTokenError("no bar stands between token and signature")
    try:
        decoded = decode_signature(signature.decode("ascii", "replace"))
    except SignedTextError as error:
        raise MalformedTokenError(str(error)) from None
    return SignedToken(_token(text), text, decoded)


def _token(text: bytes) -> SessionToken:
    if is_nested_deeper(text, NESTING_MAX):
        raise MalformedTokenError("its JSON is nested")
    try:
        members = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedTokenError(f"its JSON: {error}") from None
    token = SessionToken(
        address=_address(members.address, "address"),
        provider=_address(members.provider, "provider"),
        timestamp_ms=members.timestamp,
        expires_at_ms=members.expires_at,
        nonce=members.nonce,
        generation=members.generation,
        token_id=members.token_id,
    )
    _check_ranges(token)
    return token


def _address(text: str, member: str) -> Address:
    """Compared by value: the official client leaves the case of the letters as it was given."""
    if not _ADDRESS.fullmatch(text):
        raise MalformedTokenError(f"{member} is no address")
    return Address(bytes.fromhex(text[2:]))


def _check_ranges(token: SessionToken) -> None:
    if not 0 <= token.token_id <= EPHEMERAL_TOKEN_ID:
        raise MalformedTokenError(f"tokenId {token.token_id} is not 0 to {EPHEMERAL_TOKEN_ID}")
    if not (0 <= token.timestamp_ms <= TIMESTAMP_MS_MAX and 0 <= token.expires_at_ms <= TIMESTAMP_MS_MAX):
        raise MalformedTokenError("a time is not milliseconds since 1970")
    if not 0 <= token.generation < 2**256:
        raise MalformedTokenError("generation is no number of the contract")


def check(signed: SignedToken, provider: Address, now_ms: int) -> None:
    """All that can be checked without the chain; `check_generation` is the rest.

    Raises `ForeignTokenError`, `ExpiredTokenError`, `TokenSignatureError`.
    """
    token = signed.token
    if token.provider != provider:
        raise ForeignTokenError(token.provider)
    _check_times(token, now_ms)
    try:
        signer = signed.signer()
    except SignedTextError:
        raise TokenSignatureError(token.address) from None
    if signer != token.address:
        raise TokenSignatureError(token.address)


def _check_times(token: SessionToken, now_ms: int) -> None:
    if token.is_ephemeral:
        if token.expires_at_ms == 0:
            raise ExpiredTokenError("an ephemeral token must have an expiration time")
        if token.expires_at_ms - token.timestamp_ms > EPHEMERAL_LIFETIME_MS_MAX:
            raise ExpiredTokenError("an ephemeral token cannot live for more than 24 hours")
        if token.timestamp_ms > now_ms + CLOCK_SKEW_MS_MAX:
            raise ExpiredTokenError("its time has not come; is the clock of its maker right?")
    if token.expires_at_ms and token.expires_at_ms <= now_ms:
        raise ExpiredTokenError(f"it ended {(now_ms - token.expires_at_ms) // 1000} s ago")


def check_generation(token: SessionToken, generation: int, revoked_bitmap: int) -> None:
    """Compare with the user's account on chain. Raises `RevokedTokenError`."""
    if token.generation < generation:
        raise RevokedTokenError(f"all tokens of generation {token.generation} were revoked")
    if token.generation > generation:
        raise RevokedTokenError(f"generation {token.generation} has not begun; the account is at {generation}")
    if not token.is_ephemeral and revoked_bitmap >> token.token_id & 1:
        raise RevokedTokenError(f"key {token.token_id} was revoked")


def free_token_id(revoked_bitmap: int, taken: frozenset[int] = frozenset()) -> int | None:
    """The smallest id that is neither revoked nor `taken`; `None` when there is none left in this generation."""
    free = (index for index in range(PERSISTENT_TOKEN_ID_MAX + 1) if not revoked_bitmap >> index & 1 and index not in taken)
    return next(free, None)
