"""A small JSON-RPC service with one method of each kind, for tests of the transport, and a raw client that can misbehave."""

import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio.abc import SocketStream

from zerog._kernel import Front, Ledger
from zerog.primitives import Address, Data, Quantity, ZerogError
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import AsgiApplication
from zerog.runtime.http.front import plain_hosts
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Connection, ConnectionLimits, Dispatcher, JsonRpcApplication, Namespace, RpcLimits
from zerog.runtime.server import serve

LOOPS: dict[str, tuple[str, dict[str, bool]]] = {
    name: ("asyncio", {"use_uvloop": name == "uvloop"}) for name in ("asyncio", *(["uvloop"] if sys.platform != "win32" else []))
}
"""The event loops that a server may run on; how a connection ends differs between them."""

small = Namespace("small")
other = Namespace("other")

GENESIS = msgspec.json.encode({"config": {"chainId": 1}, "alloc": {}, "difficulty": "0x0", "gasLimit": "0x1c9c380"})
ONE = Quantity(1)
CALL = b'{"jsonrpc":"2.0","id":1,"method":"small_echo","params":["hello"]}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":"hello"}'


class EmptyTillError(RefusalError):
    """An expected failure with a code and data of its own."""

    rpc_code = 3

    @property
    def rpc_data(self) -> object | None:
        return "0x08c379a0"

    def __str__(self) -> str:
        return "execution reverted: the till is empty"


@dataclass(eq=False)
class SmallService:
    """What the methods below serve."""

    journal: list[object] = field(default_factory=list)
    """What was executed, in order."""
    opened: anyio.Event = field(default_factory=anyio.Event)
    """Lets `small_wait` answer."""
    waiting: int = 0
    """How many calls of `small_wait` have begun."""
    connection: Connection | None = None
    """The last one that subscribed."""
    ended: list[str] = field(default_factory=list)
    """Subscriptions that are over."""


@small.method("echo", aliases=["small_repeat"])
def echo(service: SmallService, value: object) -> object:
    service.journal.append(value)
    return value


@small.method("add")
async def add(service: SmallService, number: Quantity, more: Quantity = ONE) -> Quantity:
    await anyio.lowlevel.checkpoint()
    service.journal.append(int(number))
    return Quantity(number + more)


@small.method("owner")
def owner(_service: SmallService, address: Address, tag: str = "latest", flag: bool | None = None) -> list[object]:
    return [address, tag, flag]


@small.method("raw")
def raw(_service: SmallService) -> msgspec.Raw:
    return msgspec.Raw(b'{"already":"json"}')


@small.method("blob")
def blob(_service: SmallService, size_bytes: int) -> str:
    return "x" * size_bytes


@small.method("refuse")
def refuse(_service: SmallService) -> None:
    raise EmptyTillError


@small.method("crash")
def crash(_service: SmallService, detail: str = "swordfish") -> None:
    raise KeyError(detail)


@small.method("crashLater")
async def crash_later(_service: SmallService) -> None:
    await anyio.lowlevel.checkpoint()
    raise KeyError("swordfish")


@small.method("wait")
async def wait(service: SmallService) -> bool:
    service.waiting += 1
    await service.opened.wait()
    service.journal.append("waited")
    return True


@small.method("perhaps")
def perhaps(service: SmallService, number: Quantity) -> Quantity | Coroutine[object, object, Quantity]:
    """Answers even numbers at once."""
    return add(service, number) if number % 2 else Quantity(number)


async def take_together(service: SmallService, calls: Sequence[tuple[Data]]) -> Sequence[object | ZerogError]:
    await anyio.lowlevel.checkpoint()
    service.journal.append([bytes(data) for (data,) in calls])
    return [data or EmptyTillError() for (data,) in calls]


@small.method("take", batched=take_together)
async def take(service: SmallService, data: Data) -> Data:
    (outcome,) = await take_together(service, [(data,)])
    if isinstance(outcome, ZerogError):
        raise outcome
    return data


@small.method("reset", dev=True)
def reset(service: SmallService) -> bool:
    service.journal.clear()
    return True


