"""Reads of one key-value node: values of any size, keys in their order, rights, results. Blocking, for any number of threads."""

from collections.abc import Iterator
from typing import Final, Self, TypeVar

from zerog._kernel import secp256k1_sign
from zerog.primitives import Account, Address, Data, Hash32
from zerog.runtime.deadlines import each_in_time
from zerog.storage.client.calls import Call, anything
from zerog.storage.client.connection import HttpServer, PeerLimits
from zerog.storage.client.errors import PeerAnswerError
from zerog.storage.client.kv import calls
from zerog.storage.client.kv.errors import ValueChangedError, ValueTooLargeError
from zerog.storage.client.kv.names import StreamName, stream_id
from zerog.storage.client.kv.results import Entry, Part, Value
from zerog.storage.client.rpc import run_call
from zerog.storage.client.waiting import late, within
from zerog.storage.protocol.registration import registration_digest
from zerog.storage.wire.kv import ItemPage, KeyPage, KeyValue, ReplayProgress, StreamPage

__all__ = ["KvNodeClient"]

T = TypeVar("T")

PIECE_BYTES: Final = 255 * 1024
"""Asked for at a time. Nodes give at most 262,144; asked for exactly so many, some give all of a larger value, for the sake of a client
that cannot go on."""
VALUE_BYTES_MAX: Final = 256 << 20
"""Of a value that is read into memory, unless the caller says otherwise."""
RESTARTS_MAX: Final = 3
"""Of reading a value that changed meanwhile, before nothing of it was given away."""


