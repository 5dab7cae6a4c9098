"""An indexer on a port of its own, for tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx

from zerog.storage.indexer.service import StorageIndexer
from zerog.storage.indexer.settings import IndexerSettings

__all__ = ["RefusedError", "Running", "running_indexer"]


class RefusedError(Exception):
    """What JSON-RPC answered instead of a result."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data


class Running:
    """An indexer that serves, and a plain client for it."""

    def __init__(self, service: StorageIndexer, url: str, http: httpx.AsyncClient) -> None:
        self.service = service
        self.url = url
        self.http = http

    async def call(self, method: str, *params: object, path: str = "/") -> Any:
        """The result of a call. Raises `RefusedError`."""
        answer = await self.http.post(path, json={"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        if "error" in body:
            raise RefusedError(body["error"]["code"], body["error"]["message"], body["error"].get("data"))
        return body["result"]


@asynccontextmanager
async def running_indexer(nodes: Sequence[str] = (), **settings: Any) -> AsyncIterator[Running]:
    """An indexer of `nodes` on a port that the system chooses."""
    service = StorageIndexer(IndexerSettings(nodes=tuple(nodes), port=0, **settings))
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(service.run)
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            yield Running(service, url, http)
        tasks.cancel_scope.cancel()
