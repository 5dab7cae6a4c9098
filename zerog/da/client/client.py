"""The same client for programs without an event loop: its own runs in a thread."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from zerog.da.client.asynchronous import AsyncDaClient
from zerog.da.client.results import CheckedSample, Dispersal, ProgressCallback, WaitUntil
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobPage, BlobState, BlobStatus
from zerog.primitives import Hash32

if TYPE_CHECKING:
    from zerog.da.client.confirmation import Confirmation

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
        self._inner: Final = self._portal.call(make)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections, and end the thread. Closing twice is closing."""
        with self._open.pop_all():
            self._portal.call(self._inner.close)

    def put(
        self,
        data: bytes,
        *,
        wait_until: WaitUntil = "finalized",
        timeout_s: float = 300.0,
        progress: ProgressCallback | None = None,
    ) -> Dispersal:
        """See `AsyncDaClient.put`."""
        return self._run(partial(self._inner.put, data, wait_until=wait_until, timeout_s=timeout_s, progress=progress))

    def wait(self, request_id: str, *, wait_until: WaitUntil = "finalized", timeout_s: float = 300.0) -> BlobState:
        """See `AsyncDaClient.wait`."""
        return self._run(partial(self._inner.wait, request_id, wait_until=wait_until, timeout_s=timeout_s))

    def status(self, request_id: str) -> BlobState:
        """See `AsyncDaClient.status`."""
        return self._run(partial(self._inner.status, request_id))

    def blobs(self, cursor: str = "", *, status: BlobStatus = BlobStatus.UNKNOWN, limit: int = 100) -> BlobPage:
        """See `AsyncDaClient.blobs`."""
        return self._run(partial(self._inner.blobs, cursor, status=status, limit=limit))

    def get(self, name: BlobName) -> bytes:
        """See `AsyncDaClient.get`."""
        return self._run(partial(self._inner.get, name))

    def sample(
        self, root: Hash32, row_index: int, subline_index: int, *, epoch: int | None = None, quorum_id: int | None = None
    ) -> CheckedSample:
        """See `AsyncDaClient.sample`."""
        return self._run(partial(self._inner.sample, root, row_index, subline_index, epoch=epoch, quorum_id=quorum_id))

    def confirmation(self, root: Hash32, *, wait_s: float = 0.0) -> "Confirmation":
        """See `AsyncDaClient.confirmation`."""
        return self._run(partial(self._inner.confirmation, root, wait_s=wait_s))

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        """In the other thread; whoever is interrupted here ends it there."""
        running = self._portal.start_task_soon(work)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise
