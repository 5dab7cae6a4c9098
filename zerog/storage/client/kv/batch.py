"""What is written at once: values, deletions, conditions and rights, in one item that takes effect as a whole or not at all."""

import secrets
from dataclasses import dataclass
from typing import Final, Self

from zerog.primitives import ZERO_ADDRESS, Address, Hash32
from zerog.storage.client.encrypting import Encryption
from zerog.storage.client.kv.errors import BatchInvalidError
from zerog.storage.client.kv.names import StreamName, stream_id
from zerog.storage.protocol.streams import (
    ENTRIES_MAX,
    KEY_BYTES_MAX,
    VERSION_ANY,
    Control,
    Operation,
    StreamItem,
    StreamWrite,
    encode_item,
    tags_of_streams,
)

__all__ = ["Batch", "SealedBatch"]

TRAILER_BYTES: Final = 16
"""Random bytes behind an item, which every reader ignores: two batches with the same content are two files with two roots."""
ITEM_BYTES_MAX: Final = 4 << 30
"""Of one submission, as the official clients cut files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """A batch as it is stored. It is one and the same however often it is given to `KvClient.write`: so a write that was broken off can be
    tried again, and is not done twice."""

    data: bytes
    tags: bytes
    streams: tuple[Hash32, ...]


class Batch:
    """Collects what is to be written; its methods can be chained. Of several writes to one key, and of several changes of one right, the
    last counts.

    Every method raises `BatchInvalidError` for a key that is empty or too long, for too many entries, and for a stream whose name cannot be
    one.
    """

    def __init__(self, *, version: int | None = None) -> None:
        """With a `version` the batch has an effect only if no key that it writes or watches was written after that submission."""
        if version is not None and not 0 <= version <= VERSION_ANY:
            raise BatchInvalidError(f"a version is the number of a submission, not {version}")
        self._version: Final = VERSION_ANY if version is None else version
        self._reads: Final[dict[tuple[Hash32, bytes], None]] = {}
        self._writes: Final[dict[tuple[Hash32, bytes], bytes]] = {}
        self._controls: Final[list[Control]] = []

    # ---- values --------------------------------------------------------------------------------------------------

    def set(self, stream: StreamName, key: bytes, value: bytes) -> Self:
        """Write a value. An empty one deletes the key."""
        where = (_stream(stream), _key(key))
        self._writes.pop(where, None)
        self._writes[where] = bytes(value)
        return self._within(len(self._writes))

    def delete(self, stream: StreamName, key: bytes) -> Self:
        """Delete a key."""
        return self.set(stream, key, b"")

    def watch(self, stream: StreamName, key: bytes) -> Self:
        """Let the batch have an effect only if this key, too, was not written after the batch's version."""
        if self._version == VERSION_ANY:
            raise BatchInvalidError("a key is watched from a version on: make the batch with `Batch(version=…)`")
        self._reads[_stream(stream), _key(key)] = None
        return self._within(len(self._reads))

    # ---- rights --------------------------------------------------------------------------------------------------

    def grant_admin(self, stream: StreamName, account: Address) -> Self:
        """Let an account write everything and change all rights. Nobody can take that from it but itself."""
        return self._control(Operation.GRANT_ADMIN, stream, account=account)

    def renounce_admin(self, stream: StreamName) -> Self:
        """No longer administer the stream. Without another administrator nobody ever will."""
        return self._control(Operation.RENOUNCE_ADMIN, stream)

    def grant_writer(self, stream: StreamName, account: Address) -> Self:
        """Let an account write all keys that are not special, and let others do so."""
        return self._control(Operation.GRANT_WRITER, stream, account=account)

    def revoke_writer(self, stream: StreamName, account: Address) -> Self:
        """Take that from an account."""
        return self._control(Operation.REVOKE_WRITER, stream, account=account)

    def renounce_writer(self, stream: StreamName) -> Self:
        """No longer be a writer."""
        return self._control(Operation.RENOUNCE_WRITER, stream)

    def set_special(self, stream: StreamName, key: bytes) -> Self:
        """Make a key one that only administrators and its own writers write."""
        return self._control(Operation.SET_KEY_TO_SPECIAL, stream, key=key)

    def set_normal(self, stream: StreamName, key: bytes) -> Self:
        """Make it one that all writers of the stream write."""
        return self._control(Operation.SET_KEY_TO_NORMAL, stream, key=key)

    def grant_writer_of_key(self, stream: StreamName, key: bytes, account: Address) -> Self:
        """Let an account write a special key, and let others do so."""
        return self._control(Operation.GRANT_SPECIAL_WRITER, stream, key=key, account=account)

    def revoke_writer_of_key(self, stream: StreamName, key: bytes, account: Address) -> Self:
        """Take that from an account."""
        return self._control(Operation.REVOKE_SPECIAL_WRITER, stream, key=key, account=account)

    def renounce_writer_of_key(self, stream: StreamName, key: bytes) -> Self:
        """No longer be a writer of a special key."""
        return self._control(Operation.RENOUNCE_SPECIAL_WRITER, stream, key=key)

    def _control(self, operation: Operation, stream: StreamName, *, key: bytes = b"", account: Address = ZERO_ADDRESS) -> Self:
        named = _key(key) if operation.has_key else b""
        self._controls.append(Control(operation=operation, stream=_stream(stream), key=named, account=account))
        return self._within(len(self._controls))

    def _within(self, entries: int) -> Self:
        if entries > ENTRIES_MAX:
            raise BatchInvalidError(f"a batch has at most {ENTRIES_MAX} entries of a kind: make another one")
        return self

    # ---- the item ------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> tuple[Hash32, ...]:
        """All streams that the batch writes to or changes the rights of, ascending: what its submission is tagged with."""
        return self._item().streams

    def encode(self, trailer: bytes = b"") -> bytes:
        """The item, and `trailer` behind it, which readers ignore. Raises `BatchInvalidError` if the batch is empty or too large."""
        item = self._item()
        if not item.writes and not item.controls:
            raise BatchInvalidError("the batch writes nothing and changes no right")
        size_bytes = sum(len(write.value) + len(write.key) for write in item.writes)
        if size_bytes > ITEM_BYTES_MAX:
            raise BatchInvalidError(f"the batch has {size_bytes} bytes, and an item at most {ITEM_BYTES_MAX}: make several")
        return encode_item(item) + trailer

    def seal(self, encrypt: Encryption | None = None) -> SealedBatch:
        """The batch as it is stored, unlike every other: random bytes follow the item. Raises `BatchInvalidError`, `EncryptionKeyError`."""
        data = self.encode(secrets.token_bytes(TRAILER_BYTES))
        if encrypt is not None:
            data = encrypt.cipher().encrypt(data)
        return SealedBatch(data=data, tags=tags_of_streams(self.streams), streams=self.streams)

    def _item(self) -> StreamItem:
        writes = [StreamWrite(stream=stream, key=key, value=value) for (stream, key), value in self._writes.items()]
        return StreamItem(version=self._version, reads=tuple(self._reads), writes=writes, controls=self._controls)


def _stream(name: StreamName) -> Hash32:
    try:
        return stream_id(name)
    except ValueError as error:
        raise BatchInvalidError(str(error)) from None


def _key(key: bytes) -> bytes:
    if not 0 < len(key) <= KEY_BYTES_MAX:
        raise BatchInvalidError(f"a key has 1 to {KEY_BYTES_MAX} bytes, not {len(key)}")
    return bytes(key)
