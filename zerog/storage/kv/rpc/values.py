"""`kv_*` that read values. Source: 0gfoundation/0g-storage-kv, `node/rpc/src/kv_rpc_server/impl.rs`."""

from base64 import b64encode
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final, TypeAlias

from anyio import to_thread

from zerog.primitives import Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.kv.errors import ParameterRefusedError, ValueMissingError
from zerog.storage.kv.keeper import Keeper
from zerog.storage.kv.records import Found
from zerog.storage.wire.kv import KeyFacts, KeyPage, KeyValue, Value, ValueProof
from zerog.storage.wire.parameters import Number

__all__ = ["kv"]

QUERY_BYTES_MAX: Final = 262_144
"""Of a value in one answer. Source: as above, `MAX_QUERY_LENGTH`."""
WHOLE_VALUE_BYTES_MAX: Final = 4 << 20
"""Of a value that is given whole to who asks for its beginning: as much as a proof has, and as an answer may take of the memory."""
QUICK_BYTES_MAX: Final = 64 * 1024
"""A longer part of a value is read in a thread."""
PAGE_DEFAULT: Final = Number(100)
PAGE_MAX: Final = 1_000

MaybeLater: TypeAlias = Value | Coroutine[object, object, Value]

kv: Final = Namespace("kv")


@kv.method("getValue")
def get_value(keeper: Keeper, stream: Hash32, key: bytes, start: Number, length: Number, version: Number | None = None) -> MaybeLater:
    """Part of a key's value, as of the newest item or of one that `version` names; version 0 where nobody wrote it."""
    _check(key, length)
    found = keeper.store.value(stream, key, version)
    if found is None:
        return Value(version=0, data=b"", size=0)
    length = Number(_length(keeper, found, start, length))
    if length > QUICK_BYTES_MAX:
        return _value_later(keeper, found, start, length)
    return Value(version=found.version, data=_read(keeper, found, start, length), size=found.size)


async def _value_later(keeper: Keeper, found: Found, start: int, length: int) -> Value:
    data = await to_thread.run_sync(_read, keeper, found, start, length, limiter=keeper.slow_reads)
    return Value(version=found.version, data=data, size=found.size)


@kv.method("getNext")
async def get_next(
    keeper: Keeper, stream: Hash32, key: bytes, start: Number, length: Number, inclusive: bool, version: Number | None = None
) -> KeyValue | None:
    """The first key after `key`, or that key itself if `inclusive`, and part of its value; deleted keys are passed over."""
    _check(key, length)
    return await _pair(keeper, partial(keeper.store.next, stream, key, inclusive=inclusive, version=version), start, length)


@kv.method("getPrev")
async def get_prev(
    keeper: Keeper, stream: Hash32, key: bytes, start: Number, length: Number, inclusive: bool, version: Number | None = None
) -> KeyValue | None:
    """The last key before `key`, or that key itself if `inclusive`, and part of its value; deleted keys are passed over."""
    _check(key, length)
    return await _pair(keeper, partial(keeper.store.prev, stream, key, inclusive=inclusive, version=version), start, length)


@kv.method("getFirst")
async def get_first(keeper: Keeper, stream: Hash32, start: Number, length: Number, version: Number | None = None) -> KeyValue | None:
    """The first key of a stream and part of its value."""
    _check_length(length)
    return await _pair(keeper, partial(keeper.store.first, stream, version), start, length)


@kv.method("getLast")
async def get_last(keeper: Keeper, stream: Hash32, start: Number, length: Number, version: Number | None = None) -> KeyValue | None:
    """The last key of a stream and part of its value."""
    _check_length(length)
    return await _pair(keeper, partial(keeper.store.last, stream, version), start, length)


async def _pair(keeper: Keeper, find: Callable[[], Found | None], start: int, length: int) -> KeyValue | None:
    """In a thread: there may be many deleted keys to pass over."""

    def read() -> KeyValue | None:
        found = find()
        if found is None:
            return None
        data = _read(keeper, found, start, _length(keeper, found, start, length))
        return KeyValue(version=found.version, key=bytes(found.key), data=data, size=found.size)

    return await to_thread.run_sync(read, limiter=keeper.slow_reads)


@kv.method("listKeys")
async def list_keys(keeper: Keeper, stream: Hash32, cursor: bytes | None = None, limit: Number = PAGE_DEFAULT) -> KeyPage:
    """A page of a stream's keys that have a value, in their order; the cursor is the last key of the page before. Ours."""
    rows, last = await to_thread.run_sync(keeper.store.list_keys, stream, cursor, _page(limit), limiter=keeper.slow_reads)
    following = None if last is None else b64encode(last).decode()
    return KeyPage(keys=[KeyFacts(key=bytes(row.key), version=row.version, size=row.size) for row in rows], next=following)


@kv.method("getProof")
async def get_proof(keeper: Keeper, stream: Hash32, key: bytes, version: Number | None = None) -> ValueProof | None:
    """The proof that a submission wrote a key's value; null where nobody wrote it. Ours."""
    _check_key(key)
    return await keeper.proofs.prove(stream, key, version)


def _read(keeper: Keeper, found: Found, start: int, length: int) -> bytes:
    """Raises `ValueMissingError`."""
    if not length:
        return b""
    data = keeper.store.read(found, start, length)
    if data is None:
        raise ValueMissingError
    return bytes(data)


def _length(keeper: Keeper, found: Found, start: int, length: int) -> int:
    """How many bytes are given of a value. Raises `ParameterRefusedError`."""
    if start > found.size:
        raise ParameterRefusedError("start_index", "start index is greater than value length")
    if keeper.settings.whole_values and not start and length == QUERY_BYTES_MAX and found.size <= WHOLE_VALUE_BYTES_MAX:
        return found.size
    return min(length, found.size - start)


def _check(key: bytes, length: int) -> None:
    _check_key(key)
    _check_length(length)


def _check_key(key: bytes) -> None:
    if not key:
        raise ParameterRefusedError("key", "key is empty")


def _check_length(length: int) -> None:
    if length > QUERY_BYTES_MAX:
        raise ParameterRefusedError("len", "query length too large")


def _page(limit: int) -> int:
    return max(1, min(limit, PAGE_MAX))
