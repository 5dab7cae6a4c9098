"""How everybody else talks to the marketplace: services, accounts, answers, and what proves them."""

from zerog.compute.client.asynchronous import AsyncChatStream, AsyncComputeClient
from zerog.compute.client.chatting import Answer, ChatOptions, ChatStream, Message
from zerog.compute.client.client import ComputeClient
from zerog.compute.client.errors import (
    AnswerRefutedError,
    KeyMissingError,
    NotSettledError,
    ProviderAnswerError,
    ProviderError,
    ProviderNotAllowedError,
    ProviderRefusedError,
    ProviderUnreachableError,
    ServiceUnknownError,
    ServiceUnusableError,
    SpendLimitError,
    TransactionFailedError,
    UnsafeUrlError,
    WalletError,
)
from zerog.compute.client.funding import Retrieval
from zerog.compute.client.keys import ApiKey, KeyNumberError
from zerog.compute.client.market import Contracts, Market, contracts_of
from zerog.compute.client.money import LedgerMoney, Money, ProviderMoney, WaitingRefund
from zerog.compute.client.verifying import Grade, Verdict
from zerog.compute.client.wallet import DEFAULT_LIMITS, Limits, Wallet, default_folder

__all__ = [
    "DEFAULT_LIMITS",
    "Answer",
    "AnswerRefutedError",
    "ApiKey",
    "AsyncChatStream",
    "AsyncComputeClient",
    "ChatOptions",
    "ChatStream",
    "ComputeClient",
    "Contracts",
    "Grade",
    "KeyMissingError",
    "KeyNumberError",
    "LedgerMoney",
    "Limits",
    "Market",
    "Message",
    "Money",
    "NotSettledError",
    "ProviderAnswerError",
    "ProviderError",
    "ProviderMoney",
    "ProviderNotAllowedError",
    "ProviderRefusedError",
    "ProviderUnreachableError",
    "Retrieval",
    "ServiceUnknownError",
    "ServiceUnusableError",
    "SpendLimitError",
    "TransactionFailedError",
    "UnsafeUrlError",
    "Verdict",
    "WaitingRefund",
    "Wallet",
    "WalletError",
    "contracts_of",
    "default_folder",
]
