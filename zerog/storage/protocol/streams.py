"""Key-value streams: the tags that announce an item, and how an item's reads, writes and controls are written into a file.

An item is one file on the flow. Its encoding, big-endian:

    u64 version
    u32 count, then per read     stream[32] u24 key length, key
    u32 count, then per write    stream[32] u24 key length, key, u64 value length; behind the last one all values in the same order
    u32 count, then per control  u8 operation, stream[32], u24 key length and key where it has one, account[20] where it has one

What follows is ignored. Source: 0gfoundation/0g-storage-client `kv/`, npm `@0gfoundation/0g-ts-sdk` 1.2.8, 0gfoundation/0g-storage-kv
`node/stream/src/stream_manager/stream_replayer.rs`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from zerog.primitives import ZERO_ADDRESS, Address, Hash32
from zerog.storage.protocol.errors import StreamDataError

__all__ = [
    "ENTRIES_MAX",
    "KEY_BYTES_MAX",
    "STREAM_DOMAIN",
    "VERSION_ANY",
    "Control",
    "Key",
    "KeyOfStream",
    "Operation",
    "StreamItem",
    "StreamReader",
    "StreamWrite",
    "ValueSpan",
    "encode_item",
    "head_size",
    "stream_ids_of_tags",
    "tags_of_streams",
]

STREAM_DOMAIN: Final = Hash32(bytes.fromhex("df2ff3bb0af36c6384e6206552a4ed807f6f6a26e7d0aa6bff772ddc9d4307aa"))
"""SHA-256 of «STREAM»: the first tag of a stream item."""
ENTRIES_MAX: Final = 65_536
"""Of each list of an item."""
KEY_BYTES_MAX: Final = (1 << 24) - 1
"""The length has three bytes."""
VERSION_ANY: Final = (1 << 64) - 1
"""An item of this version conflicts with nothing."""
COPIED_KEY_BYTES_MAX: Final = 1024
"""A longer key stays a view of the item: 65,536 of the longest would be a tebibyte."""

ID_BYTES: Final = 32
ACCOUNT_BYTES: Final = 20
VERSION_BYTES: Final = 8
COUNT_BYTES: Final = 4
KEY_LENGTH_BYTES: Final = 3
VALUE_LENGTH_BYTES: Final = 8
HEAD_BYTES: Final = ID_BYTES + KEY_LENGTH_BYTES
"""What stands before the key of a read or a write."""

Key: TypeAlias = bytes | memoryview
"""1 to 16,777,215 bytes; a long one may be a view of the item that it stands in. Both kinds compare and hash by their content."""
KeyOfStream: TypeAlias = tuple[bytes, Key]
"""A stream and a key in it."""


class Operation(IntEnum):
    """What a control does. The upper half of the byte is its kind: what the latest control of a kind says holds."""

    GRANT_ADMIN = 0x00
    RENOUNCE_ADMIN = 0x01
    SET_KEY_TO_SPECIAL = 0x10
    SET_KEY_TO_NORMAL = 0x11
    GRANT_WRITER = 0x20
    REVOKE_WRITER = 0x21
    RENOUNCE_WRITER = 0x22
    GRANT_SPECIAL_WRITER = 0x30
    REVOKE_SPECIAL_WRITER = 0x31
    RENOUNCE_SPECIAL_WRITER = 0x32

    @property
    def kind(self) -> int:
        return self & 0xF0

    @property
    def has_key(self) -> bool:
        return self.kind in (0x10, 0x30)

    @property
    def has_account(self) -> bool:
        """Whether the item names the account; the sender is the account of who renounces, and special keys have none."""
        return self.kind != 0x10 and not self.is_renounce

    @property
    def is_renounce(self) -> bool:
        return self in (Operation.RENOUNCE_ADMIN, Operation.RENOUNCE_WRITER, Operation.RENOUNCE_SPECIAL_WRITER)


OPERATIONS: Final = {int(operation): (operation, operation.has_key, operation.has_account) for operation in Operation}


INVALID: Final = "Invalid stream data"
TOO_LONG: Final = "Stream read/write/access_control list too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWrite:
    """A value for a key; an empty one deletes it."""

    stream: Hash32
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A change of who may do what. Key and account are empty and zero where the operation has none."""

    operation: Operation
    stream: bytes
    key: Key = b""
    account: Address = ZERO_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamItem:
    """What a client writes: at most 65,536 of each."""

    version: int = VERSION_ANY
    """The item is refused if a key that it reads or writes has a later one."""
    reads: Sequence[tuple[Hash32, bytes]] = ()
    writes: Sequence[StreamWrite] = ()
    controls: Sequence[Control] = ()

    @property
    def streams(self) -> tuple[Hash32, ...]:
        """What the item must be tagged with: the streams that it writes to or controls, ascending."""
        return tuple(sorted({write.stream for write in self.writes} | {Hash32(control.stream) for control in self.controls}))


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """Where a value lies in its item."""

    start: int
    size: int


def stream_ids_of_tags(tags: bytes) -> tuple[Hash32, ...] | None:
    """The streams that a submission is of, as often and in the order that its tags name them; `None` if it is of none."""
    if len(tags) <= ID_BYTES or len(tags) % ID_BYTES or not tags.startswith(STREAM_DOMAIN):
        return None
    return tuple(Hash32(tags[at : at + ID_BYTES]) for at in range(ID_BYTES, len(tags), ID_BYTES))


