"""How everybody else talks to the marketplace: services, accounts, answers, and what proves them."""

from zerog.chain.client.errors import ProviderNotAllowedError, SpendLimitError, WalletError
from zerog.chain.client.wallet import DEFAULT_LIMITS, Limits, Wallet, default_folder
from zerog.compute.client.asynchronous import AsyncChatStream, AsyncComputeClient
from zerog.compute.client.chatting import ChatOptions, ChatStream, Message
from zerog.compute.client.client import ComputeClient
from zerog.compute.client.errors import (
    AnswerRefutedError,
    ComputeTimeoutError,
    EnclaveUnprovenError,
    KeyMissingError,
    NoBlocksError,
    NotPublishedError,
    NotSettledError,
    ProofUnavailableError,
    ProviderAnswerError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnreachableError,
    ServiceUnknownError,
    ServiceUnusableError,
    TransactionFailedError,
    UnsafeUrlError,
    WrongChainError,
)
from zerog.compute.client.exchange import Answer, Exchange
from zerog.compute.client.funding import Retrieval
from zerog.compute.client.keys import ApiKey, KeyNumberError
from zerog.compute.client.market import Contracts, Market, contracts_of
from zerog.compute.client.money import LedgerMoney, Money, ProviderMoney, WaitingRefund
from zerog.compute.client.verifying import Grade, Replay, Replayer, ReplayImpossibleError, ReplayTask, Verdict
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.compute.wire.forms import FormFile, encode_form

__all__ = [
    "DEFAULT_LIMITS",
    "Answer",
    "AnswerRefutedError",
    "ApiKey",
    "Assurance",
    "AsyncChatStream",
    "AsyncComputeClient",
    "ChatOptions",
    "ChatStream",
    "ComputeClient",
    "ComputeTimeoutError",
    "Contracts",
    "EnclaveUnprovenError",
    "Exchange",
    "FormFile",
    "Grade",
    "KeyMissingError",
    "KeyNumberError",
    "LedgerMoney",
    "Limits",
    "Market",
    "Message",
    "Money",
    "NoBlocksError",
    "NotPublishedError",
    "NotSettledError",
    "ProofUnavailableError",
    "ProviderAnswerError",
    "ProviderError",
    "ProviderMoney",
    "ProviderNotAllowedError",
    "ProviderRefusedError",
    "ProviderUnreachableError",
    "QuoteVerifier",
    "Replay",
    "ReplayImpossibleError",
    "ReplayTask",
    "Replayer",
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
    "WrongChainError",
    "contracts_of",
    "default_folder",
    "encode_form",
]