@small.method("subscribe", needs_connection=True)
def subscribe(service: SmallService, connection: Connection, first: object = None) -> str:
    service.connection = connection
    subscription_id = connection.subscribe(lambda: service.ended.append(subscription_id))
    if first is not None:
        connection.notify(subscription_id, msgspec.json.encode(first))
    return subscription_id


@small.method("unsubscribe", needs_connection=True)
def unsubscribe(_service: SmallService, connection: Connection, subscription_id: str) -> bool:
    connection.unsubscribe(subscription_id)
    return True


@other.method("name")
def name(_service: SmallService) -> str:
    return "other"


def dispatcher(service: SmallService, *, limits: RpcLimits | None = None) -> Dispatcher:
    return Dispatcher(service, [small, other], limits=limits)


@dataclass(frozen=True)
class Running:
    """A service on a port of this machine."""

    service: SmallService
    url: str

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws")


@asynccontextmanager
async def running(
    *,
    rules: AccessRules | None = None,
    limits: HttpLimits | None = None,
    rpc_limits: RpcLimits | None = None,
    connection_limits: ConnectionLimits | None = None,
    pages: RolePages | None = None,
    host: str = "127.0.0.1",
    grace_s: float = 5.0,
    has_front: bool = True,
    mounts: Mapping[str, Dispatcher | AsgiApplication] | None = None,
    is_anywhere: bool = False,
) -> AsyncIterator[Running]:
    """The service behind a real socket, with a front before it that knows none of its methods."""
    service = SmallService()
    app = JsonRpcApplication(
        dispatcher(service, limits=rpc_limits),
        Guard(rules or AccessRules()),
        pages=pages,
        limits=limits,
        connection_limits=connection_limits,
        mounts=mounts,
        is_anywhere=is_anywhere,
    )

    with chain_behind_a_front() if has_front else nullcontext() as ledger:

        def open_front(listener: socket.socket, wake: socket.socket, limits: HttpLimits) -> Front:
            hosts = plain_hosts(Guard(rules or AccessRules()), listener.getsockname()[1])
            assert ledger is not None
            return ledger.open_front(
                listener=listener.fileno(),
                wake=wake.fileno(),
                hosts=hosts,
                idle_s=limits.idle_s,
                connections_max=8,
                gas_cap=1_000_000,
                time_limit_s=0.1,
            )

        async def start(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            opener = open_front if has_front else None
            await serve(app, host, 0, limits=limits, grace_s=grace_s, open_front=opener, task_status=task_status)

        async with anyio.create_task_group() as tasks:
            url = await tasks.start(start)
            yield Running(service, url)
            tasks.cancel_scope.cancel()


@contextmanager
def chain_behind_a_front() -> Iterator[Ledger]:
    """A chain in memory: what a front answers from."""
    ledger = Ledger.open(None, GENESIS)
    yield ledger
    ledger.close()


@dataclass(frozen=True)
class Response:
    """A complete HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The error's text."""
        return str(msgspec.json.decode(self.body)["error"]["message"])


@dataclass
class RawClient:
    """An HTTP client that sends what it is told, byte for byte."""

    stream: SocketStream
    unread: bytes = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def response(self) -> Response:
        """The next response; `anyio.EndOfStream` if the server closes instead."""
        while b"\r\n\r\n" not in self.unread:
            self.unread += await self.stream.receive()
        head, _, rest = self.unread.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            rest += await self.stream.receive()
        self.unread = rest[length:]
        return Response(int(lines[0].split(" ")[1]), headers, rest[:length])

    async def count_until_closed(self) -> int:
        """How many bytes still come before the server closes."""
        count = len(self.unread)
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                count += len(await self.stream.receive())
        return count

    async def is_closed(self) -> bool:
        """Whether the server closes (it may take a moment, so this waits for it)."""
        try:
            await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True
        return False


@asynccontextmanager
async def raw_client(running_service: Running) -> AsyncIterator[RawClient]:
    async with AsyncExitStack() as stack:
        yield RawClient(await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", running_service.port)))


def post(body: bytes, *headers: str, host: str = "localhost", method: str = "POST", target: str = "/") -> bytes:
    """An HTTP request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
