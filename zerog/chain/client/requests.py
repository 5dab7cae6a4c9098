"""The calls of a client, without I/O: what is sent, and how the answer is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from zerog.chain.client.errors import AnswerError, RpcError
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import BlockAnswer, LogAnswer, ReceiptAnswer, TransactionAnswer
from zerog.primitives import Address, Data, Hash32, Quantity, decode_hook, encode_data, encode_quantity

__all__ = ["BlockName", "FoundTransactions", "Request", "TransactionPlace", "encode", "encode_batch", "read_answer", "read_batch"]

T = TypeVar("T")

BlockName: TypeAlias = int | str
"""A height, or a tag: `latest`, `safe`, `finalized`, `pending`, `earliest`."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One call whose answer has type `T`."""

    method: str
    params: tuple[object, ...]
    decoder: "msgspec.json.Decoder[T]"


class TransactionPlace(msgspec.Struct, frozen=True, rename={"sender": "from", "block_hash": "blockHash"}):
    """Who signed a transaction, and which block it is in."""

    hash: Hash32
    sender: Address
    block_hash: Hash32 | None = None


class FoundTransactions(msgspec.Struct, frozen=True):
    """As Otterscan's methods have it."""

    txs: list[TransactionAnswer]
    lastPage: bool  # noqa: N815 - the name on the wire.


class _ErrorBody(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _ErrorBody | None = None
    id: int | str | float | None = None


def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ANSWERS: Final = msgspec.json.Decoder(list[_Answer])
_ANYTHING: Final = _decoder(Any)
_BLOCK: Final = _decoder(BlockAnswer | None)
_BYTES: Final = _decoder(Data)
_HASH: Final = _decoder(Hash32)
_LOGS: Final = _decoder(list[LogAnswer])
_NUMBER: Final = _decoder(Quantity)
_PLACE: Final = _decoder(TransactionPlace | None)
_RECEIPT: Final = _decoder(ReceiptAnswer | None)
_FOUND: Final = _decoder(FoundTransactions)
_TRANSACTION: Final = _decoder(TransactionAnswer | None)
_TEXT: Final = _decoder(str)


def encode(request: Request[T]) -> bytes:
    """The body to post."""
    return msgspec.json.encode(_call(1, request))


def encode_batch(requests: Sequence[Request[T]]) -> bytes:
    """The body to post for several calls at once."""
    return msgspec.json.encode([_call(number, request) for number, request in enumerate(requests)])


def _call(number: int, request: Request[T]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": request.method, "params": request.params}


def read_answer(request: Request[T], body: bytes, url: str) -> T:
    """The answer's value. Raises `RpcError` when the node refused, `AnswerError` when the body is not what a node says."""
    try:
        return _value(request, _ANSWER.decode(body))
    except msgspec.DecodeError as error:
        raise AnswerError(url, str(error)) from None


def read_batch(requests: Sequence[Request[T]], body: bytes, url: str) -> list[T]:
    """The answers' values in the order of the calls. Raises as `read_answer`."""
    try:
        answers = {answer.id: answer for answer in _ANSWERS.decode(body)}
        return [_value(request, answers[number]) for number, request in enumerate(requests)]
    except KeyError as error:
        raise AnswerError(url, f"a batch without an answer to call {error}") from None
    except msgspec.DecodeError as error:
        raise AnswerError(url, f"a batch: {error}") from None


def _value(request: Request[T], answer: _Answer) -> T:
    if answer.error is not None:
        raise RpcError(request.method, answer.error.code, answer.error.message, answer.error.data)
    return request.decoder.decode(answer.result)


def _name(block: BlockName) -> str:
    return encode_quantity(block) if isinstance(block, int) else block


def anything(method: str, params: Sequence[object]) -> Request[object]:
    """Any method, with JSON in and out."""
    return Request(method, tuple(params), _ANYTHING)


def client_version() -> Request[str]:
    return Request("web3_clientVersion", (), _TEXT)


def chain_id() -> Request[Quantity]:
    return Request("eth_chainId", (), _NUMBER)


def block_number() -> Request[Quantity]:
    return Request("eth_blockNumber", (), _NUMBER)


def block(name: BlockName) -> Request[BlockAnswer | None]:
    return Request("eth_getBlockByNumber", (_name(name), False), _BLOCK)


def balance(address: bytes, name: BlockName) -> Request[Quantity]:
    return Request("eth_getBalance", (encode_data(address), _name(name)), _NUMBER)


def nonce(address: bytes, name: BlockName) -> Request[Quantity]:
    return Request("eth_getTransactionCount", (encode_data(address), _name(name)), _NUMBER)


def code(address: bytes, name: BlockName) -> Request[Data]:
    return Request("eth_getCode", (encode_data(address), _name(name)), _BYTES)


def call(to: bytes | None, data: bytes, name: BlockName, sender: bytes | None = None, value_wei: int = 0) -> Request[Data]:
    message = {"input": encode_data(data)}
    if to is not None:
        message["to"] = encode_data(to)
    if sender is not None:
        message["from"] = encode_data(sender)
    if value_wei:
        message["value"] = encode_quantity(value_wei)
    return Request("eth_call", (message, _name(name)), _BYTES)


def estimate(sender: bytes, to: bytes | None, value_wei: int, data: bytes) -> Request[Quantity]:
    message = {"from": encode_data(sender), "value": encode_quantity(value_wei), "input": encode_data(data)}
    return Request("eth_estimateGas", (message | ({} if to is None else {"to": encode_data(to)}),), _NUMBER)


def tip() -> Request[Quantity]:
    return Request("eth_maxPriorityFeePerGas", (), _NUMBER)


def send_raw(transaction: bytes) -> Request[Hash32]:
    return Request("eth_sendRawTransaction", (encode_data(transaction),), _HASH)


def receipt(transaction_hash: bytes) -> Request[ReceiptAnswer | None]:
    return Request("eth_getTransactionReceipt", (encode_data(transaction_hash),), _RECEIPT)


def transaction(transaction_hash: bytes) -> Request[TransactionAnswer | None]:
    return Request("eth_getTransactionByHash", (encode_data(transaction_hash),), _TRANSACTION)


def transactions(address: bytes, before_block: int, count: int) -> Request[FoundTransactions]:
    return Request("ots_searchTransactionsBefore", (encode_data(address), before_block, count), _FOUND)


def add_balance(address: bytes, amount_wei: int) -> Request[object]:
    return Request("anvil_addBalance", (encode_data(address), encode_quantity(amount_wei)), _ANYTHING)


def place(transaction_hash: bytes) -> Request[TransactionPlace | None]:
    return Request("eth_getTransactionByHash", (encode_data(transaction_hash),), _PLACE)


def logs(criteria: LogCriteria, first: BlockName, last: BlockName) -> Request[list[LogAnswer]]:
    query = {
        "fromBlock": _name(first),
        "toBlock": _name(last),
        "address": [encode_data(address) for address in criteria.addresses],
        "topics": [[encode_data(topic) for topic in position] or None for position in criteria.topics],
    }
    return Request("eth_getLogs", (query,), _LOGS)
