"""The envelope of an encrypted request or answer: how its JSON is read, which of it is bound, and what is hashed of it.

An envelope is an ordinary JSON object in which some members were taken out and sealed; `_e2ee` tells which, and holds the ciphertext. All
other members stay readable and are authenticated beside it in canonical form (RFC 8785), except those that `_e2ee` declares unbound.

Source: 0gfoundation/0g-pc-e2ee, `protocol/SPEC.md` 3, 5 and 8.1, `protocol/wire`, `protocol/proof`.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec
import rfc8785

from zerog.compute.protocol.errors import EncryptionError
from zerog.primitives import Hash32, is_nested_deeper

__all__ = [
    "MARKER",
    "JsonObject",
    "associated_data",
    "binding_hash",
    "canonical",
    "ciphertext_of",
    "compact",
    "decode_base64url",
    "encode_base64url",
    "envelope_hash",
    "is_sealed",
    "load_object",
    "metadata_of",
    "names_of",
    "unbound_fields_of",
]

JsonObject: TypeAlias = dict[str, object]

MARKER: Final = "_e2ee"
"""The member that makes an envelope."""
NESTING_MAX: Final = 128
"""Deeper than any schema of a tool."""
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_sealed(body: bytes) -> bool:
    """Whether a body is an envelope: a JSON object with the marker at its top. That the word stands in some text makes none."""
    if MARKER.encode() not in body and b"\\u" not in body:  # A name can be written in escapes as well.
        return False
    if is_nested_deeper(body, NESTING_MAX):
        return False
    try:
        return MARKER in _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def load_object(text: bytes, what: str) -> JsonObject:
    """Read a JSON object of which each name stands once. Raises `EncryptionError`, which calls it `what`."""
    if is_nested_deeper(text, NESTING_MAX):
        raise EncryptionError(f"{what} is nested more than {NESTING_MAX} deep")
    try:
        value = json.loads(text.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise EncryptionError(f"{what} is no JSON that can be bound: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise EncryptionError(f"{what} is no JSON object")
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def compact(value: object) -> bytes:
    """JSON without white space. Raises `EncryptionError` for text that is none of Unicode."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise EncryptionError(f"a value cannot be written: {str(error)[:200]}") from None


def canonical(value: object) -> bytes:
    """Canonical JSON. Numbers are doubles, as in JavaScript: larger integers are rounded. Raises `EncryptionError`."""
    try:
        try:
            return rfc8785.dumps(value)  # type: ignore[arg-type]
        except rfc8785.IntegerDomainError:
            return rfc8785.dumps(_with_doubles(value))  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, ValueError, OverflowError) as error:
        raise EncryptionError(f"a value has no canonical form: {str(error)[:200]}") from None


def _with_doubles(value: object) -> object:
    match value:
        case dict():
            return {name: _with_doubles(member) for name, member in value.items()}
        case list():
            return [_with_doubles(item) for item in value]
        case int() if not isinstance(value, bool) and abs(value) > 2**53 - 1:
            return float(value)
        case _:
            return value


def metadata_of(envelope: Mapping[str, object]) -> JsonObject:
    """What `_e2ee` holds. Raises `EncryptionError` when it is missing or no object."""
    metadata = envelope.get(MARKER)
    if not isinstance(metadata, dict):
        raise EncryptionError(f"{MARKER} is missing, or no object")
    return metadata


def names_of(metadata: Mapping[str, object], member: str) -> tuple[str, ...]:
    """A list of names, each once and none of them empty or `_e2ee`. Raises `EncryptionError`."""
    names = metadata.get(member)
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise EncryptionError(f"{member} must be an array of names")
    if len(set(names)) != len(names) or MARKER in names:
        raise EncryptionError(f"{member} names something twice, or {MARKER}")
    return tuple(names)


def unbound_fields_of(metadata: Mapping[str, object], sealed_fields: Sequence[str]) -> tuple[str, ...]:
    """Members that anybody on the way may change; none if the list is missing or null. Raises `EncryptionError`."""
    if metadata.get("unbound_fields") is None:
        return ()
    unbound = names_of(metadata, "unbound_fields")
    both = set(unbound).intersection(sealed_fields)
    if both:
        raise EncryptionError(f"{min(both)} cannot be both sealed and unbound")
    return unbound


def associated_data(envelope: Mapping[str, object]) -> bytes:
    """What is authenticated beside the ciphertext: all of the envelope but that and the unbound members. Raises `EncryptionError`."""
    metadata = metadata_of(envelope)
    unbound = unbound_fields_of(metadata, ())
    bound = {name: value for name, value in envelope.items() if name not in unbound}
    bound[MARKER] = {name: value for name, value in metadata.items() if name != "ciphertext"}
    return canonical(bound)


def binding_hash(beside: bytes, ciphertext: bytes) -> Hash32:
    """What an envelope is signed by: both parts are hashed first, so that nothing can move from one to the other."""
    return Hash32(sha256(sha256(beside).digest() + sha256(ciphertext).digest()).digest())


def envelope_hash(envelope: Mapping[str, object]) -> Hash32:
    """The binding hash of a whole envelope. Raises `EncryptionError`."""
    return binding_hash(associated_data(envelope), ciphertext_of(envelope))


def ciphertext_of(envelope: Mapping[str, object]) -> bytes:
    """Raises `EncryptionError`."""
    return decode_base64url(metadata_of(envelope).get("ciphertext"), "ciphertext")


def encode_base64url(data: bytes) -> str:
    """Base64url without padding, as all bytes in an envelope are written."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(value: object, what: str, size_bytes: int | None = None) -> bytes:
    """Raises `EncryptionError` for other text, and for another size than `size_bytes`."""
    if not isinstance(value, str) or any(character in value for character in "+/="):
        raise EncryptionError(f"{what} is not base64url without padding")
    try:
        data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise EncryptionError(f"{what} is not base64url without padding") from None
    if size_bytes is not None and len(data) != size_bytes:
        raise EncryptionError(f"{what} has {len(data)} bytes, not {size_bytes}")
    return data
