"""Streams as plain dictionaries: what rules are judged on where no store is meant."""

from dataclasses import dataclass, field

from zerog.primitives import Address
from zerog.storage.protocol.replay import Commit
from zerog.storage.protocol.streams import Key, Operation

__all__ = ["PlainStreams"]


@dataclass
class PlainStreams:
    """The latest state of every stream."""

    committed: set[bytes] = field(default_factory=set)
    versions: dict[tuple[bytes, Key], int] = field(default_factory=dict)
    latest: dict[tuple[int, bytes, Key, Address], Operation] = field(default_factory=dict)

    def take(self, seq: int, streams: tuple[bytes, ...], commit: Commit) -> None:
        self.committed |= set(streams)
        self.versions.update(dict.fromkeys(commit.writes, seq))
        for control in commit.controls:
            self.latest[control.operation.kind, control.stream, control.key, control.account] = control.operation

    def is_new(self, stream: bytes) -> bool:
        return stream not in self.committed

    def version(self, stream: bytes, key: Key) -> int | None:
        return self.versions.get((stream, key))

    def is_admin(self, account: Address, stream: bytes) -> bool:
        return self.latest.get((0x00, stream, b"", account)) is Operation.GRANT_ADMIN

    def is_writer(self, account: Address, stream: bytes) -> bool:
        return self.latest.get((0x20, stream, b"", account)) is Operation.GRANT_WRITER

    def is_special_key(self, stream: bytes, key: Key) -> bool:
        return self.latest.get((0x10, stream, key, Address(bytes(20)))) is Operation.SET_KEY_TO_SPECIAL

    def is_key_writer(self, account: Address, stream: bytes, key: Key) -> bool:
        return self.latest.get((0x30, stream, key, account)) is Operation.GRANT_SPECIAL_WRITER

    def writes_some_key(self, account: Address, stream: bytes) -> bool:
        return any(
            (kind, where, who, operation) == (0x30, stream, account, Operation.GRANT_SPECIAL_WRITER)
            for (kind, where, _, who), operation in self.latest.items()
        )
