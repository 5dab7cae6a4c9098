"""Who pays for requests: an account with its limits, the keys that it signs, and the money that it moves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zerog.chain.client.signer import Payer, Signer, account_of_payer
from zerog.chain.client.wallet import Spending, Wallet
from zerog.compute.client.errors import KeyMissingError
from zerog.compute.client.funding import Funding
from zerog.compute.client.keys import Keys
from zerog.compute.client.market import Market
from zerog.compute.client.sending import Sender
from zerog.primitives import Account, Address

__all__ = ["Purse"]


class Purse:
    """For any number of threads; there may be nobody who pays, and then there is nothing but looking and verifying."""

    def __init__(self, market: Market, payer: Payer | None, wallet: Wallet | None) -> None:
        """A `Signer` is held to its limits, a bare account to those of `wallet`, where the numbers of keys are remembered too."""
        self._market: Final = market
        self._payer: Final = payer
        self._key_records: Final = wallet
        self.wallet: Final = payer.wallet if isinstance(payer, Signer) else wallet
        self._lock: Final = threading.Lock()
        self._keys: Keys | None = None
        self._funding: Funding | None = None

    @property
    def account(self) -> Account:
        """Who pays and signs. Raises `KeyMissingError`."""
        return account_of_payer(self._known_payer)

    @property
    def _known_payer(self) -> Payer:
        if self._payer is None:
            raise KeyMissingError
        return self._payer

    def is_of(self, address: Address) -> bool:
        """Whether it is this address that pays."""
        return self._payer is not None and self._payer.address == address

    def keys(self) -> Keys:
        """What it signs for providers. Raises `KeyMissingError`."""
        account, chain_id = self.account, self._market.chain_id
        with self._lock:
            if self._keys is None:
                self._keys = Keys(account, chain_id, self._key_records)
            return self._keys

    def funds(self) -> Funding:
        """How it moves money. Raises `KeyMissingError`."""
        payer = self._known_payer
        with self._lock:
            if self._funding is None:
                self._funding = Funding(self._market, Sender(self._market.chain, payer), self.wallet)
            return self._funding

    def check_provider(self, provider: Address) -> None:
        """Raises `ProviderNotAllowedError`."""
        if self.wallet is not None:
            self.wallet.check_provider(provider)

    @property
    def allowed(self) -> tuple[Address, ...]:
        """Providers that may be paid; none stands for all."""
        return self.wallet.limits().providers if self.wallet is not None else ()

    @contextmanager
    def spending(self, provider: Address, highest_wei: int) -> Iterator[Spending]:
        """What one request may cost is counted for the block, and what it did cost afterwards. Raises `SpendLimitError`."""
        if self.wallet is None:
            yield Spending(highest_wei)
            return
        with self.wallet.spending("request", provider, highest_wei) as spending:
            yield spending
