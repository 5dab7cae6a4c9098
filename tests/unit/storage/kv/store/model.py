"""What the rules of replay mean, told a second time as simply as can be: the whole log is gone through in order, with dictionaries.

It shares no code with what it checks: it has a parser of its own, and what it knows of the rules comes from their specification.
"""

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LATEST", "Entry", "Model"]

LATEST = 1 << 62
NAMES = {
    0x00: "GRANT_ADMIN_ROLE",
    0x01: "RENOUNCE_ADMIN_ROLE",
    0x10: "SET_KEY_TO_SPECIAL",
    0x11: "SET_KEY_TO_NORMAL",
    0x20: "GRANT_WRITER_ROLE",
    0x21: "REVOKE_WRITER_ROLE",
    0x22: "RENOUNCE_WRITER_ROLE",
    0x30: "GRANT_SPECIAL_WRITER_ROLE",
    0x31: "REVOKE_SPECIAL_WRITER_ROLE",
    0x32: "RENOUNCE_SPECIAL_WRITER_ROLE",
}


@dataclass(frozen=True)
class Entry:
    """A submission of the log."""

    seq: int
    root: bytes
    streams: tuple[bytes, ...]
    sender: bytes


class ShortError(Exception):
    pass


class LongError(Exception):
    pass


class Bytes:
    """Eats bytes from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def eat(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ShortError
        self.at += count
        return self.data[self.at - count : self.at]

    def count(self) -> int:
        (count,) = struct.unpack(">I", self.eat(4))
        if count > 65536:
            raise LongError
        return int(count)

    def key(self) -> bytes:
        length = struct.unpack(">I", b"\0" + self.eat(3))[0]
        if length == 0:
            raise ShortError
        return self.eat(length)


@dataclass
class Model:
    """The state after a log, of which the data in `data` is there and the streams in `followed` count, all if that is `None`."""

    log: Sequence[Entry]
    data: Mapping[bytes, bytes]
    followed: Collection[bytes] | None
    results: dict[int, str] = field(default_factory=dict)
    values: dict[tuple[bytes, bytes], list[tuple[int, bytes]]] = field(default_factory=dict)
    """By stream and key: (seq, value), ascending."""
    rights: dict[tuple[bytes, int, bytes, bytes], list[tuple[int, int]]] = field(default_factory=dict)
    """By stream, kind, key and account: (seq, operation), ascending."""
    born: dict[bytes, int] = field(default_factory=dict)
    """When a stream had its first commit."""
    parked: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        for entry in self.log:
            if all(self.follows(stream) for stream in entry.streams):
                self.play(entry)

    def follows(self, stream: bytes) -> bool:
        return self.followed is None or stream in self.followed

    def play(self, entry: Entry) -> None:
        if self.parked & set(entry.streams):
            self.parked |= set(entry.streams)
            return
        if not any(self.can_write(entry.sender, stream) for stream in entry.streams):
            self.results[entry.seq] = "SenderNoWritePermission"
            return
        data = self.data.get(entry.root)
        if data is None or self.parked & set(self.streams_read(data)):
            self.parked |= set(entry.streams)
            return
        self.results[entry.seq] = self.judge(entry, Bytes(data))

    def streams_read(self, data: bytes) -> list[bytes]:
        try:
            return [stream for stream, _ in self.reads_of(Bytes(data))[1]]
        except (ShortError, LongError):
            return []

    def reads_of(self, source: Bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        (version,) = struct.unpack(">Q", source.eat(8))
        return version, [(source.eat(32), source.key()) for _ in range(source.count())]

    def judge(self, entry: Entry, source: Bytes) -> str:
        try:
            version, reads = self.reads_of(source)
            for stream, key in reads:
                if not self.follows(stream):
                    return "TagsMismatch"
                if self.version(stream, key) > version:
                    return "VersionConfliction"
            listed = [(source.eat(32), source.key(), struct.unpack(">Q", source.eat(8))[0]) for _ in range(source.count())]
            written = [(stream, key, source.eat(size)) for stream, key, size in listed]
            last = {(stream, key): number for number, (stream, key, _) in enumerate(written)}
            writes = [written[number] for number in sorted(last.values())]
            for stream, key, _ in writes:
                if stream not in entry.streams:
                    return "TagsMismatch"
                if self.version(stream, key) > version:
                    return "VersionConfliction"
                if not self.has_write_permission(entry.sender, stream, key):
                    return f"WritePermissionDenied: stream: 0x{stream.hex()}, key: {shown(key)}"
            controls = self.controls_of(entry, source)
            for operation, stream, key, account in controls:
                if (refusal := self.refuse(entry, operation, stream, key, account)) is not None:
                    return refusal
        except ShortError:
            return "DataParseError: Invalid stream data"
        except LongError:
            return "DataParseError: Stream read/write/access_control list too long"
        for stream, key, value in writes:
            self.values.setdefault((stream, key), []).append((entry.seq, value))
        for operation, stream, key, account in controls:
            self.rights.setdefault((stream, operation & 0xF0, key, account), []).append((entry.seq, operation))
        for stream in entry.streams:
            self.born.setdefault(stream, entry.seq)
        return "Commit"

    def controls_of(self, entry: Entry, source: Bytes) -> list[tuple[int, bytes, bytes, bytes]]:
        said = []
        for _ in range(source.count()):
            operation, stream, key, account = source.eat(1)[0], source.eat(32), b"", bytes(20)
            if operation not in NAMES:
                raise ShortError
            if operation & 0xF0 in (0x10, 0x30):
                key = source.key()
            if operation in (0x01, 0x22, 0x32):
                account = entry.sender
            elif operation & 0xF0 != 0x10:
                account = source.eat(20)
            said.append((operation, stream, key, account))
        kept = [(0, stream, b"", entry.sender) for stream in sorted(set(entry.streams)) if self.is_new(stream)]
        for one in said:
            rivals = [other for other in kept if (other[0] & 0xF0, *other[1:]) == (one[0] & 0xF0, *one[1:])]
            if one[0] == 0x00:
                if not rivals and one[3] != entry.sender:
                    kept.append(one)
            else:
                kept = [other for other in kept if other not in rivals] + [one]
        return kept

    def refuse(self, entry: Entry, operation: int, stream: bytes, key: bytes, account: bytes) -> str | None:
        if stream not in entry.streams:
            return "TagsMismatch"
        if self.is_new(stream) or self.is_admin(entry.sender, stream) or operation in (0x01, 0x22, 0x32):
            return None
        if operation == 0x20 and self.is_writer(entry.sender, stream):
            return None
        if operation == 0x30 and self.is_key_writer(entry.sender, stream, key):
            return None
        where = f"stream: 0x{stream.hex()}, key: {shown(key)}, account: 0x{account.hex()}"
        return f"AccessControlPermissionDenied: operation: {NAMES[operation]}, {where}"

    # --- questions, as of a version

    def version(self, stream: bytes, key: bytes) -> int:
        return self.values.get((stream, key), [(0, b"")])[-1][0]

    def value(self, stream: bytes, key: bytes, version: int = LATEST) -> tuple[int, bytes] | None:
        return upto(self.values.get((stream, key), []), version)

    def keys(self, stream: bytes, version: int = LATEST) -> list[bytes]:
        """Those with a value, ascending."""
        keys = sorted(key for where, key in self.values if where == stream)
        return [key for key in keys if (found := self.value(stream, key, version)) is not None and found[1]]

    def right(self, stream: bytes, kind: int, key: bytes, account: bytes, version: int) -> int | None:
        found = upto(self.rights.get((stream, kind, key, account), []), version)
        return None if found is None else found[1]

    def is_new(self, stream: bytes, version: int = LATEST) -> bool:
        return self.born.get(stream, LATEST + 1) > version

    def is_admin(self, account: bytes, stream: bytes, version: int = LATEST) -> bool:
        return self.right(stream, 0x00, b"", account, version) == 0x00

    def is_writer(self, account: bytes, stream: bytes, version: int = LATEST) -> bool:
        return self.right(stream, 0x20, b"", account, version) == 0x20

    def is_special_key(self, stream: bytes, key: bytes, version: int = LATEST) -> bool:
        return self.right(stream, 0x10, key, bytes(20), version) == 0x10

    def is_key_writer(self, account: bytes, stream: bytes, key: bytes, version: int = LATEST) -> bool:
        return self.right(stream, 0x30, key, account, version) == 0x30

    def can_write(self, account: bytes, stream: bytes, version: int = LATEST) -> bool:
        some_key = any(
            where == stream and kind == 0x30 and who == account and self.is_key_writer(account, stream, key, version)
            for where, kind, key, who in self.rights
        )
        return (
            self.is_new(stream, version) or self.is_admin(account, stream, version) or self.is_writer(account, stream, version) or some_key
        )

    def has_write_permission(self, account: bytes, stream: bytes, key: bytes, version: int = LATEST) -> bool:
        if self.is_new(stream, version) or self.is_admin(account, stream, version):
            return True
        if self.is_special_key(stream, key, version):
            return self.is_key_writer(account, stream, key, version)
        return self.is_writer(account, stream, version)


def upto(history: list[tuple[int, Any]], version: int) -> tuple[int, Any] | None:
    return next((entry for entry in reversed(history) if entry[0] <= version), None)


def shown(key: bytes) -> str:
    if not key:
        return "NONE"
    try:
        return key.decode()[:32]
    except UnicodeDecodeError:
        return "UNKNOWN"
