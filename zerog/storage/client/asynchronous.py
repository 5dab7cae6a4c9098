"""The same client for programs with an event loop: each call runs in a thread, because the work is hashing and reading files."""

import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, cast

from anyio import get_cancelled_exc_class, to_thread

from zerog.chain.client import ChainClient, Payer
from zerog.primitives import Address
from zerog.runtime.faces import in_thread, step_by_step
from zerog.storage.client.client import StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.progress import Progress, ProgressCallback

__all__ = ["AsyncStorageClient"]

P = ParamSpec("P")
T = TypeVar("T")


class _CancelledTransferError(Exception):
    """Ends the thread of a call that nobody waits for any more."""


def _transfer(method: Callable[Concatenate[StorageClient, P], T]) -> "Callable[Concatenate[AsyncStorageClient, P], Coroutine[Any, Any, T]]":
    """A method that tells of its progress, run in a thread, which stops at the next piece if nobody waits for it any more."""

    @wraps(method)
    async def call(client: "AsyncStorageClient", /, *arguments: P.args, **options: P.kwargs) -> T:
        cancelled = threading.Event()
        progress = cast("ProgressCallback | None", options.get("progress"))

        def tell(now: Progress) -> None:
            if cancelled.is_set():
                raise _CancelledTransferError
            if progress is not None:
                progress(now)

        options["progress"] = tell
        try:
            return await to_thread.run_sync(partial(method, client.blocking, *arguments, **options), abandon_on_cancel=True)
        except get_cancelled_exc_class():
            cancelled.set()
            raise

    return call


class AsyncStorageClient:
    """As `StorageClient`, whose methods it has. A call that is cancelled ends at once; its thread stops at the next piece of the file.

    `progress` is called in that thread.
    """

    def __init__(
        self,
        *,
        indexer: str | None = None,
        nodes: Sequence[str] = (),
        chain: ChainClient | None = None,
        account: Payer | None = None,
        flow: Address | None = None,
        limits: PeerLimits | None = None,
    ) -> None:
        self.blocking: Final = StorageClient(indexer=indexer, nodes=nodes, chain=chain, account=account, flow=flow, limits=limits)
        """The client that does the work."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections to nodes; transfers that are under way fail."""
        await to_thread.run_sync(self.blocking.close)

    upload = _transfer(StorageClient.upload)
    upload_many = _transfer(StorageClient.upload_many)
    upload_directory = _transfer(StorageClient.upload_directory)
    download = _transfer(StorageClient.download)
    download_directory = _transfer(StorageClient.download_directory)
    read = in_thread(StorageClient.read)
    stream = step_by_step(StorageClient.stream)
    directory = in_thread(StorageClient.directory)
    stat = in_thread(StorageClient.stat)
    expiring = in_thread(StorageClient.expiring)
    files = in_thread(StorageClient.files)
