"""How everybody else talks to a chain: over its JSON-RPC, waiting or blocking."""

from zerog.chain.client.asynchronous import AsyncChainClient
from zerog.chain.client.blocking import ChainClient
from zerog.chain.client.errors import AnswerError, NodeUnreachableError, NoKeyError, ReceiptTimeoutError, RpcError
from zerog.chain.client.heads import BlockReference, Heads
from zerog.chain.client.requests import TransactionPlace

__all__ = [
    "AnswerError",
    "AsyncChainClient",
    "BlockReference",
    "ChainClient",
    "Heads",
    "NoKeyError",
    "NodeUnreachableError",
    "ReceiptTimeoutError",
    "RpcError",
    "TransactionPlace",
]
