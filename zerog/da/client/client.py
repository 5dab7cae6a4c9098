"""The same client for programs without an event loop: its own runs in a thread."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Final, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from zerog.da.client.asynchronous import AsyncDaClient
from zerog.runtime.faces import in_loop

__all__ = ["DaClient"]

T = TypeVar("T")


class DaClient:
    """As `AsyncDaClient`, whose methods it has, from any number of threads. Close it, or use it in a `with` block.

    `progress` is called in the client's own thread.
    """

    def __init__(
        self,
        *,
        disperser: str | None = None,
        retriever: str | None = None,
        gateway: str | None = None,
        chain_url: str | None = None,
        development: bool = False,
    ) -> None:
        """Addresses as `host:port`, those of the gateway and of a node of the chain as URLs.

        `development` is for networks of the small blobs that tests use.
        """
        self._open: Final = ExitStack()
        self._portal: Final = self._open.enter_context(start_blocking_portal(name="zerog-da"))
        places = partial(AsyncDaClient, disperser=disperser, retriever=retriever, gateway=gateway, chain_url=chain_url)
        make = partial(places, development=development)
        self.waiting: Final = self._portal.call(make)
        """The client that does the work, in the other thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections, and end the thread. Closing twice is closing."""
        with self._open.pop_all():
            self._portal.call(self.waiting.close)

    put = in_loop(AsyncDaClient.put)
    wait = in_loop(AsyncDaClient.wait)
    status = in_loop(AsyncDaClient.status)
    blobs = in_loop(AsyncDaClient.blobs)
    get = in_loop(AsyncDaClient.get)
    sample = in_loop(AsyncDaClient.sample)
    confirmation = in_loop(AsyncDaClient.confirmation)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """In the other thread; whoever is interrupted here ends it there."""
        running = self._portal.start_task_soon(work)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise
