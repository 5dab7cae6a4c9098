"""A load of chats from outside, as a program of its own: at fixed times, on so many connections, or as streams; prints what it saw as JSON.

It reads one JSON object from its standard input (`Order`). Times are from when a request was due, whether or not it could be sent then.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

import httptools
import uvloop

__all__ = ["Order", "Seen"]

EVENT: Final = b"data: "
LATE_S: Final = 30.0
"""Who has not ended by then has failed."""
WARM_SHARE: Final = 5
"""The first fifth of the time is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask, how, and for how long."""

    url: str
    headers: list[dict[str, str]]
    """Of each client; requests take them in turn."""
    body: str
    mode: Literal["arrivals", "connections", "streams"]
    per_second: float = 100.0
    """Of `arrivals`."""
    connections: int = 32
    """Of `connections` and `streams`: so many at once, each asked again when it has ended."""
    seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Answers and events in the counted time. Milliseconds to the first byte of a body, and to the last byte."""

    answers: int
    events: int
    per_second: float
    events_per_second: float
    first_ms_p50: float
    first_ms_p99: float
    last_ms_p50: float
    last_ms_p99: float
    failures: int
    failure: str = ""
    processor_s: float = 0.0
    """That the asked program took for it, the uncounted first part included."""


class Connection(asyncio.Protocol):
    """One connection, a request at a time."""

    def __init__(self, run: "Run") -> None:
        self.run: Final = run
        self.parser: Final = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.due_s = 0.0
        self.first_s = 0.0
        self.end = b""
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due_s: float) -> None:
        self.due_s, self.first_s, self.end, self.is_busy = due_s, 0.0, b"", True
        if self.transport is not None:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.run.fail(f"no HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        if not self.first_s:
            self.first_s = time.perf_counter()
        if self.run.is_counting:
            self.run.events += body.count(EVENT)
        self.end = body if len(body) > 100 else self.end[-100:] + body

    def on_message_complete(self) -> None:
        self.is_busy = False
        run = self.run
        status = self.parser.get_status_code()
        if status != 200 or not (b"[DONE]" in self.end or self.end.rstrip().endswith(b"}")):
            run.fail(f"status {status}: {self.end[-300:]!r}")
        elif run.is_counting:
            run.firsts.append(self.first_s - self.due_s)
            run.lasts.append(time.perf_counter() - self.due_s)
        run.ended(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        if self.is_busy:
            self.is_busy = False
            self.run.fail("the connection ended")
            self.run.ended(self)


class Run:
    """One measurement."""

    def __init__(self, order: Order) -> None:
        self.order: Final = order
        self.loop: Final = asyncio.get_running_loop()
        parts = urlsplit(order.url)
        self.place: Final = (parts.hostname or "", parts.port or 80)
        body = order.body.encode()
        self.requests: Final = [self._request(parts.path, parts.netloc, headers, body) for headers in order.headers]
        self.idle: Final[deque[Connection]] = deque()
        self.firsts: Final[list[float]] = []
        self.lasts: Final[list[float]] = []
        self.events = 0
        self.failures = 0
        self.failure = ""
        self.number = 0
        self.is_counting = False
        self.is_over = False
        self.under_way = 0
        self.ahead_s = 0.0
        """Of the fine clock before the loop's, which knows no less than a millisecond."""
        self.settled: Final = self.loop.create_future()

    @staticmethod
    def _request(path: str, netloc: str, headers: dict[str, str], body: bytes) -> bytes:
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nhost: {netloc}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{told}\r\n"
        return head.encode() + body

    async def measure(self) -> Seen:
        """All of it."""
        order = self.order
        is_open = order.mode == "arrivals"
        count = round(order.per_second * order.seconds) + 1 if is_open else order.connections
        self.idle.extend([await self.connect() for _ in range(count)])
        begun_s = self.loop.time()
        self.ahead_s = time.perf_counter() - begun_s
        warm_s = order.seconds / WARM_SHARE
        self.loop.call_at(begun_s + warm_s, self.count)
        self.loop.call_at(begun_s + order.seconds, self.stop)
        if is_open:
            self.arrive(begun_s)
        else:
            for place in range(count):  # Spread over a tenth of a second, so that they do not march in step.
                self.loop.call_at(begun_s + 0.1 * place / count, self.go_on)
        self.loop.call_at(begun_s + order.seconds + LATE_S, self.give_up)
        await self.settled
        return self.seen(order.seconds - warm_s)

    async def connect(self) -> Connection:
        _, connection = await self.loop.create_connection(lambda: Connection(self), *self.place)
        return connection

    def arrive(self, due_s: float) -> None:
        if self.is_over:
            return
        self.ask(due_s + self.ahead_s)
        self.loop.call_at(due_s + 1 / self.order.per_second, self.arrive, due_s + 1 / self.order.per_second)

    def ask(self, due_s: float) -> None:
        connection = self.idle.pop()
        self.under_way += 1
        connection.ask(self.requests[self.number % len(self.requests)], due_s)
        self.number += 1

    def ended(self, connection: Connection) -> None:
        """An answer has come whole, or not."""
        self.under_way -= 1
        if connection.transport is not None:
            self.idle.append(connection)
        if self.is_over:
            if self.under_way == 0:
                self.give_up()
        elif self.order.mode != "arrivals" and self.idle:
            self.go_on()

    def go_on(self) -> None:
        """The next request, as soon as there is a connection for it."""
        self.ask(time.perf_counter())

    def fail(self, cause: str) -> None:
        self.failures += 1
        self.failure = self.failure or cause

    def count(self) -> None:
        self.is_counting = True

    def stop(self) -> None:
        """The time is over: what is under way may end, for it is not counted any more."""
        self.is_counting, self.is_over = False, True
        if self.under_way == 0 or self.order.mode == "streams":
            self.give_up()

    def give_up(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    def seen(self, seconds: float) -> Seen:
        """What was counted."""
        firsts, lasts = ([value * 1e3 for value in values] or [0.0] for values in (self.firsts, self.lasts))
        return Seen(
            answers=len(self.lasts),
            events=self.events,
            per_second=len(self.lasts) / seconds,
            events_per_second=self.events / seconds,
            first_ms_p50=statistics.median(firsts),
            first_ms_p99=cut(firsts, 99),
            last_ms_p50=statistics.median(lasts),
            last_ms_p99=cut(lasts, 99),
            failures=self.failures,
            failure=self.failure,
        )


def cut(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else values[0]


async def main() -> None:
    print(json.dumps(asdict(await Run(Order(**json.load(sys.stdin))).measure())))


if __name__ == "__main__":
    uvloop.run(main())