class KvNodeClient:
    """Talks to one key-value node.

    A `version` reads the state right after that submission; without one the newest is meant. Every method raises `PeerUnreachableError`,
    `PeerAnswerError`, `PeerStatusError` or `PeerRefusedError` when it fails, within the time that `PeerLimits` allow; and `ValueError`
    for a stream whose name cannot be one. `timeout_s` is how long a method may take as a whole, and ends it with a `WaitTimeoutError`.
    """

    def __init__(self, url: str, limits: PeerLimits | None = None) -> None:
        self.url: Final = url
        self._server: Final = HttpServer(url, limits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        self._server.close()

    # ---- the node ------------------------------------------------------------------------------------------------

    def request(self, method: str, *params: object, timeout_s: float | None = None) -> object:
        """Call any method of the node, with JSON values in and out."""
        return self._run(anything(method, params), timeout_s)

    def status(self, *, timeout_s: float | None = None) -> bool:
        """Whether the node serves."""
        return self._run(calls.status(), timeout_s)

    def progress(self, *, timeout_s: float | None = None) -> ReplayProgress:
        """How far the node is."""
        return self._run(calls.progress(), timeout_s)

    def result(self, tx_seq: int, *, timeout_s: float | None = None) -> str | None:
        """What became of a submission, in the node's words, `Commit` if it took effect; `None` if the node has not come to it, or passed it
        by since it does not follow its streams."""
        return self._run(calls.result(tx_seq), timeout_s)

    def holding_streams(self, *, timeout_s: float | None = None) -> list[Hash32]:
        """All streams that the node follows."""
        return self._run(calls.holding_streams(), timeout_s)

    def follow(self, stream: StreamName, account: Account, *, chain_id: int, timeout_s: float | None = None) -> bool:
        """Ask the node to follow a stream from its first item on, signed by `account` for the node's chain. Where the node is not on this
        machine, it may take that from its operator alone."""
        stream = stream_id(stream)
        signature = Data(secp256k1_sign(registration_digest(chain_id, account.address, stream), account.private_key))
        return self._run(calls.follow(stream, account.address, signature), timeout_s)

    def items(self, first_seq: int = 0, *, count: int = 100, timeout_s: float | None = None) -> ItemPage:
        """A page of the submissions of the node's streams from `first_seq` on, with their results. Official nodes refuse."""
        return self._run(calls.items(first_seq, count), timeout_s)

    def streams(self, cursor: str | None = None, *, count: int = 100, timeout_s: float | None = None) -> StreamPage:
        """A page of the node's streams. Official nodes refuse."""
        return self._run(calls.list_streams(cursor, count), timeout_s)

    def key_page(self, stream: StreamName, cursor: str | None = None, *, count: int = 100, timeout_s: float | None = None) -> KeyPage:
        """A page of a stream's keys without their values. Official nodes refuse."""
        return self._run(calls.list_keys(stream_id(stream), cursor, count), timeout_s)

    # ---- values --------------------------------------------------------------------------------------------------

    def get(
        self,
        stream: StreamName,
        key: bytes,
        *,
        version: int | None = None,
        bytes_max: int = VALUE_BYTES_MAX,
        timeout_s: float | None = None,
    ) -> Value | None:
        """The whole value of a key; `None` if it was never written, or was deleted. Raises `ValueTooLargeError`, `ValueChangedError`."""
        with within(timeout_s, f"{self.url} has not given all of the value"):
            for tries_left in reversed(range(RESTARTS_MAX)):
                try:
                    return self._get(stream, key, version, bytes_max)
                except ValueChangedError:
                    if not tries_left:
                        raise
        raise AssertionError("the last try returns or raises")

    def _get(self, stream: StreamName, key: bytes, version: int | None, bytes_max: int) -> Value | None:
        head = self.read(stream, key, version=version)
        if not head.size_bytes:
            return None
        if head.size_bytes > bytes_max:
            raise ValueTooLargeError(head.size_bytes, bytes_max)
        return Value(version=head.version, data=b"".join(self._pieces(stream_id(stream), key, head)))

    def read(
        self,
        stream: StreamName,
        key: bytes,
        *,
        offset: int = 0,
        length: int = PIECE_BYTES,
        version: int | None = None,
        timeout_s: float | None = None,
    ) -> Part:
        """At most `length` bytes of a value from `offset` on; a node gives no more than 262,144, and refuses an offset beyond the end."""
        found = self._run(calls.value(stream_id(stream), key, offset, length, version), timeout_s)
        if found is None:
            return Part(version=0, data=b"", size_bytes=0)
        self._check_part(found.data, found.size, offset)
        return Part(version=found.version, data=found.data, size_bytes=found.size)

    def stream(self, stream: StreamName, key: bytes, *, version: int | None = None, timeout_s: float | None = None) -> Iterator[bytes]:
        """The bytes of a value piece by piece, in order; none if there is no value. Raises `ValueChangedError` if the chain goes back.

        `timeout_s` is how long each piece may take to come.
        """
        pieces = self._pieces(stream_id(stream), key, self.read(stream, key, version=version, timeout_s=timeout_s))
        return each_in_time(pieces, timeout_s, late(f"{self.url} has not given the next piece of the value"))

    def _pieces(self, stream: Hash32, key: bytes, head: Part) -> Iterator[bytes]:
        """All of the value that `head` begins, of its version."""
        yield head.data
        done = len(head.data)
        while done < head.size_bytes:
            part = self.read(stream, key, offset=done, version=head.version)
            if (part.version, part.size_bytes) != (head.version, head.size_bytes):
                raise ValueChangedError(self.url)
            if not part.data:
                raise PeerAnswerError(self.url, f"it gives no byte at {done} of a value of {head.size_bytes}")
            yield part.data
            done += len(part.data)

    def _check_part(self, data: bytes, size: int, offset: int) -> None:
        if not 0 <= offset + len(data) <= max(size, offset):
            raise PeerAnswerError(self.url, f"it gives {len(data)} bytes at {offset} of a value of {size}")

    # ---- keys in their order -------------------------------------------------------------------------------------

    def first(self, stream: StreamName, *, version: int | None = None, values: bool = True, timeout_s: float | None = None) -> Entry | None:
        """The first key, bytewise, and its value."""
        return self._entry(stream_id(stream), calls.first(stream_id(stream), _length(values), version), timeout_s, values=values)

    def last(self, stream: StreamName, *, version: int | None = None, values: bool = True, timeout_s: float | None = None) -> Entry | None:
        """The last key, and its value."""
        return self._entry(stream_id(stream), calls.last(stream_id(stream), _length(values), version), timeout_s, values=values)

    def next(
        self,
        stream: StreamName,
        key: bytes,
        *,
        inclusive: bool = False,
        version: int | None = None,
        values: bool = True,
        timeout_s: float | None = None,
    ) -> Entry | None:
        """The first key after `key`, or from it on, and its value."""
        call = calls.next_(stream_id(stream), key, _length(values), version, inclusive=inclusive)
        return self._entry(stream_id(stream), call, timeout_s, values=values)

    def previous(
        self,
        stream: StreamName,
        key: bytes,
        *,
        inclusive: bool = False,
        version: int | None = None,
        values: bool = True,
        timeout_s: float | None = None,
    ) -> Entry | None:
        """The last key before `key`, or up to it, and its value."""
        call = calls.previous(stream_id(stream), key, _length(values), version, inclusive=inclusive)
        return self._entry(stream_id(stream), call, timeout_s, values=values)

    def entries(
        self,
        stream: StreamName,
        *,
        prefix: bytes = b"",
        start: bytes | None = None,
        backwards: bool = False,
        version: int | None = None,
        values: bool = True,
        timeout_s: float | None = None,
    ) -> Iterator[Entry]:
        """All keys that begin with `prefix`, from `start` on, in their order or backwards; what is written meanwhile may be among them.

        `timeout_s` is how long each entry may take to come.
        """
        found = self._entries(stream, prefix, start, version, backwards=backwards, values=values)
        return each_in_time(found, timeout_s, late(f"{self.url} has not given the next entry"))

    def _entries(
        self, stream: StreamName, prefix: bytes, start: bytes | None, version: int | None, *, backwards: bool, values: bool
    ) -> Iterator[Entry]:
        found = self._begin(stream, prefix, start, version, backwards=backwards, values=values)
        while found is not None and found.key.startswith(prefix):
            yield found
            step = self.previous if backwards else self.next
            after = step(stream, found.key, version=version, values=values)
            if after is not None and (after.key >= found.key if backwards else after.key <= found.key):
                raise PeerAnswerError(self.url, "its keys are in no order")
            found = after

    def _begin(
        self, stream: StreamName, prefix: bytes, start: bytes | None, version: int | None, *, backwards: bool, values: bool
    ) -> Entry | None:
        """Where the entries begin, seen from where they are read from."""
        if not backwards:
            floor = max(prefix, start or b"")
            return (
                self.next(stream, floor, inclusive=True, version=version, values=values)
                if floor
                else self.first(stream, version=version, values=values)
            )
        end = _end_of(prefix)
        if start is not None and (end is None or start < end):
            return self.previous(stream, start, inclusive=True, version=version, values=values)
        if end is not None:
            return self.previous(stream, end, version=version, values=values)
        return self.last(stream, version=version, values=values)

    def _entry(self, stream: Hash32, call: Call[KeyValue | None], timeout_s: float | None, *, values: bool) -> Entry | None:
        with within(timeout_s, f"{self.url} has not given the entry"):
            found = self._run(call)
            if found is None:
                return None
            self._check_part(found.data, found.size, 0)
            data = found.data
            if values and len(data) < found.size:
                if found.size > VALUE_BYTES_MAX:
                    raise ValueTooLargeError(found.size, VALUE_BYTES_MAX)
                head = Part(version=found.version, data=data, size_bytes=found.size)
                data = b"".join(self._pieces(stream, found.key, head))
            return Entry(key=found.key, version=found.version, data=data, size_bytes=found.size)

    # ---- rights --------------------------------------------------------------------------------------------------

    def may_write(
        self, account: Address, stream: StreamName, key: bytes, *, version: int | None = None, timeout_s: float | None = None
    ) -> bool:
        """Whether an account may write a key."""
        return self._run(calls.has_write_permission(account, stream_id(stream), key, version), timeout_s)

    def is_admin(self, account: Address, stream: StreamName, *, version: int | None = None, timeout_s: float | None = None) -> bool:
        """Whether an account administers a stream."""
        return self._run(calls.is_admin(account, stream_id(stream), version), timeout_s)

    def is_writer(self, account: Address, stream: StreamName, *, version: int | None = None, timeout_s: float | None = None) -> bool:
        """Whether an account was granted to write a stream's ordinary keys."""
        return self._run(calls.is_writer_of_stream(account, stream_id(stream), version), timeout_s)

    def is_special(self, stream: StreamName, key: bytes, *, version: int | None = None, timeout_s: float | None = None) -> bool:
        """Whether a key has writers of its own."""
        return self._run(calls.is_special_key(stream_id(stream), key, version), timeout_s)

    def is_writer_of_key(
        self, account: Address, stream: StreamName, key: bytes, *, version: int | None = None, timeout_s: float | None = None
    ) -> bool:
        """Whether an account was granted to write a special key."""
        return self._run(calls.is_writer_of_key(account, stream_id(stream), key, version), timeout_s)

    def _run(self, call: Call[T], timeout_s: float | None = None) -> T:
        with within(timeout_s, f"{self.url} has not answered {call.method}"):
            return run_call(self._server, call)


def _length(values: bool) -> int:
    return PIECE_BYTES if values else 0


def _end_of(prefix: bytes) -> bytes | None:
    """The first key after all that begin with a prefix; `None` if there is none."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1]) if cut else None
