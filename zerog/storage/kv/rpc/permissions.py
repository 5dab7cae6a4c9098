"""`kv_*` about who may do what. Source: as for values."""

from typing import Final

from zerog.primitives import Address, Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.kv.errors import ParameterRefusedError
from zerog.storage.kv.keeper import Keeper
from zerog.storage.wire.parameters import Number

__all__ = ["kv"]

kv: Final = Namespace("kv")


@kv.method("hasWritePermission")
def has_write_permission(keeper: Keeper, account: Address, stream: Hash32, key: bytes, version: Number | None = None) -> bool:
    """Whether an account may write a key; anybody may where nothing was ever written."""
    _check_key(key)
    return keeper.store.has_write_permission(account, stream, key, version)


@kv.method("isAdmin", aliases=("kv_IsAdmin",))
def is_admin(keeper: Keeper, account: Address, stream: Hash32, version: Number | None = None) -> bool:
    """Official TypeScript and Python clients call it `kv_IsAdmin`."""
    return keeper.store.is_admin(account, stream, version)


@kv.method("isSpecialKey")
def is_special_key(keeper: Keeper, stream: Hash32, key: bytes, version: Number | None = None) -> bool:
    """Whether a key is written by its own writers alone."""
    _check_key(key)
    return keeper.store.is_special_key(stream, key, version)


@kv.method("isWriterOfKey")
def is_writer_of_key(keeper: Keeper, account: Address, stream: Hash32, key: bytes, version: Number | None = None) -> bool:
    """Whether an account is a writer of a special key."""
    _check_key(key)
    return keeper.store.is_key_writer(account, stream, key, version)


@kv.method("isWriterOfStream")
def is_writer_of_stream(keeper: Keeper, account: Address, stream: Hash32, version: Number | None = None) -> bool:
    """Whether an account is a writer of a stream."""
    return keeper.store.is_writer(account, stream, version)


def _check_key(key: bytes) -> None:
    if not key:
        raise ParameterRefusedError("key", "key is empty")
