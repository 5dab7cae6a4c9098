"""The client of a chain for programs with an event loop, which it does not block."""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self

from zerog.chain.client.abi import Abi
from zerog.chain.client.calls import ChainCalls
from zerog.chain.client.connections import JSON, trust_of
from zerog.chain.client.contracts import ContractCalls, ContractEvent
from zerog.chain.client.errors import NodeSilentError, NodeUnreachableError
from zerog.chain.client.requests import encode, encode_batch, read_answer, read_batch
from zerog.chain.client.signer import Payer
from zerog.chain.client.steps import REQUEST_TIMEOUT_S, Ask, AskMany, AsyncFace, Pause, Step, Steps, Work, describe, silent, waiting
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.primitives import Address
from zerog.runtime.deadlines import async_time_limit, check_time, left_s

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncChainClient", "AsyncContract"]


P = ParamSpec("P")


class AsyncContract(AsyncFace[ContractCalls]):
    """One contract: `ChainClient.contract` and `ChainClient.deploy` give it. `timeout_s` means what it means there."""

    def __init__(self, client: "AsyncChainClient", calls: ContractCalls) -> None:
        super().__init__(calls)
        self._client: Final = client
        self.address: Final = calls.address
        """Where it stands."""

    call = waiting(ContractCalls.call)
    estimate_gas = waiting(ContractCalls.estimate_gas)
    send = waiting(ContractCalls.send)
    send_and_wait = waiting(ContractCalls.send_and_wait)
    events = waiting(ContractCalls.events)

    def events_of(self, receipt: ReceiptAnswer) -> list[ContractEvent]:
        """The events of this contract that a transaction caused, without asking the node. Unknown ones are left out."""
        return self._calls.events_of(receipt)

    async def _do(self, step: Step) -> object:
        return await self._client._do(step)  # noqa: SLF001 - it lends its connection.


def _deploying(
    call: "Callable[Concatenate[ChainCalls, P], Steps[ContractCalls]]",
) -> "Callable[Concatenate[AsyncChainClient, P], Coroutine[Any, Any, AsyncContract]]":
    """As `waiting`, for what gives a contract."""

    @wraps(call)
    async def method(client: "AsyncChainClient", /, *arguments: P.args, **options: P.kwargs) -> AsyncContract:
        return AsyncContract(client, await client._take(call(client._calls, *arguments, **options)))  # noqa: SLF001

    describe(method, call, AsyncContract)
    return method


class AsyncChainClient(AsyncFace[ChainCalls]):
    """Talks to one node. Every method raises `NodeUnreachableError`, `AnswerError` or `RpcError` when it fails.

    `timeout_s` is how long a method may take as a whole, and ends it with a `NodeSilentError`, or `ReceiptTimeoutError` once a transaction
    was sent. Without it the node has 30 s for each answer, and what waits for a block 60 s.

    Close it, or use it in an `async with` block.
    """

    def __init__(self, url: str, *, account: Payer | None = None, transport: "httpx.AsyncBaseTransport | None" = None) -> None:
        """`account` signs what is sent, unless another is named. `transport` replaces the network, for a node in the same process."""
        from zerog.runtime.outgoing import httpx  # It takes a while, and not everybody who could connect does.

        super().__init__(ChainCalls(url, account))
        self.url: Final = url
        self._http: Final = httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, transport=transport, headers=JSON, verify=trust_of(url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    request = waiting(ChainCalls.request)
    client_version = waiting(ChainCalls.client_version)
    chain_id = waiting(ChainCalls.chain_id)
    block_number = waiting(ChainCalls.block_number)
    block = waiting(ChainCalls.block)
    balance = waiting(ChainCalls.balance)
    nonce = waiting(ChainCalls.nonce)
    code = waiting(ChainCalls.code)
    call = waiting(ChainCalls.call)
    transaction = waiting(ChainCalls.transaction)
    transactions = waiting(ChainCalls.transactions)
    receipt = waiting(ChainCalls.receipt)
    places = waiting(ChainCalls.places)
    logs = waiting(ChainCalls.logs)
    find_logs = waiting(ChainCalls.find_logs)
    estimate_gas = waiting(ChainCalls.estimate_gas)
    send = waiting(ChainCalls.send)
    send_and_wait = waiting(ChainCalls.send_and_wait)
    send_raw = waiting(ChainCalls.send_raw)
    deploy = _deploying(ChainCalls.deploy)
    faucet = waiting(ChainCalls.faucet)
    wait_for_receipt = waiting(ChainCalls.wait_for_receipt)

    def contract(self, address: bytes | str, abi: Abi) -> AsyncContract:
        """A contract that stands on the chain, by its address and its ABI (JSON, or what a JSON reader made of it).

        Raises `AbiMismatchError`, and `ValueError` for what is no address. Whether a contract stands there shows with the first call.
        """
        return AsyncContract(self, ContractCalls(self._calls, Address.from_json(address) if isinstance(address, str) else address, abi))

    async def _do(self, step: Step) -> object:
        match step:
            case Ask(request, timeout_s):
                return read_answer(request, await self._post(encode(request), request.method, timeout_s), self.url)
            case AskMany(requests, timeout_s):
                return read_batch(requests, await self._post(encode_batch(requests), f"{len(requests)} calls", timeout_s), self.url)
            case Pause(pause_s):
                import anyio

                await anyio.sleep(left_s(pause_s))
                return None
            case Work(function):
                from anyio import to_thread

                return await to_thread.run_sync(function)

    async def _post(self, body: bytes, what: str, timeout_s: float) -> bytes:
        from zerog.runtime.outgoing import httpx

        async with async_time_limit(timeout_s, partial(silent, self.url, what)):
            try:
                answer = await self._http.post(self.url, content=body, timeout=left_s(timeout_s))
            except httpx.TimeoutException as error:
                check_time()
                raise NodeSilentError(self.url, what, timeout_s) from error
            except httpx.HTTPError as error:
                raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        return answer.content
