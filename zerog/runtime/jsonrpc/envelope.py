"""The JSON-RPC 2.0 envelope: what a body says, exactly, and how an answer is put together.

Nothing here knows a method. An id is kept as the bytes that the caller sent, so that it is echoed exactly whatever its size or form.
Source: JSON-RPC 2.0 specification; where it leaves a choice, ethereum/go-ethereum v1.17.5, rpc/json.go and rpc/handler.go.
"""

import re
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec

from zerog.primitives.errors import ZerogError
from zerog.runtime.jsonrpc.errors import BatchTooLargeError, InvalidRequestError, JsonRpcError, ParseError

__all__ = ["ABSENT", "BrokenEntry", "Entry", "Request", "encode_error", "encode_result", "encode_value", "join_batch", "parse_body"]

DEPTH_MAX: Final = 64
"""Levels of arrays and objects in one request, itself counted. Beyond it lies only mischief, and recursion has an end."""

SERVER_ERROR: Final = -32000
"""The code of an error that has none of its own, as in geth."""


SHORT_BYTES: Final = 4_096
"""A body, or its parameters, about which it is not worth thinking."""

ABSENT: Final = msgspec.Raw()
"""In place of a member that a request does not have; compare by identity."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request that is well formed. With `ABSENT` for an id it is a notification and gets no answer."""

    method: str
    jsonrpc: Literal["2.0"]
    id: msgspec.Raw = ABSENT
    params: msgspec.Raw = ABSENT

    def without_parameters(self) -> "Request":
        """The same for its answer. What was decoded from a body holds on to all of it; so this lets go of a large one."""
        if len(memoryview(self.params)) <= SHORT_BYTES:
            return self
        identifier = self.id if self.id is ABSENT else self.id.copy()
        return Request(method=self.method, jsonrpc=self.jsonrpc, id=identifier)


class BrokenEntry(msgspec.Struct, frozen=True, gc=False):
    """Something in the place of a request, with the error that answers it."""

    id: bytes
    error: JsonRpcError


Entry: TypeAlias = Request | BrokenEntry

_decode_request: Final = msgspec.json.Decoder(Request).decode
_decode_requests: Final = msgspec.json.Decoder(list[Request]).decode
_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode

_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
_ID_STARTS: Final = frozenset(b'"-0123456789n')
_NULL: Final = b"null"


