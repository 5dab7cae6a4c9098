"""One contract with its ABI: calls, transactions and events by their names, once for both faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zerog._kernel import abi_encode, keccak256
from zerog.chain.client import requests
from zerog.chain.client.abi import Abi, encode_call, event_of, function_of, interface_from, reverted, typed_values
from zerog.chain.client.errors import AbiMismatchError, RpcError
from zerog.chain.client.requests import BlockName
from zerog.chain.client.signer import Payer
from zerog.chain.client.steps import Steps, ask, within
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer, ReceiptAnswer
from zerog.contracts.interface import AbiValue, Event, Function
from zerog.primitives import Address, DecodeError, Hash32

if TYPE_CHECKING:
    from zerog.chain.client.calls import ChainCalls

__all__ = ["RECEIPT_TIMEOUT_S", "ContractCalls", "ContractEvent"]

RECEIPT_TIMEOUT_S: Final = 60.0
"""Public networks have a block every second or two."""
NO_FILTER: Final[Mapping[str, AbiValue]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractEvent:
    """An event of a contract, decoded."""

    name: str
    arguments: Mapping[str, Any]
    """By their names; those without one by their position, such as `"0"`. Of an indexed text or array it is the hash."""
    address: Address
    """Of the contract."""
    block_number: int
    transaction_hash: Hash32
    log_index: int


class ContractCalls:
    """The calls of one contract."""

    def __init__(self, chain: "ChainCalls", address: bytes, abi: Abi) -> None:
        self.chain: Final = chain
        self.address: Final = Address(address)
        self.interface: Final = interface_from(abi)

    def call(
        self,
        name: str,
        *arguments: AbiValue,
        block: BlockName = "latest",
        sender: bytes | None = None,
        value_wei: int = 0,
        timeout_s: float | None = None,
    ) -> Steps[Any]:
        """What a function returns, without a transaction: its value, a tuple of several, `None` for nothing.

        `name` is that of the function, or its signature where there are several with as many arguments. Addresses are given as bytes or as
        `0x…` text, and come back as `Address`; words of 32 bytes as `Hash32`. Raises `RevertedError`, `AbiMismatchError`.
        """
        function = function_of(self.interface, name, len(arguments))
        request = requests.call(self.address, encode_call(function, arguments), block, sender, value_wei)
        try:
            data = yield from ask(request, timeout_s=timeout_s)
        except RpcError as error:
            raise reverted(function.signature, error, self.interface.errors) from error
        try:
            values = typed_values(function.outputs, function.decode_result(data))
        except DecodeError as error:
            raise AbiMismatchError(f"{self.address} answers {function.signature} with something else: {error}") from None
        return values[0] if len(values) == 1 else values or None

    def estimate_gas(
        self, name: str, *arguments: AbiValue, value_wei: int = 0, account: Payer | None = None, timeout_s: float | None = None
    ) -> Steps[int]:
        """Gas that a transaction would need. Raises `RevertedError` where it would fail, `AbiMismatchError`."""
        function = function_of(self.interface, name, len(arguments))
        sender, data = self.chain.known_payer(account).address, encode_call(function, arguments)
        try:
            return (yield from self.chain.estimate_gas(sender, self.address, value_wei=value_wei, data=data, timeout_s=timeout_s))
        except RpcError as error:
            raise reverted(function.signature, error, self.interface.errors) from error

    def send(
        self,
        name: str,
        *arguments: AbiValue,
        value_wei: int = 0,
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Steps[Hash32]:
        """Call a function in a transaction; returns its hash at once. See `ChainClient.send`.

        Raises `RevertedError` where it would fail, before it is signed; `AbiMismatchError`.
        """
        function = function_of(self.interface, name, len(arguments))
        data = encode_call(function, arguments)
        steps = self.chain.send(self.address, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account, timeout_s=timeout_s)
        try:
            return (yield from steps)
        except RpcError as error:
            raise reverted(function.signature, error, self.interface.errors) from error

    def send_and_wait(
        self,
        name: str,
        *arguments: AbiValue,
        value_wei: int = 0,
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Steps[ReceiptAnswer]:
        """Call a function in a transaction and wait until it is in a block, up to 60 s by default.

        Raises `RevertedError` where it failed or would fail, `ReceiptTimeoutError`, `AbiMismatchError`.
        """
        function = function_of(self.interface, name, len(arguments))
        steps = self._send_and_wait(function, arguments, value_wei=value_wei, gas_limit=gas_limit, account=account)
        return (yield from within(RECEIPT_TIMEOUT_S if timeout_s is None else timeout_s, self.chain.late, steps))

    def _send_and_wait(
        self, function: Function, arguments: Sequence[AbiValue], *, value_wei: int, gas_limit: int | None, account: Payer | None
    ) -> Steps[ReceiptAnswer]:
        sent = yield from self.send(function.signature, *arguments, value_wei=value_wei, gas_limit=gas_limit, account=account)
        receipt = yield from self.chain.receipt_of(sent)
        if not receipt.succeeded:
            sender = self.chain.known_payer(account).address
            request = requests.call(self.address, encode_call(function, arguments), receipt.block_number - 1, sender, value_wei)
            raise (yield from self.chain.why(function.signature, request, receipt, self.interface.errors))
        return receipt

    def events(
        self,
        name: str,
        *,
        first: BlockName = "earliest",
        last: BlockName = "latest",
        where: Mapping[str, AbiValue] = NO_FILTER,
        timeout_s: float | None = None,
    ) -> Steps[list[ContractEvent]]:
        """The events of a name in a range of blocks, oldest first. `where` wants values of indexed arguments, by their names.

        Of a long range they are fetched in several requests, as the node gives them. Raises `AbiMismatchError`.
        """
        event = event_of(self.interface, name)
        criteria = LogCriteria((self.address,), ((event.topic,), *_topics(event, where)))
        if isinstance(first, int) or first == "earliest":
            begin = first if isinstance(first, int) else 0
            found = yield from self.chain.find_logs(criteria, first=begin, last=last, timeout_s=timeout_s)
        else:
            found = list((yield from ask(requests.logs(criteria, first, last), timeout_s=timeout_s)))
        return self._decoded(found, {event.topic: event})

    def events_of(self, receipt: ReceiptAnswer) -> list[ContractEvent]:
        """The events of this contract that a transaction caused, without asking the node. Unknown ones are left out."""
        return self._decoded(receipt.logs, {event.topic: event for event in self.interface.events.values()})

    def _decoded(self, logs: Sequence[LogAnswer], events: Mapping[Hash32, Event]) -> list[ContractEvent]:
        return [
            _decoded(log, events[log.topics[0]]) for log in logs if log.address == self.address and log.topics and log.topics[0] in events
        ]


def _decoded(log: LogAnswer, event: Event) -> ContractEvent:
    try:
        values = event.decode(log.topics, log.data)
    except DecodeError as error:
        raise AbiMismatchError(f"a log of {log.address} is no {event.signature}: {error}") from None
    kinds = [_kind_of(kind, is_indexed=is_indexed) for kind, is_indexed in event.inputs]
    names = [name or str(position) for position, name in enumerate(event.names or ("",) * len(kinds))]
    return ContractEvent(
        name=event.signature.split("(", 1)[0],
        arguments=dict(zip(names, typed_values(kinds, values), strict=True)),
        address=log.address,
        block_number=int(log.block_number),
        transaction_hash=log.transaction_hash,
        log_index=int(log.log_index),
    )


def _kind_of(kind: str, *, is_indexed: bool) -> str:
    """Of what does not fit a topic, its hash stands there."""
    return "bytes32" if is_indexed and _is_long(kind) else kind


def _is_long(kind: str) -> bool:
    return kind in ("string", "bytes") or kind.endswith(("]", ")"))


def _topics(event: Event, where: Mapping[str, AbiValue]) -> list[tuple[Hash32, ...]]:
    """The topics of the indexed arguments. Raises `AbiMismatchError`."""
    topics: list[tuple[Hash32, ...]] = []
    wanted = dict(where)
    for (kind, is_indexed), name in zip(event.inputs, event.names, strict=True):
        if is_indexed:
            topics.append(() if name not in wanted else (_topic(event, kind, wanted.pop(name)),))
    if wanted:
        raise AbiMismatchError(f"{event.signature} has no indexed argument {', '.join(map(repr, wanted))}")
    return topics


def _topic(event: Event, kind: str, value: AbiValue) -> Hash32:
    if kind in ("string", "bytes") and isinstance(value, str | bytes):
        return Hash32(keccak256(value.encode() if isinstance(value, str) else value))
    try:
        return Hash32(abi_encode([kind], [value]))
    except (DecodeError, ValueError) as error:
        raise AbiMismatchError(f"{event.signature}: {value!r} is no topic of {kind} ({error})") from None
