"""The client of a chain for programs without an event loop."""

import threading
from typing import Final, Self

import httpx

from zerog.chain.client.calls import ChainCalls
from zerog.chain.client.connections import JSON, trust_of
from zerog.chain.client.errors import NodeUnreachableError
from zerog.chain.client.requests import encode, encode_batch, read_answer, read_batch
from zerog.chain.client.signer import Payer
from zerog.chain.client.steps import REQUEST_TIMEOUT_S, Ask, AskMany, BlockingFace, Pause, Step, Work, blocking

__all__ = ["ChainClient"]


class ChainClient(BlockingFace[ChainCalls]):
    """Talks to one node. Every method raises `NodeUnreachableError`, `AnswerError` or `RpcError` when it fails.

    Close it, or use it in a `with` block.
    """

    def __init__(self, url: str, *, account: Payer | None = None, transport: httpx.BaseTransport | None = None) -> None:
        """`account` signs what is sent, unless another is named. `transport` replaces the network, for a node in the same process."""
        super().__init__(ChainCalls(url, account))
        self.url: Final = url
        self._http: Final = httpx.Client(timeout=REQUEST_TIMEOUT_S, transport=transport, headers=JSON, verify=trust_of(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    request = blocking(ChainCalls.request)
    client_version = blocking(ChainCalls.client_version)
    chain_id = blocking(ChainCalls.chain_id)
    block_number = blocking(ChainCalls.block_number)
    block = blocking(ChainCalls.block)
    balance = blocking(ChainCalls.balance)
    nonce = blocking(ChainCalls.nonce)
    code = blocking(ChainCalls.code)
    call = blocking(ChainCalls.call)
    receipt = blocking(ChainCalls.receipt)
    places = blocking(ChainCalls.places)
    logs = blocking(ChainCalls.logs)
    estimate_gas = blocking(ChainCalls.estimate_gas)
    send = blocking(ChainCalls.send)
    send_raw = blocking(ChainCalls.send_raw)
    wait_for_receipt = blocking(ChainCalls.wait_for_receipt)

    def _do(self, step: Step) -> object:
        match step:
            case Ask(request, timeout_s):
                return read_answer(request, self._post(encode(request), timeout_s), self.url)
            case AskMany(requests, timeout_s):
                return read_batch(requests, self._post(encode_batch(requests), timeout_s), self.url)
            case Pause(pause_s):
                threading.Event().wait(pause_s)  # Nobody sets it: a wait that ends by its time-out.
                return None
            case Work(function):
                return function()

    def _post(self, body: bytes, timeout_s: float) -> bytes:
        try:
            answer = self._http.post(self.url, content=body, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        return answer.content
