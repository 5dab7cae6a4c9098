"""Moving a user's money: wallet → ledger → accounts with providers, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zerog.chain.client.wallet import Wallet
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.client.market import Market
from zerog.compute.client.sending import Sender
from zerog.contracts.compute import INFERENCE_SERVING, LEDGER_MANAGER
from zerog.contracts.compute_refusals import ComputeCallRefusedError
from zerog.contracts.interface import AbiValue
from zerog.primitives import Address, Wei

__all__ = ["Funding", "Retrieval"]

PROVIDERS_PER_CALL: Final = 20
"""Source: 0gfoundation/0g-serving-contract, `LedgerManager`, `MAX_PROVIDERS_PER_BATCH`."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What asking for money back has done."""

    returned_wei: Wei
    """Is in the ledger now: what was asked back a lock time ago or earlier."""
    waiting_wei: Wei
    """Comes with another call, once the lock time is over."""
    lock_time_s: int


class Funding:
    """Sends what moves one account's money. Raises what `Sender.send` does."""

    def __init__(self, market: Market, sender: Sender, wallet: Wallet | None) -> None:
        self._market: Final = market
        self._sender: Final = sender
        self._wallet: Final = wallet

    def deposit(self, amount_wei: int) -> ReceiptAnswer:
        """From the wallet into the ledger, which is made with the first deposit, of `ledger_min_wei` or more."""
        if self._market.ledger(self._sender.account.address) is None:
            return self._ledger_call("addLedger", "", value_wei=amount_wei)
        return self._ledger_call("depositFund", value_wei=amount_wei)

    def transfer(self, provider: Address, amount_wei: int) -> ReceiptAnswer:
        """From the ledger to the account with a provider, which begins with `transfer_min_wei` at least; it also takes the signer.

        What was asked back from the provider and waits is taken back first. Raises `SpendLimitError`, `ProviderNotAllowedError`.
        """
        if self._wallet is None:
            return self._transfer(provider, amount_wei)
        with self._wallet.spending("transfer", provider, amount_wei) as spending:
            try:
                return self._transfer(provider, amount_wei)
            except ComputeCallRefusedError:
                spending.wei = 0  # It was refused before it was sent.
                raise

    def _transfer(self, provider: Address, amount_wei: int) -> ReceiptAnswer:
        return self._ledger_call("transferFund", provider, self._market.service_name, amount_wei)

    def retrieve(self, providers: Sequence[Address] | None = None) -> Retrieval:
        """Ask money back from some providers, or from all; and take into the ledger what was asked back long enough ago."""
        user = self._sender.account.address
        if providers is None:
            providers = [account.provider for account in self._market.accounts(user) if account.balance_wei]
        before = self._available_wei()
        for first in range(0, len(providers), PROVIDERS_PER_CALL):
            batch: list[AbiValue] = list(providers[first : first + PROVIDERS_PER_CALL])
            self._ledger_call("retrieveFund", batch, self._market.service_name)
        waiting = sum(account.pending_refund_wei for account in self._market.accounts(user) if account.provider in providers)
        return Retrieval(Wei(self._available_wei() - before), Wei(waiting), self._market.lock_time_s)

    def refund(self, amount_wei: int | None = None) -> Wei:
        """From the ledger back to the wallet: an amount, or all that is available. What stays is nothing, or `ledger_min_wei`."""
        amount = self._available_wei() if amount_wei is None else amount_wei
        self._ledger_call("refund", amount)
        return Wei(amount)

    def revoke_key(self, provider: Address, token_id: int) -> ReceiptAnswer:
        """Make one API key worthless."""
        return self._serving_call("revokeToken", provider, token_id)

    def revoke_all_keys(self, provider: Address) -> ReceiptAnswer:
        """Make all API keys and sessions worthless."""
        return self._serving_call("revokeAllTokens", provider)

    def _available_wei(self) -> int:
        ledger = self._market.ledger(self._sender.account.address)
        return 0 if ledger is None else ledger.available_wei

    def _ledger_call(self, name: str, *arguments: AbiValue, value_wei: int = 0) -> ReceiptAnswer:
        data = LEDGER_MANAGER.function(name).encode(*arguments)
        return self._sender.send(self._market.contracts.ledger, data, value_wei)

    def _serving_call(self, name: str, *arguments: AbiValue) -> ReceiptAnswer:
        return self._sender.send(self._market.contracts.serving, INFERENCE_SERVING.function(name).encode(*arguments))
