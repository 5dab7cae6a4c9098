"""A key with limits: what it may spend on every layer, checked before anything is signed and counted where a crash cannot lose it."""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from zerog.chain.client.wallet import Kind, Limits, Spending, Wallet, default_folder
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.primitives import Account, Address, Hash32

__all__ = ["OpenSpendings", "Payer", "Signer", "account_of_payer"]

FOLDER: Final = "signers"
"""In the folder of a wallet: one folder for each address."""
OPEN_MAX: Final = 10_000
"""Transactions whose receipts a client still looks out for."""


@dataclass(frozen=True, slots=True)
class Signer:
    """An account that signs within limits: transactions of every layer, transfers to providers, and requests that cost something.

    What counts is 0G. A transaction counts with its value and the most that its gas can cost, until its receipt tells what it was; a
    request with the most that it can cost, until its fee is known. Not limited are tokens of contracts, what somebody signs with the bare
    account, and a node's own accounts. The sums of a day (UTC) lie in a folder for each address, and are shared by all programs that use
    the same folder. Raises `SpendLimitError`, `RecipientNotAllowedError`, `ProviderNotAllowedError` and `WalletError`.
    """

    account: Account
    limits: Limits = field(default_factory=Limits)
    folder: Path = field(default_factory=lambda: default_folder() / FOLDER)
    """Below it each address has a folder."""

    @property
    def address(self) -> Address:
        """Of the account."""
        return self.account.address

    @property
    def wallet(self) -> Wallet:
        """Where the sums are kept."""
        return Wallet(self.folder / str(self.address), fixed=self.limits)

    def spent_today(self, kind: Kind) -> int:
        """Wei that left one pocket today, with what is under way: by transactions, by transfers to providers, or by requests."""
        return self.wallet.spent_today(kind)


Payer: TypeAlias = Account | Signer
"""Who signs and pays: without limits, or within them."""


def account_of_payer(payer: Payer) -> Account:
    """The bare account, for what costs nothing."""
    return payer.account if isinstance(payer, Signer) else payer


class OpenSpendings:
    """Transactions that were sent within limits, until their receipts tell what they cost."""

    def __init__(self) -> None:
        self._open: Final[OrderedDict[bytes, tuple[Spending, int]]] = OrderedDict()

    def add(self, transaction_hash: Hash32, spending: Spending, value_wei: int) -> None:
        """What is never looked for again counts as the most that it could cost."""
        self._open[transaction_hash] = spending, value_wei
        while len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)

    def take(self, receipt: ReceiptAnswer) -> tuple[Spending, int] | None:
        """What was counted for a transaction, and what it cost; once."""
        spending, value_wei = self._open.pop(receipt.transaction_hash, (None, 0))
        if spending is None:
            return None
        return spending, (value_wei if receipt.succeeded else 0) + receipt.gas_used * receipt.effective_gas_price
