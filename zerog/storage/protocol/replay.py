"""What an item does to its streams: committed with all that it says, or rejected with the reason, judged on the state before it.

The rules are applied in this order, and the first that fails decides: the sender may write to one of the streams; version and reads can be
read; reads in their order; writes can be read; writes in their order; controls can be read; controls in their order. So an item with a
conflict and a broken end is a conflict. Source: 0gfoundation/0g-storage-kv `node/stream/src/stream_manager/stream_replayer.rs`, where what
counts after duplicates has no order; here it stands in the order of the item.

An item is as long as its submission says: unlike there, what is missing behind its end is not read as zeros.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from zerog.primitives import Address
from zerog.storage.protocol.errors import StreamDataError
from zerog.storage.protocol.streams import (
    Control,
    Key,
    KeyOfStream,
    Operation,
    StreamReader,
    ValueSpan,
)

__all__ = [
    "COMMITTED",
    "NO_WRITE_PERMISSION",
    "Commit",
    "Rejected",
    "StreamState",
    "can_write",
    "can_write_to_any",
    "has_write_permission",
    "judge",
    "streams_read",
]

COMMITTED: Final = "Commit"
NO_WRITE_PERMISSION: Final = "SenderNoWritePermission"
TAGS_MISMATCH: Final = "TagsMismatch"
VERSION_CONFLICT: Final = "VersionConfliction"
KEY_CHARACTERS_MAX: Final = 32
"""Of a key in a result."""
KEY_UNREADABLE: Final = "UNKNOWN"
KEY_NONE: Final = "NONE"

OPERATION_NAMES: Final = {
    Operation.GRANT_ADMIN: "GRANT_ADMIN_ROLE",
    Operation.RENOUNCE_ADMIN: "RENOUNCE_ADMIN_ROLE",
    Operation.SET_KEY_TO_SPECIAL: "SET_KEY_TO_SPECIAL",
    Operation.SET_KEY_TO_NORMAL: "SET_KEY_TO_NORMAL",
    Operation.GRANT_WRITER: "GRANT_WRITER_ROLE",
    Operation.REVOKE_WRITER: "REVOKE_WRITER_ROLE",
    Operation.RENOUNCE_WRITER: "RENOUNCE_WRITER_ROLE",
    Operation.GRANT_SPECIAL_WRITER: "GRANT_SPECIAL_WRITER_ROLE",
    Operation.REVOKE_SPECIAL_WRITER: "REVOKE_SPECIAL_WRITER_ROLE",
    Operation.RENOUNCE_SPECIAL_WRITER: "RENOUNCE_SPECIAL_WRITER_ROLE",
}
"""As results name them."""


class StreamState(Protocol):
    """Streams as they are before an item; a stream that nobody has heard of is new and empty."""

    def is_new(self, stream: bytes) -> bool:
        """Whether no item of the stream was committed."""
        ...

    def version(self, stream: bytes, key: Key) -> int | None:
        """Sequence of the latest item that wrote the key, also where it deleted it."""
        ...

    def is_admin(self, account: Address, stream: bytes) -> bool: ...

    def is_writer(self, account: Address, stream: bytes) -> bool:
        """Whether the account was made a writer of the whole stream."""
        ...

    def is_special_key(self, stream: bytes, key: Key) -> bool:
        """Whether only its own writers, and admins, may write the key."""
        ...

    def is_key_writer(self, account: Address, stream: bytes, key: Key) -> bool:
        """Whether the account was made a special writer of this key."""
        ...

    def writes_some_key(self, account: Address, stream: bytes) -> bool:
        """Whether the account was made a special writer of any key."""
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """All of it holds from this item on."""

    writes: Mapping[KeyOfStream, ValueSpan]
    controls: Sequence[Control]
    """At most one of a kind for the same stream, key and account."""

    @property
    def text(self) -> str:
        return COMMITTED


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing of it holds."""

    text: str
    unmonitored: bytes | None = None
    """The stream that the item reads and that is not followed here, if that is why."""


Verdict = Commit | Rejected


def can_write(state: StreamState, account: Address, stream: bytes) -> bool:
    """Whether an item of the account for this stream is looked at."""
    return (
        state.is_new(stream)
        or state.is_admin(account, stream)
        or state.is_writer(account, stream)
        or state.writes_some_key(account, stream)
    )


def can_write_to_any(state: StreamState, account: Address, streams: Iterable[bytes]) -> bool:
    """Without this an item is rejected as `NO_WRITE_PERMISSION`, whatever is in it."""
    return any(can_write(state, account, stream) for stream in streams)


def has_write_permission(state: StreamState, account: Address, stream: bytes, key: Key) -> bool:
    """Whether the account may write the key."""
    if state.is_new(stream) or state.is_admin(account, stream):
        return True
    return state.is_key_writer(account, stream, key) if state.is_special_key(stream, key) else state.is_writer(account, stream)


