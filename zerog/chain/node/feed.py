"""What happened on the chain, for those who subscribed to it and for filters that are polled. Belongs to the event loop's thread."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import msgspec

from zerog._kernel import BlockSummary, Ledger, Pool
from zerog.chain.protocol.logs import LogCriteria
from zerog.primitives import encode_data
from zerog.runtime.jsonrpc import Connection

__all__ = ["Feed", "HeadSubscription", "LogSubscription", "PendingSubscription", "Subscription"]

ARRIVALS_MAX: Final = 200_000
"""How many arrivals at the pool are remembered for filters that are polled."""

_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class HeadSubscription:
    """Wants the header of each new block."""


@dataclass(frozen=True, slots=True)
class LogSubscription:
    """Wants each new log that matches, and again, marked as removed, when its block is taken back."""

    criteria: LogCriteria


@dataclass(frozen=True, slots=True)
class PendingSubscription:
    """Wants each transaction that arrives at the pool."""

    full: bool
    """Whole transactions instead of their hashes."""


Subscription = HeadSubscription | LogSubscription | PendingSubscription


@dataclass(frozen=True, slots=True)
class _Reader:
    connection: Connection
    subscription_id: str
    wants: Subscription

    def push(self, result: msgspec.Raw | bytes) -> None:
        self.connection.notify(self.subscription_id, result)


@dataclass(slots=True)
class Feed:
    """Pushes to subscribers, and remembers what arrived at the pool."""

    ledger: Ledger
    pool: Pool
    arrival_count: int = 0
    """How many transactions arrived since the start."""
    next_block: anyio.Event = field(default_factory=anyio.Event)
    """Set once there is another block, or one less, or when nobody shall wait any more; a new event then takes its place."""
    has_ended: bool = False
    """Whether the node stops, so that no other block is worth waiting for."""
    _arrivals: deque[bytes] = field(default_factory=lambda: deque(maxlen=ARRIVALS_MAX))
    _readers: dict[object, _Reader] = field(default_factory=dict)

    def subscribe(self, connection: Connection, wants: Subscription | None) -> str:
        """Begin a subscription on a connection; returns its id. `None` wants nothing that ever happens (`syncing`)."""
        key = object()
        subscription_id = connection.subscribe(partial(self._forget, key))
        if wants is not None:
            self._readers[key] = _Reader(connection, subscription_id, wants)
        return subscription_id

    @property
    def reader_count(self) -> int:
        """How many subscriptions want something."""
        return len(self._readers)

    def arrived(self, hashes: Sequence[bytes]) -> None:
        """Tell of transactions that the pool took."""
        self._arrivals.extend(hashes)
        self.arrival_count += len(hashes)
        for reader in self._wanting(PendingSubscription):
            for transaction_hash in hashes:
                reader.push(self._pending(transaction_hash, reader.wants))

    def arrivals(self, begin: int, end: int) -> list[bytes]:
        """Hashes of the transactions number `begin` to `end` (not included) that arrived, as far back as is remembered."""
        oldest = self.arrival_count - len(self._arrivals)
        return [self._arrivals[number - oldest] for number in range(max(begin, oldest), end)]

    def forget_arrivals(self, first: int) -> None:
        """Forget the transactions from number `first` on, because the moment before them was gone back to."""
        for _ in range(min(self.arrival_count - first, len(self._arrivals))):
            self._arrivals.pop()
        self.arrival_count = first

    def mined(self, blocks: Sequence[BlockSummary]) -> None:
        """Tell of new blocks, in their order."""
        self._wake()
        if not self._readers:
            return
        for block in blocks:
            header = self.ledger.header_json(block.number)
            for reader in self._wanting(HeadSubscription):
                if header is not None:
                    reader.push(header)
            for reader, log in self._logs(block.number, block.number, removed=False):
                reader.push(log)

    def unwinding(self, first: int, last: int) -> "list[tuple[_Reader, msgspec.Raw]]":
        """The logs of blocks that are about to be taken back, for `unwound` once they are."""
        return list(self._logs(first, last, removed=True)) if first <= last else []

    def unwound(self, logs: "list[tuple[_Reader, msgspec.Raw]]") -> None:
        """Tell that blocks are no longer part of the chain, and of their logs."""
        self._wake()
        for reader, log in logs:
            reader.push(log)

    def end(self) -> None:
        """Let all who wait for a block answer now, because the node stops."""
        self.has_ended = True
        self._wake()

    def _wake(self) -> None:
        self.next_block.set()
        self.next_block = anyio.Event()

    def _logs(self, first: int, last: int, *, removed: bool) -> Iterator[tuple[_Reader, msgspec.Raw]]:
        for reader in self._wanting(LogSubscription):
            criteria = reader.wants.criteria if isinstance(reader.wants, LogSubscription) else LogCriteria()
            for log in _decode_items(self.ledger.logs_json(first, last, criteria.addresses, criteria.topics, removed)):
                yield reader, log

    def _pending(self, transaction_hash: bytes, wants: Subscription) -> bytes:
        if isinstance(wants, PendingSubscription) and wants.full:
            whole = self.pool.transaction_json(transaction_hash) or self.ledger.transaction_json(transaction_hash)
            if whole is not None:
                return whole
        return b'"' + encode_data(transaction_hash).encode() + b'"'

    def _forget(self, key: object) -> None:
        self._readers.pop(key, None)

    def _wanting(self, kind: type) -> list[_Reader]:
        return [reader for reader in self._readers.values() if isinstance(reader.wants, kind)]
