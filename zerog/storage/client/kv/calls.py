"""The JSON-RPC of a key-value node without I/O: what is sent, and the type of each answer.

Source: 0gfoundation/0g-storage-kv, `node/rpc/src/api.rs`; `kv_listStreams`, `kv_listKeys`, `kv_getItems` and `kv_getProof` are ours.
"""

from base64 import b64encode
from typing import Any, Final

import msgspec

from zerog.primitives import Address, Data, Hash32, decode_hook
from zerog.storage.client.calls import Call
from zerog.storage.wire.kv import ItemPage, KeyPage, KeyValue, ReplayProgress, StreamPage, Value, ValueProof

__all__: list[str] = []


def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


_FLAG: Final = _decoder(bool)
_ITEMS: Final = _decoder(ItemPage)
_KEY_VALUE: Final = _decoder(KeyValue | None)
_KEYS: Final = _decoder(KeyPage)
_PROGRESS: Final = _decoder(ReplayProgress)
_PROOF: Final = _decoder(ValueProof | None)
_RESULT: Final = _decoder(str | None)
_STREAM_IDS: Final = _decoder(list[Hash32])
_STREAMS: Final = _decoder(StreamPage)
_VALUE: Final = _decoder(Value | None)

Version = int | None


def _call(decoder: "msgspec.json.Decoder[Any]", method: str, *params: object, version: Version = None) -> Call[Any]:
    """The version is the last parameter, and is left out if there is none: not every node takes null."""
    encoded = [b64encode(value).decode() if type(value) is bytes else value for value in params]
    return Call(method, tuple(encoded) if version is None else (*encoded, version), decoder)


def status() -> Call[bool]:
    return _call(_FLAG, "kv_getStatus")


def progress() -> Call[ReplayProgress]:
    return _call(_PROGRESS, "kv_getReplayProgress")


def result(tx_seq: int) -> Call[str | None]:
    return _call(_RESULT, "kv_getTransactionResult", tx_seq)


def holding_streams() -> Call[list[Hash32]]:
    return _call(_STREAM_IDS, "kv_getHoldingStreamIds")


def follow(stream: Hash32, wallet: Address, signature: Data) -> Call[bool]:
    return _call(_FLAG, "admin_addStream", stream, wallet, signature)


def items(first_seq: int, count: int) -> Call[ItemPage]:
    return _call(_ITEMS, "kv_getItems", first_seq, count)


def list_streams(cursor: str | None, count: int) -> Call[StreamPage]:
    return _call(_STREAMS, "kv_listStreams", cursor, count)


def list_keys(stream: Hash32, cursor: str | None, count: int) -> Call[KeyPage]:
    return _call(_KEYS, "kv_listKeys", stream, cursor, count)


def value(stream: Hash32, key: bytes, start: int, length: int, version: Version) -> Call[Value | None]:
    return _call(_VALUE, "kv_getValue", stream, key, start, length, version=version)


def first(stream: Hash32, length: int, version: Version) -> Call[KeyValue | None]:
    return _call(_KEY_VALUE, "kv_getFirst", stream, 0, length, version=version)


def last(stream: Hash32, length: int, version: Version) -> Call[KeyValue | None]:
    return _call(_KEY_VALUE, "kv_getLast", stream, 0, length, version=version)


def next_(stream: Hash32, key: bytes, length: int, version: Version, *, inclusive: bool) -> Call[KeyValue | None]:
    return _call(_KEY_VALUE, "kv_getNext", stream, key, 0, length, inclusive, version=version)


def previous(stream: Hash32, key: bytes, length: int, version: Version, *, inclusive: bool) -> Call[KeyValue | None]:
    return _call(_KEY_VALUE, "kv_getPrev", stream, key, 0, length, inclusive, version=version)


def proof(stream: Hash32, key: bytes, version: Version) -> Call[ValueProof | None]:
    return _call(_PROOF, "kv_getProof", stream, key, version=version)


def has_write_permission(account: Address, stream: Hash32, key: bytes, version: Version) -> Call[bool]:
    return _call(_FLAG, "kv_hasWritePermission", account, stream, key, version=version)


def is_admin(account: Address, stream: Hash32, version: Version) -> Call[bool]:
    return _call(_FLAG, "kv_isAdmin", account, stream, version=version)


def is_writer_of_stream(account: Address, stream: Hash32, version: Version) -> Call[bool]:
    return _call(_FLAG, "kv_isWriterOfStream", account, stream, version=version)


def is_special_key(stream: Hash32, key: bytes, version: Version) -> Call[bool]:
    return _call(_FLAG, "kv_isSpecialKey", stream, key, version=version)


def is_writer_of_key(account: Address, stream: Hash32, key: bytes, version: Version) -> Call[bool]:
    return _call(_FLAG, "kv_isWriterOfKey", account, stream, key, version=version)