def streams_read(data: bytes | memoryview) -> frozenset[bytes]:
    """The streams on whose state the judgement of an item depends beside its own; none where its reads cannot be read."""
    with suppress(StreamDataError):
        reader = StreamReader(data)
        reader.version()
        return frozenset(stream for stream, _ in reader.reads())
    return frozenset()


def judge(
    data: bytes | memoryview,
    *,
    sender: Address,
    seq: int,
    streams: Collection[bytes],
    is_monitored: Callable[[bytes], bool],
    state: StreamState,
) -> Verdict:
    """Judge the item `seq` of `streams`, all of which are monitored. `sender` signed the chain's transaction; it is not the submitter."""
    if not can_write_to_any(state, sender, streams):
        return Rejected(NO_WRITE_PERMISSION)
    case = _Case(sender, seq, frozenset(streams), state)
    reader = StreamReader(data)
    try:
        version = reader.version()
        if (rejected := case.reads(reader.reads(), version, is_monitored)) is not None:
            return rejected
        writes = reader.writes()
        if (rejected := case.writes(writes, version)) is not None:
            return rejected
        controls = case.what_counts(reader.controls(sender))
        if (rejected := case.controls(controls)) is not None:
            return rejected
    except StreamDataError as error:
        return Rejected(str(error))
    return Commit(writes, controls)


class _Case:
    """One item before its judge."""

    def __init__(self, sender: Address, seq: int, streams: frozenset[bytes], state: StreamState) -> None:
        self._sender = sender
        self._seq = seq
        self._streams = streams
        self._state = state
        self._new = {stream for stream in streams if state.is_new(stream)}
        self._owned = self._new | {stream for stream in streams if state.is_admin(sender, stream)}
        """Streams that the sender commands: where it is an admin, and new ones, which become its own."""

    def reads(self, reads: Iterable[KeyOfStream], version: int, is_monitored: Callable[[bytes], bool]) -> Rejected | None:
        for stream, key in reads:
            if not is_monitored(stream):
                return Rejected(TAGS_MISMATCH, unmonitored=stream)
            if self._conflicts(stream, key, version):
                return Rejected(VERSION_CONFLICT)
        return None

    def writes(self, writes: Iterable[KeyOfStream], version: int) -> Rejected | None:
        for stream, key in writes:
            if stream not in self._streams:
                return Rejected(TAGS_MISMATCH)
            if self._conflicts(stream, key, version):
                return Rejected(VERSION_CONFLICT)
            if stream not in self._owned and not has_write_permission(self._state, self._sender, stream, key):
                return Rejected(f"WritePermissionDenied: stream: 0x{stream.hex()}, key: {_shown(key)}")
        return None

    def _conflicts(self, stream: bytes, key: Key, version: int) -> bool:
        """Whether the key is of a later version. What came before this item is of none that is as late as itself."""
        if version >= self._seq - 1:
            return False
        latest = self._state.version(stream, key)
        return latest is not None and latest > version

    def what_counts(self, controls: Iterable[Control]) -> list[Control]:
        """What is left of the controls where a later one of a kind replaces an earlier, with those that make the sender own new streams."""
        counting = {
            _subject(grant): grant
            for stream in sorted(self._new)
            for grant in [Control(operation=Operation.GRANT_ADMIN, stream=stream, account=self._sender)]
        }
        for control in controls:
            subject = _subject(control)
            if control.operation is not Operation.GRANT_ADMIN:
                counting.pop(subject, None)
                counting[subject] = control
            elif control.account != self._sender:
                counting.setdefault(subject, control)
        return list(counting.values())

    def controls(self, controls: Iterable[Control]) -> Rejected | None:
        for control in controls:
            if control.stream not in self._streams:
                return Rejected(TAGS_MISMATCH)
            if control.stream not in self._owned and not self._is_free(control):
                return Rejected(_denial(control))
        return None

    def _is_free(self, control: Control) -> bool:
        """Whether one who does not command the stream may do this."""
        match control.operation:
            case Operation.GRANT_WRITER:
                return self._state.is_writer(self._sender, control.stream)
            case Operation.GRANT_SPECIAL_WRITER:
                return self._state.is_key_writer(self._sender, control.stream, control.key)
            case operation:
                return operation.is_renounce


def _subject(control: Control) -> tuple[int, bytes, Key, Address]:
    """What a control says something about: of two that agree in it one counts."""
    return control.operation.kind, control.stream, control.key, control.account


def _denial(control: Control) -> str:
    name = OPERATION_NAMES[control.operation]
    where = f"stream: 0x{control.stream.hex()}, key: {_shown(control.key)}, account: 0x{control.account.hex()}"
    return f"AccessControlPermissionDenied: operation: {name}, {where}"


def _shown(key: Key) -> str:
    """A key in a result."""
    if not key:
        return KEY_NONE
    try:
        return bytes(key).decode()[:KEY_CHARACTERS_MAX]
    except UnicodeDecodeError:
        return KEY_UNREADABLE
