"""A client that waits without blocking its event loop."""

from collections.abc import Sequence
from typing import Self, TypeVar

import anyio
import httpx

from zerog.chain.client import requests
from zerog.chain.client.connections import trust_of
from zerog.chain.client.draft import sign_transaction
from zerog.chain.client.errors import NodeUnreachableError, ReceiptTimeoutError
from zerog.chain.client.requests import BlockName, Request, TransactionPlace, encode, read_answer
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import BlockAnswer, LogAnswer, ReceiptAnswer
from zerog.primitives import Account, Hash32

__all__ = ["AsyncChainClient"]

T = TypeVar("T")

REQUEST_TIMEOUT_S = 30.0
RECEIPT_POLL_S = 0.05
"""Between two looks for a receipt; a local chain has it at the first."""
JSON = {"content-type": "application/json"}


class AsyncChainClient:
    """Talks to one node. Every method raises `NodeUnreachableError`, `AnswerError` or `RpcError` when it fails."""

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` replaces the network, for a node in the same process."""
        self.url = url
        self._http = httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, transport=transport, headers=JSON, verify=trust_of(url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def request(self, method: str, *params: object) -> object:
        """Call any method of the node, with JSON values in and out."""
        return await self._run(requests.anything(method, params))

    async def client_version(self) -> str:
        """Name and version of the node."""
        return await self._run(requests.client_version())

    async def chain_id(self) -> int:
        """The chain id that signatures carry."""
        return await self._run(requests.chain_id())

    async def block_number(self) -> int:
        """Height of the newest block."""
        return await self._run(requests.block_number())

    async def block(self, name: BlockName = "latest") -> BlockAnswer | None:
        """A block, or `None` when there is none."""
        return await self._run(requests.block(name))

    async def balance(self, address: bytes, name: BlockName = "latest") -> int:
        """Wei that an account holds."""
        return await self._run(requests.balance(address, name))

    async def nonce(self, address: bytes, name: BlockName = "pending") -> int:
        """The nonce of an account's next transaction."""
        return await self._run(requests.nonce(address, name))

    async def code(self, address: bytes, name: BlockName = "latest") -> bytes:
        """Code of a contract."""
        return await self._run(requests.code(address, name))

    async def call(self, to: bytes, data: bytes, name: BlockName = "latest") -> bytes:
        """What a message call returns."""
        return await self._run(requests.call(to, data, name))

    async def receipt(self, transaction_hash: bytes) -> ReceiptAnswer | None:
        """What a transaction did, or `None` while it is in no block."""
        return await self._run(requests.receipt(transaction_hash))

    async def places(self, transaction_hashes: Sequence[bytes]) -> list[TransactionPlace | None]:
        """Who signed each transaction and where it is, `None` for an unknown one; in one request."""
        calls = [requests.place(transaction_hash) for transaction_hash in transaction_hashes]
        return requests.read_batch(calls, await self._post(requests.encode_batch(calls)), self.url)

    async def send_raw(self, transaction: bytes) -> Hash32:
        """Send a signed transaction; returns its hash."""
        return await self._run(requests.send_raw(transaction))

    async def logs(self, criteria: LogCriteria, first: BlockName = "earliest", last: BlockName = "latest") -> Sequence[LogAnswer]:
        """The logs of a range of blocks that match."""
        return await self._run(requests.logs(criteria, first, last))

    async def estimate_gas(self, sender: bytes, to: bytes | None, *, value_wei: int = 0, data: bytes = b"") -> int:
        """Gas that a transaction needs. Raises `RpcError` where it would fail."""
        return await self._run(requests.estimate(sender, to, value_wei, data))

    async def send(
        self, account: Account, to: bytes | None, *, value_wei: int = 0, data: bytes = b"", gas_limit: int | None = None
    ) -> Hash32:
        """Sign a transaction with the account's key and send it; returns its hash. Without `to` it creates a contract.

        The gas is estimated, if no limit is given. Raises `RpcError` where the estimate would fail.
        """
        head = await self.block("latest")
        if gas_limit is None:
            gas_limit = await self.estimate_gas(account.address, to, value_wei=value_wei, data=data)
        tip_wei = await self._run(requests.tip())
        raw = sign_transaction(
            account,
            chain_id=await self.chain_id(),
            nonce=await self.nonce(account.address),
            gas_limit=gas_limit,
            base_fee_wei=0 if head is None else head.base_fee_per_gas,
            tip_wei=tip_wei,
            to=to,
            value_wei=value_wei,
            data=data,
        )
        return await self.send_raw(raw)

    async def wait_for_receipt(self, transaction_hash: Hash32, *, timeout_s: float = 30.0) -> ReceiptAnswer:
        """The receipt, once the transaction is in a block. Raises `ReceiptTimeoutError`."""
        with anyio.move_on_after(timeout_s):
            while (receipt := await self.receipt(transaction_hash)) is None:  # noqa: ASYNC110 - the node cannot wake us over HTTP.
                await anyio.sleep(RECEIPT_POLL_S)
            return receipt
        raise ReceiptTimeoutError(transaction_hash, timeout_s)

    async def _run(self, request: Request[T]) -> T:
        return read_answer(request, await self._post(encode(request)), self.url)

    async def _post(self, body: bytes) -> bytes:
        try:
            answer = await self._http.post(self.url, content=body)
        except httpx.HTTPError as error:
            raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        return answer.content
