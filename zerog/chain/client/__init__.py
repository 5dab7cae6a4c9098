"""How everybody else talks to a chain: over its JSON-RPC, waiting or blocking."""

from zerog.chain.client.asynchronous import AsyncChainClient
from zerog.chain.client.blocking import ChainClient
from zerog.chain.client.errors import (
    AnswerError,
    ChainClientError,
    NodeUnreachableError,
    NoKeyError,
    ProviderNotAllowedError,
    ReceiptTimeoutError,
    RecipientNotAllowedError,
    RpcError,
    SigningRefusedError,
    SpendLimitError,
    WalletError,
)
from zerog.chain.client.heads import BlockReference, Heads
from zerog.chain.client.requests import TransactionPlace
from zerog.chain.client.signer import Payer, Signer
from zerog.chain.client.wallet import Limits, Wallet

__all__ = [
    "AnswerError",
    "AsyncChainClient",
    "BlockReference",
    "ChainClient",
    "ChainClientError",
    "Heads",
    "Limits",
    "NoKeyError",
    "NodeUnreachableError",
    "Payer",
    "ProviderNotAllowedError",
    "ReceiptTimeoutError",
    "RecipientNotAllowedError",
    "RpcError",
    "Signer",
    "SigningRefusedError",
    "SpendLimitError",
    "TransactionPlace",
    "Wallet",
    "WalletError",
]
