"""The same client for programs with an event loop: each call runs in a thread, because a write hashes and uploads files."""

from typing import Final, Self

from anyio import to_thread

from zerog.chain.client import ChainClient
from zerog.primitives import Address
from zerog.runtime.faces import in_thread, step_by_step
from zerog.storage.client.client import StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.kv.client import KvClient

__all__ = ["AsyncKvClient"]


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
        await self.close()

    async def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        await to_thread.run_sync(self.blocking.close)

    request = in_thread(KvClient.request)
    status = in_thread(KvClient.status)
    progress = in_thread(KvClient.progress)
    result = in_thread(KvClient.result)
    holding_streams = in_thread(KvClient.holding_streams)
    follow = in_thread(KvClient.follow)
    items = in_thread(KvClient.items)
    streams = in_thread(KvClient.streams)
    key_page = in_thread(KvClient.key_page)
    get = in_thread(KvClient.get)
    get_proved = in_thread(KvClient.get_proved)
    read = in_thread(KvClient.read)
    stream = step_by_step(KvClient.stream)
    first = in_thread(KvClient.first)
    last = in_thread(KvClient.last)
    next = in_thread(KvClient.next)
    previous = in_thread(KvClient.previous)
    entries = step_by_step(KvClient.entries)
    may_write = in_thread(KvClient.may_write)
    is_admin = in_thread(KvClient.is_admin)
    is_writer = in_thread(KvClient.is_writer)
    is_special = in_thread(KvClient.is_special)
    is_writer_of_key = in_thread(KvClient.is_writer_of_key)
    put = in_thread(KvClient.put)
    delete = in_thread(KvClient.delete)
    write = in_thread(KvClient.write)