def tags_of_streams(streams: Iterable[bytes]) -> bytes:
    """Tags of a submission of these streams."""
    return b"".join((STREAM_DOMAIN, *streams))


def encode_item(item: StreamItem) -> bytes:
    """The file of an item. Raises `ValueError` where a list or a key is too long, a key is empty or the version is none."""
    for entries in (item.reads, item.writes, item.controls):
        if len(entries) > ENTRIES_MAX:
            raise ValueError(f"an item has at most {ENTRIES_MAX} entries in each list, not {len(entries)}")
    parts = [item.version.to_bytes(VERSION_BYTES), len(item.reads).to_bytes(COUNT_BYTES)]
    for stream, key in item.reads:
        parts += (stream, _key_length(key), key)
    parts.append(len(item.writes).to_bytes(COUNT_BYTES))
    for write in item.writes:
        parts += (write.stream, _key_length(write.key), write.key, len(write.value).to_bytes(VALUE_LENGTH_BYTES))
    parts += (write.value for write in item.writes)
    parts.append(len(item.controls).to_bytes(COUNT_BYTES))
    for control in item.controls:
        parts += (control.operation.to_bytes(1), control.stream)
        if control.operation.has_key:
            parts += (_key_length(control.key), bytes(control.key))
        if control.operation.has_account:
            parts.append(control.account)
    return b"".join(parts)


def _key_length(key: Key) -> bytes:
    if not 0 < len(key) <= KEY_BYTES_MAX:
        raise ValueError(f"a key has 1 to {KEY_BYTES_MAX} bytes, not {len(key)}")
    return len(key).to_bytes(KEY_LENGTH_BYTES)


def head_size(data: bytes | memoryview) -> int:
    """Bytes of an item before its first value; the beginning of an item is enough. Raises `StreamDataError` where it ends before."""
    reader = StreamReader(data)
    reader.version()
    reader.reads()
    reader.write_list()
    return reader.position


class StreamReader:
    """Reads an item part by part: `version` and `reads`, then `writes`, then `controls`, once each and in this order.

    Time and memory follow what is there, not what a count promises; values are passed over. The data may be a mapped file and must stay
    as long as what was read from it.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data).cast("B").toreadonly()
        self._size = len(self._data)
        self._at = 0

    @property
    def position(self) -> int:
        """Bytes of the item that were read or passed over."""
        return self._at

    def version(self) -> int:
        """Raises `StreamDataError`."""
        return self._number(VERSION_BYTES)

    def reads(self) -> list[KeyOfStream]:
        """Raises `StreamDataError`."""
        return [self._key_of_stream() for _ in range(self._count())]

    def writes(self) -> dict[KeyOfStream, ValueSpan]:
        """By stream and key, in the order of the item; of several writes to one key the last counts and has its place.

        Raises `StreamDataError`, also where values are missing.
        """
        writes: dict[KeyOfStream, ValueSpan] = {}
        for where, size in self.write_list():
            writes.pop(where, None)
            writes[where] = ValueSpan(self._pass(size), size)
        return writes

    def write_list(self) -> list[tuple[KeyOfStream, int]]:
        """What stands before the values: stream, key and size of each. Raises `StreamDataError`."""
        return [(self._key_of_stream(), self._number(VALUE_LENGTH_BYTES)) for _ in range(self._count())]

    def controls(self, sender: Address) -> list[Control]:
        """All of them, in the order of the item. `sender` is the account of who renounces. Raises `StreamDataError`."""
        return [self._control(sender) for _ in range(self._count())]

    def _control(self, sender: Address) -> Control:
        found = OPERATIONS.get(self._number(1))
        if found is None:
            raise StreamDataError(INVALID)
        operation, has_key, has_account = found
        stream = bytes(self._take(ID_BYTES))
        key = self._key() if has_key else b""
        account = Address(bytes(self._take(ACCOUNT_BYTES))) if has_account else sender if operation.is_renounce else ZERO_ADDRESS
        return Control(operation=operation, stream=stream, key=key, account=account)

    def _count(self) -> int:
        count = self._number(COUNT_BYTES)
        if count > ENTRIES_MAX:
            raise StreamDataError(TOO_LONG)
        return count

    def _key_of_stream(self) -> KeyOfStream:
        head = bytes(self._take(HEAD_BYTES))
        return head[:ID_BYTES], self._key_of(int.from_bytes(head[ID_BYTES:]))

    def _key(self) -> Key:
        return self._key_of(self._number(KEY_LENGTH_BYTES))

    def _key_of(self, size: int) -> Key:
        if size == 0:
            raise StreamDataError(INVALID)
        view = self._take(size)
        return view if size > COPIED_KEY_BYTES_MAX else bytes(view)

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def _take(self, size: int) -> memoryview:
        at = self._pass(size)
        return self._data[at : at + size]

    def _pass(self, size: int) -> int:
        at = self._at
        if size > self._size - at:
            raise StreamDataError(INVALID)
        self._at = at + size
        return at
