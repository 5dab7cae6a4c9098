"""The same client for programs with an event loop: each call runs in a thread, because a write hashes and uploads files.

Every method is the blocking client's, taken as it is: what it takes, returns and raises is said there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Concatenate, Final, Generic, ParamSpec, Self, TypeVar, overload

from anyio import to_thread

from zerog.chain.client import ChainClient
from zerog.primitives import Address
from zerog.storage.client.client import StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.kv.client import KvClient

__all__ = ["AsyncKvClient"]

P = ParamSpec("P")
R = TypeVar("R")


class _InThread(Generic[P, R]):
    """A method of the blocking client, run in a thread. Who is cancelled waits no longer; the call ends by itself, within its limits."""

    def __init__(self, method: Callable[Concatenate[KvClient, P], R]) -> None:
        self._method: Final = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, client: None, owner: "type[AsyncKvClient]") -> Self: ...
    @overload
    def __get__(self, client: "AsyncKvClient", owner: "type[AsyncKvClient]") -> Callable[P, Awaitable[R]]: ...
    def __get__(self, client: "AsyncKvClient | None", owner: "type[AsyncKvClient]") -> "Self | Callable[P, Awaitable[R]]":
        if client is None:
            return self
        method = self._method.__get__(client.blocking)

        async def call(*arguments: P.args, **options: P.kwargs) -> R:
            return await to_thread.run_sync(partial(method, *arguments, **options), abandon_on_cancel=True)

        return call


class _StepByStep(Generic[P, R]):
    """A method that yields, each step of it in a thread."""

    def __init__(self, method: Callable[Concatenate[KvClient, P], Iterator[R]]) -> None:
        self._method: Final = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, client: None, owner: "type[AsyncKvClient]") -> Self: ...
    @overload
    def __get__(self, client: "AsyncKvClient", owner: "type[AsyncKvClient]") -> Callable[P, AsyncIterator[R]]: ...
    def __get__(self, client: "AsyncKvClient | None", owner: "type[AsyncKvClient]") -> "Self | Callable[P, AsyncIterator[R]]":
        if client is None:
            return self
        method = self._method.__get__(client.blocking)

        async def steps(*arguments: P.args, **options: P.kwargs) -> AsyncIterator[R]:
            found = await to_thread.run_sync(partial(method, *arguments, **options))
            while (step := await to_thread.run_sync(next, found, None)) is not None:
                yield step

        return steps


class AsyncKvClient:
    """As `KvClient`, whose methods it has."""

    def __init__(
        self,
        url: str,
        *,
        storage: StorageClient | None = None,
        chain: ChainClient | None = None,
        flow: Address | None = None,
        limits: PeerLimits | None = None,
    ) -> None:
        """`storage` and `chain` are the blocking ones, since they are used in threads; see `KvClient`."""
        self.blocking: Final = KvClient(url, storage=storage, chain=chain, flow=flow, limits=limits)
        """The client that does the work."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        self.blocking.close()

    request = _InThread(KvClient.request)
    status = _InThread(KvClient.status)
    progress = _InThread(KvClient.progress)
    result = _InThread(KvClient.result)
    holding_streams = _InThread(KvClient.holding_streams)
    follow = _InThread(KvClient.follow)
    items = _InThread(KvClient.items)
    streams = _InThread(KvClient.streams)
    key_page = _InThread(KvClient.key_page)
    get = _InThread(KvClient.get)
    get_proved = _InThread(KvClient.get_proved)
    read = _InThread(KvClient.read)
    stream = _StepByStep(KvClient.stream)
    first = _InThread(KvClient.first)
    last = _InThread(KvClient.last)
    next = _InThread(KvClient.next)
    previous = _InThread(KvClient.previous)
    entries = _StepByStep(KvClient.entries)
    may_write = _InThread(KvClient.may_write)
    is_admin = _InThread(KvClient.is_admin)
    is_writer = _InThread(KvClient.is_writer)
    is_special = _InThread(KvClient.is_special)
    is_writer_of_key = _InThread(KvClient.is_writer_of_key)
    put = _InThread(KvClient.put)
    delete = _InThread(KvClient.delete)
    write = _InThread(KvClient.write)
