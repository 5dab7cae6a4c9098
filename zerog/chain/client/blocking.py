"""The client of a chain for programs without an event loop."""

from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, Self

from zerog.chain.client.abi import Abi
from zerog.chain.client.calls import ChainCalls
from zerog.chain.client.connections import JSON, trust_of
from zerog.chain.client.contracts import ContractCalls, ContractEvent
from zerog.chain.client.errors import NodeSilentError, NodeUnreachableError
from zerog.chain.client.requests import encode, encode_batch, read_answer, read_batch
from zerog.chain.client.signer import Payer
from zerog.chain.client.steps import REQUEST_TIMEOUT_S, Ask, AskMany, BlockingFace, Pause, Step, Steps, Work, blocking, describe, silent
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.primitives import Address
from zerog.runtime.deadlines import check_time, left_s, rest, time_limit

if TYPE_CHECKING:
    import httpx

__all__ = ["ChainClient", "Contract"]


P = ParamSpec("P")


class Contract(BlockingFace[ContractCalls]):
    """One contract: `ChainClient.contract` and `ChainClient.deploy` give it. `timeout_s` means what it means there."""

    def __init__(self, client: "ChainClient", calls: ContractCalls) -> None:
        super().__init__(calls)
        self._client: Final = client
        self.address: Final = calls.address
        """Where it stands."""

    call = blocking(ContractCalls.call)
    estimate_gas = blocking(ContractCalls.estimate_gas)
    send = blocking(ContractCalls.send)
    send_and_wait = blocking(ContractCalls.send_and_wait)
    events = blocking(ContractCalls.events)

    def events_of(self, receipt: ReceiptAnswer) -> list[ContractEvent]:
        """The events of this contract that a transaction caused, without asking the node. Unknown ones are left out."""
        return self._calls.events_of(receipt)

    def _do(self, step: Step) -> object:
        return self._client._do(step)  # noqa: SLF001 - it lends its connection.


def _deploying(call: "Callable[Concatenate[ChainCalls, P], Steps[ContractCalls]]") -> "Callable[Concatenate[ChainClient, P], Contract]":
    """As `blocking`, for what gives a contract."""

    @wraps(call)
    def method(client: "ChainClient", /, *arguments: P.args, **options: P.kwargs) -> Contract:
        return Contract(client, client._take(call(client._calls, *arguments, **options)))  # noqa: SLF001

    describe(method, call, Contract)
    return method


class ChainClient(BlockingFace[ChainCalls]):
    """Talks to one node. Every method raises `NodeUnreachableError`, `AnswerError` or `RpcError` when it fails.

    `timeout_s` is how long a method may take as a whole, and ends it with a `NodeSilentError`, or `ReceiptTimeoutError` once a transaction
    was sent. Without it the node has 30 s for each answer, and what waits for a block 60 s.

    Close it, or use it in a `with` block.
    """

    def __init__(self, url: str, *, account: Payer | None = None, transport: "httpx.BaseTransport | None" = None) -> None:
        """`account` signs what is sent, unless another is named. `transport` replaces the network, for a node in the same process."""
        from zerog.runtime.outgoing import httpx  # It takes a while, and not everybody who could connect does.
        from zerog.runtime.outgoing_sockets import within_time_limits

        super().__init__(ChainCalls(url, account))
        self.url: Final = url
        client = httpx.Client(timeout=REQUEST_TIMEOUT_S, transport=transport, headers=JSON, verify=trust_of(url))
        self._http: Final = within_time_limits(client)

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
    transaction = blocking(ChainCalls.transaction)
    transactions = blocking(ChainCalls.transactions)
    receipt = blocking(ChainCalls.receipt)
    places = blocking(ChainCalls.places)
    logs = blocking(ChainCalls.logs)
    find_logs = blocking(ChainCalls.find_logs)
    estimate_gas = blocking(ChainCalls.estimate_gas)
    send = blocking(ChainCalls.send)
    send_and_wait = blocking(ChainCalls.send_and_wait)
    send_raw = blocking(ChainCalls.send_raw)
    deploy = _deploying(ChainCalls.deploy)
    faucet = blocking(ChainCalls.faucet)
    wait_for_receipt = blocking(ChainCalls.wait_for_receipt)

    def contract(self, address: bytes | str, abi: Abi) -> Contract:
        """A contract that stands on the chain, by its address and its ABI (JSON, or what a JSON reader made of it).

        Raises `AbiMismatchError`, and `ValueError` for what is no address. Whether a contract stands there shows with the first call.
        """
        return Contract(self, ContractCalls(self._calls, Address.from_json(address) if isinstance(address, str) else address, abi))

    def _do(self, step: Step) -> object:
        match step:
            case Ask(request, timeout_s):
                return read_answer(request, self._post(encode(request), request.method, timeout_s), self.url)
            case AskMany(requests, timeout_s):
                return read_batch(requests, self._post(encode_batch(requests), f"{len(requests)} calls", timeout_s), self.url)
            case Pause(pause_s):
                rest(pause_s)
                return None
            case Work(function):
                return function()

    def _post(self, body: bytes, what: str, timeout_s: float) -> bytes:
        from zerog.runtime.outgoing import httpx

        with time_limit(timeout_s, partial(silent, self.url, what)):
            try:
                answer = self._http.post(self.url, content=body, timeout=left_s(timeout_s))
            except httpx.TimeoutException as error:
                check_time()
                raise NodeSilentError(self.url, what, timeout_s) from error
            except httpx.HTTPError as error:
                raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        return answer.content
