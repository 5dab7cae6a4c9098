"""A connection that can be pushed to: its subscriptions, and a bounded queue of what is on the way to it."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio
import msgspec

from zerog.runtime.jsonrpc.errors import SubscriptionNotFoundError, TooManySubscriptionsError

__all__ = ["Connection", "ConnectionLimits"]

TRY_AGAIN_LATER: Final = 1013
"""WebSocket close code for a consumer that cannot keep up. Source: IANA, WebSocket Close Code Number Registry."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """How much may be on its way to one connection."""

    queue_messages_max: int = 20_000
    """Messages that wait to be sent. Source of the number: ethereum/go-ethereum v1.17.5, rpc/client.go (`maxClientSubscriptionBuffer`)."""
    queue_bytes_max: int = 64_000_000
    subscriptions_max: int = 1_000
    method: str = "eth_subscription"
    """The method that a push names."""


class Connection:
    """What a subscribing method is handed.

    `notify` never waits: a consumer that is too slow is closed with a reason instead of holding up the producer or filling the memory.
    Everything here belongs to the event loop's thread.
    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self._limits: Final = limits or ConnectionLimits()
        self._queue: Final[deque[bytes]] = deque()
        self._queue_bytes = 0
        self._changed: anyio.Event | None = None
        self._subscriptions: Final[dict[str, Callable[[], None]]] = {}
        self._unanswered: Final[dict[str, list[bytes]]] = {}
        self._push_start: Final = b'{"jsonrpc":"2.0","method":"' + self._limits.method.encode() + b'","params":{"subscription":"'
        self.close_code: int | None = None
        """Set once the connection is to be closed from our side."""
        self.close_reason = ""

    def subscribe(self, on_end: Callable[[], None]) -> str:
        """A new subscription's id. `on_end` runs once: when it is ended, or when the connection goes.

        Pushes for it are held back until the call that made it is answered, so that the caller knows the id by then.
        Raises `TooManySubscriptionsError`.
        """
        if len(self._subscriptions) >= self._limits.subscriptions_max:
            raise TooManySubscriptionsError(self._limits.subscriptions_max)
        subscription_id = f"{secrets.randbits(128) | 1 << 127:#x}"
        self._subscriptions[subscription_id] = on_end
        self._unanswered[subscription_id] = []
        return subscription_id

    def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription. Raises `SubscriptionNotFoundError`."""
        on_end = self._subscriptions.pop(subscription_id, None)
        if on_end is None:
            raise SubscriptionNotFoundError(subscription_id)
        self._unanswered.pop(subscription_id, None)
        on_end()

    def notify(self, subscription_id: str, result: msgspec.Raw | bytes) -> None:
        """Push `result`, which is JSON, to a subscription; nothing happens if it has ended."""
        if subscription_id not in self._subscriptions:
            return
        message = b"".join((self._push_start, subscription_id.encode(), b'","result":', result, b"}}"))
        held_back = self._unanswered.get(subscription_id)
        if held_back is None:
            self._put(message)
        else:
            held_back.append(message)
            self._close_if_behind(len(held_back), 0)

    def put_answer(self, answer: bytes) -> None:
        """Send the answer to a body (nothing if it is empty), and after it what was held back for subscriptions made by that body."""
        if answer:
            self._put(answer)
        for messages in self._unanswered.values():
            for message in messages:
                self._put(message)
        self._unanswered.clear()

    async def next_message(self) -> bytes | None:
        """The next message to send, once there is one; `None` when the connection is to be closed."""
        while not self._queue and self.close_code is None:
            await self._change()
        if self.close_code is not None:
            return None
        message = self._queue.popleft()
        self._queue_bytes -= len(message)
        self._wake()
        return message

    async def drained(self, messages_max: int) -> None:
        """Wait until at most so many messages are queued: who does not read its answers is not asked for more questions."""
        while len(self._queue) > messages_max and self.close_code is None:
            await self._change()

    def close(self, code: int, reason: str) -> None:
        """Close from our side, with a WebSocket close code; what is queued is dropped."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._wake()

    def end(self) -> None:
        """The connection is gone: end every subscription."""
        self.close(1001, "gone")
        self._queue.clear()
        while self._subscriptions:
            _, on_end = self._subscriptions.popitem()
            on_end()

    def _put(self, message: bytes) -> None:
        if self.close_code is not None:
            return
        self._queue.append(message)
        self._queue_bytes += len(message)
        self._close_if_behind(len(self._queue), self._queue_bytes)
        self._wake()

    def _close_if_behind(self, messages: int, size_bytes: int) -> None:
        """A single message always passes, however long it is."""
        limits = self._limits
        if messages > limits.queue_messages_max or (size_bytes > limits.queue_bytes_max and messages > 1):
            self._queue.clear()
            self.close(TRY_AGAIN_LATER, f"too slow: {messages} messages with {size_bytes} bytes are unread")

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
