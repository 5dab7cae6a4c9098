"""The way of published receipts into 0G Storage: paid by the provider's account, whose transactions take turns with its settlements."""

from functools import partial
from typing import Final

import anyio
from anyio import from_thread, to_thread

from zerog.chain.client import ChainClient, Payer
from zerog.compute.protocol.published import PublishedTags
from zerog.primitives import Account, Hash32
from zerog.storage.client import AsyncStorageClient, UploadOptions

__all__ = ["ReceiptFiles"]


class _ClientInTurn(ChainClient):
    """A client for threads of this event loop, whose transactions wait until no settlement is being numbered."""

    def __init__(self, url: str, turn: anyio.Lock) -> None:
        super().__init__(url)
        self._turn: Final = turn

    def send(
        self,
        to: bytes | None,
        *,
        value_wei: int = 0,
        data: bytes = b"",
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Hash32:
        """As `ChainClient.send`, in turn."""
        send = partial(super().send, to, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account, timeout_s=timeout_s)
        return from_thread.run(self._in_turn, send)

    async def _in_turn(self, send: "partial[Hash32]") -> Hash32:
        async with self._turn:
            return await to_thread.run_sync(send)


class ReceiptFiles:
    """Stores documents through one indexer. Close it in the end."""

    def __init__(self, indexer: str, *, chain_url: str, account: Account, turn: anyio.Lock) -> None:
        """`turn` is held by whoever numbers a transaction of `account`."""
        self._chain: Final = _ClientInTurn(chain_url, turn)
        self._storage: Final = AsyncStorageClient(indexer=indexer, chain=self._chain, account=account)

    async def store(self, data: bytes, tags: PublishedTags) -> Hash32:
        """Store a document, and return its root once the nodes have it. What they have already is not paid for again.

        Raises `StorageError`s, `ChainClientError`s and `FlowCallRefusedError`.
        """
        upload = await self._storage.upload(data, UploadOptions(tags=tags.to_bytes()))
        return upload.root

    async def close(self) -> None:
        """Let go of all connections."""
        await self._storage.close()
        self._chain.close()
