"""What can go wrong between a client and a node.

ChainClientError
├── NodeUnreachableError   no connection, or no answer in time
├── AnswerError            an answer that is no JSON-RPC; the node's fault
├── RpcError               the node refused, in its own words
├── NoKeyError             a transaction needs a key that signs it
└── ReceiptTimeoutError    the transaction is not in a block yet
"""

from dataclasses import dataclass

from zerog.primitives import Hash32
from zerog.primitives.errors import RefusalError

__all__ = ["AnswerError", "ChainClientError", "NoKeyError", "NodeUnreachableError", "ReceiptTimeoutError", "RpcError"]


class ChainClientError(RefusalError):
    """A call to a node that did not succeed."""


@dataclass(eq=False)
class NodeUnreachableError(ChainClientError):
    """Nobody answers at the URL."""

    url: str
    cause: str

    code = "node_unreachable"
    remedy = "start the network with `zerog up`, or check the URL"
    http_status = 502

    def __str__(self) -> str:
        return f"no answer from {self.url}: {self.cause}"


@dataclass(eq=False)
class AnswerError(ChainClientError):
    """What came back is not what a node answers."""

    url: str
    cause: str

    code = "answer_invalid"
    remedy = "check that the URL is that of an Ethereum JSON-RPC"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.url} gave no JSON-RPC answer: {self.cause}"


@dataclass(eq=False)
class RpcError(ChainClientError):
    """The node answered with an error."""

    method: str
    number: int
    """The JSON-RPC error code."""
    message: str
    data: object = None

    code = "rpc_error"
    remedy = "read the node's message"

    def __str__(self) -> str:
        return f"{self.method}: {self.message} ({self.number})"


class NoKeyError(ChainClientError):
    """A transaction is to be sent, and nobody is there to sign it."""

    code = "no_key"
    remedy = "connect with a key: `zerog.connect(…, key=…)`; or name an `account`"
    http_status = 401

    def __str__(self) -> str:
        return "no key is known that could sign the transaction"


@dataclass(eq=False)
class ReceiptTimeoutError(ChainClientError):
    """A transaction was accepted, but is in no block within the time that the caller gave."""

    transaction_hash: Hash32
    timeout_s: float

    code = "receipt_timeout"
    remedy = "wait longer, or replace the transaction by one that pays more"
    http_status = 504

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} is in no block after {self.timeout_s} s"
