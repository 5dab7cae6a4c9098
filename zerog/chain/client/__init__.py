"""How everybody else talks to a chain: over its JSON-RPC, waiting or blocking."""

from typing import TYPE_CHECKING

from zerog.chain.client.abi import Abi
from zerog.chain.client.asynchronous import AsyncChainClient, AsyncContract
from zerog.chain.client.blocking import ChainClient, Contract
from zerog.chain.client.contracts import ContractEvent
from zerog.chain.client.errors import (
    AbiMismatchError,
    AnswerError,
    ChainClientError,
    NodeSilentError,
    NodeUnreachableError,
    NoFaucetError,
    NoKeyError,
    ProviderNotAllowedError,
    ReceiptTimeoutError,
    RecipientNotAllowedError,
    RevertedError,
    RpcError,
    SigningRefusedError,
    SpendLimitError,
    WalletError,
)
from zerog.chain.client.requests import TransactionPlace
from zerog.chain.client.signer import Payer, Signer
from zerog.chain.client.wallet import Limits, Wallet
from zerog.chain.wire.answers import BlockAnswer, LogAnswer, ReceiptAnswer, TransactionAnswer, TransactionPage

if TYPE_CHECKING:
    from zerog.chain.client.heads import BlockReference, Heads

__all__ = [
    "Abi",
    "AbiMismatchError",
    "AnswerError",
    "AsyncChainClient",
    "AsyncContract",
    "BlockAnswer",
    "BlockReference",
    "ChainClient",
    "ChainClientError",
    "Contract",
    "ContractEvent",
    "Heads",
    "Limits",
    "LogAnswer",
    "NoFaucetError",
    "NoKeyError",
    "NodeSilentError",
    "NodeUnreachableError",
    "Payer",
    "ProviderNotAllowedError",
    "ReceiptAnswer",
    "ReceiptTimeoutError",
    "RecipientNotAllowedError",
    "RevertedError",
    "RpcError",
    "Signer",
    "SigningRefusedError",
    "SpendLimitError",
    "TransactionAnswer",
    "TransactionPage",
    "TransactionPlace",
    "Wallet",
    "WalletError",
]


def __getattr__(name: str) -> object:
    """What follows a chain, on first use: it loads anyio, which takes as long as all the rest."""
    if name in ("BlockReference", "Heads"):
        from zerog.chain.client import heads

        return getattr(heads, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