def parse_body(body: bytes, *, calls_max: int) -> Entry | list[Entry]:
    """One request, or a batch of them, each well formed or with the error that answers it.

    A batch of more than `calls_max` comes back as one broken entry in a list, which is how geth answers it.
    Raises `ParseError` (no JSON) and `InvalidRequestError` (an empty batch, or nesting that cannot even be read).
    """
    try:
        if not body.isascii():
            body.decode()
        is_flat = _has_few(body, b"[") and _has_few(body, b"{")
        if body[:1] != b"{" and body.lstrip(b" \t\r\n")[:1] == b"[":
            return _parse_batch(body, calls_max, is_flat=is_flat)
        return _parse_entry(body, is_flat=is_flat)
    except UnicodeDecodeError as error:
        raise ParseError(f"invalid UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise ParseError(str(error)) from None
    except RecursionError:
        raise _too_deep() from None


def encode_result(identifier: bytes | msgspec.Raw, result: bytes | msgspec.Raw) -> bytes:
    """The answer that carries `result`, which is JSON already."""
    return b"".join((b'{"jsonrpc":"2.0","id":', identifier, b',"result":', result, b"}"))


def encode_error(identifier: bytes | msgspec.Raw, error: ZerogError) -> bytes:
    """The answer that carries an expected failure, with the code and data that stand on its type."""
    body: dict[str, object] = {"code": getattr(error, "rpc_code", SERVER_ERROR), "message": str(error)}
    data = getattr(error, "rpc_data", None)
    if data is not None:
        body["data"] = data
    return b"".join((b'{"jsonrpc":"2.0","id":', identifier, b',"error":', encode_value(body), b"}"))


def join_batch(answers: list[bytes]) -> bytes:
    """The answer to a batch; nothing at all if it held only notifications."""
    return b"".join((b"[", b",".join(answers), b"]")) if answers else b""


def _encode_hook(value: object) -> object:
    """Our own kinds of bytes and numbers (`Data`, `Address`, `Quantity`) as the Ethereum JSON-RPC writes them."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int):
        return f"{value:#x}"
    raise NotImplementedError(f"{type(value).__qualname__} has no form in JSON")


encode_value: Final = msgspec.json.Encoder(enc_hook=_encode_hook).encode
"""JSON of whatever a method returns. Plain `bytes` would become base64: return `Data`, or a `Raw` that is JSON already."""


def _parse_batch(body: bytes, calls_max: int, *, is_flat: bool) -> list[Entry]:
    if body.count(b",") >= calls_max and _has_more_items(body, calls_max):
        return [BrokenEntry(_first_id(body), BatchTooLargeError(calls_max))]
    try:
        requests = _decode_requests(body)
    except msgspec.ValidationError:
        return [_parse_entry(item, is_flat=is_flat) for item in _decode_items(body)]
    if not requests:
        raise InvalidRequestError("empty batch")
    return [_check(request, is_flat=is_flat) for request in requests]


def _parse_entry(text: bytes | msgspec.Raw, *, is_flat: bool) -> Entry:
    try:
        return _check(_decode_request(text), is_flat=is_flat)
    except msgspec.ValidationError as error:
        return _explain(text, str(error))


def _check(request: Request, *, is_flat: bool) -> Entry:
    """What the types cannot say: the kind of an id, and how deep the parameters go (unless the whole body has too few brackets)."""
    identifier = _NULL if request.id is ABSENT else bytes(request.id)
    if identifier[0] not in _ID_STARTS:
        return BrokenEntry(_NULL, InvalidRequestError("an id is a number, a string or null"))
    if not is_flat:
        params = bytes(request.params)
        if params.count(b"[") + params.count(b"{") >= DEPTH_MAX and _is_too_deep(params):
            return BrokenEntry(identifier, _too_deep())
    return request


def _explain(text: bytes | msgspec.Raw, detail: str) -> BrokenEntry:
    """Why an entry is no request, under its id if it has a usable one. Raises `msgspec.DecodeError` if it is not even JSON."""
    try:
        members = _decode_members(text)
    except msgspec.ValidationError:
        _decode_raw(text)
        return BrokenEntry(_NULL, InvalidRequestError("not an object"))
    identifier = bytes(members.get("id", ABSENT))
    if not identifier or identifier[0] not in _ID_STARTS:
        identifier = _NULL
    return BrokenEntry(identifier, InvalidRequestError(detail))


def _has_few(body: bytes, bracket: bytes) -> bool:
    """Whether there are at most half of `DEPTH_MAX` brackets of one kind. To search a long body is quicker than to count in it."""
    if len(body) <= SHORT_BYTES:
        return body.count(bracket) <= DEPTH_MAX // 2
    position = -1
    for _ in range(DEPTH_MAX // 2 + 1):
        position = body.find(bracket, position + 1)
        if position < 0:
            return True
    return False


def _is_too_deep(params: bytes) -> bool:
    """Whether arrays and objects lie more than `DEPTH_MAX` deep, by taking away the innermost ones level by level."""
    brackets = _STRING.sub(b"", params).translate(_SQUARE, _NO_BRACKET)
    for _ in range(1, DEPTH_MAX):  # The request itself is the first level.
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _too_deep() -> InvalidRequestError:
    return InvalidRequestError(f"nested deeper than {DEPTH_MAX} levels")


@lru_cache(maxsize=4)
def _head_decoder(count: int) -> msgspec.json.Decoder[Any]:
    """Reads the first `count` items of an array and skips over the rest, however many they are."""
    fields = [(f"item{index}", msgspec.Raw, msgspec.Raw()) for index in range(count)]
    return msgspec.json.Decoder(msgspec.defstruct("Head", fields, array_like=True))


def _has_more_items(body: bytes, count: int) -> bool:
    head = _head_decoder(count + 1).decode(body)
    return bool(bytes(getattr(head, f"item{count}")))


def _first_id(body: bytes) -> bytes:
    """The id of the first call in a batch, which is the best that one error for all of them can name (as in geth)."""
    first: msgspec.Raw = _head_decoder(1).decode(body).item0
    return _explain(first, "").id if bytes(first)[:1] == b"{" else _NULL
