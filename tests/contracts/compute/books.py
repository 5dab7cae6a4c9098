"""The rules of ledger and sub-accounts once more in plain Python: what each call does to whose money, or why it is refused."""

from dataclasses import dataclass, field
from typing import Any

from tests.contracts.compute.market import (
    INVALID_NONCE,
    INVALID_SIGNATURE,
    LEDGER_MIN,
    LOCK_S,
    NO_TEE_SIGNER,
    NOBODY,
    PARTIAL,
    PROVIDER_MISMATCH,
    STAKE,
    SUCCESS,
    TRANSFER_MIN,
    Offer,
    Settlement,
)
from zerog.primitives import Address

REFUNDS_MAX = 5
Pair = tuple[Address, Address]


class RefusedError(Exception):
    """A call that does nothing; its arguments are name and arguments of the contract's error."""


def require(holds: bool, *refusal: Any) -> None:
    if not holds:
        raise RefusedError(*refusal)


@dataclass
class Purse:
    """A user's ledger."""

    available: int
    total: int
    info: str = ""


@dataclass
class Sub:
    """A sub-account; refunds are (amount, created at), oldest first."""

    exists: bool = False
    balance: int = 0
    refunds: list[tuple[int, int]] = field(default_factory=list)
    acknowledged: bool = False
    nonce: int = 0
    generation: int = 0
    bitmap: int = 0
    info: str = ""

    @property
    def pending(self) -> int:
        return sum(amount for amount, _ in self.refunds)

    def cancel(self, amount: int) -> None:
        """Take refunds back, the newest first."""
        while amount > 0 and self.refunds:
            newest, created = self.refunds.pop()
            if newest > amount:
                self.refunds.append((newest - amount, created))
            amount -= min(newest, amount)

    def charge(self, amount: int) -> None:
        self.cancel(amount - (self.balance - self.pending))
        self.balance -= amount


@dataclass
class Stall:
    """What a provider offers."""

    offer: Offer
    stake: int
    acknowledged: bool = False


@dataclass
class Books:
    """Everybody's money, and everything that says whose it is."""

    wallets: dict[Address, int]
    purses: dict[Address, Purse] = field(default_factory=dict)
    subs: dict[Pair, Sub] = field(default_factory=dict)
    stalls: dict[Address, Stall] = field(default_factory=dict)
    lock_s: int = LOCK_S
    now: int = 0

    # The ledger

    def add_ledger(self, user: Address, value: int, info: str) -> None:
        require(value >= LEDGER_MIN, "MinimumDepositRequired", value, LEDGER_MIN)
        require(user not in self.purses, "LedgerExists", user)
        self.purses[user] = Purse(value, value, info)
        self.wallets[user] -= value

    def deposit(self, payer: Address, user: Address, value: int) -> None:
        require(value > 0, "ZeroAmountNotAllowed")
        if user in self.purses:
            self.purses[user].available += value
            self.purses[user].total += value
        else:
            require(value >= LEDGER_MIN, "MinimumDepositRequired", value, LEDGER_MIN)
            self.purses[user] = Purse(value, value)
        self.wallets[payer] -= value

    def describe(self, user: Address, info: str) -> None:
        self.purse(user).info = info

    def refund(self, user: Address, amount: int) -> None:
        purse = self.purse(user)
        require(purse.available >= amount, "InsufficientBalance", user)
        left = purse.available - amount
        require(left == 0 or left >= LEDGER_MIN, "MinimumDepositRequired", left, LEDGER_MIN)
        purse.available -= amount
        purse.total -= amount
        self.wallets[user] += amount
        if purse.total == 0:
            self.close(user)

    def delete_ledger(self, user: Address) -> None:
        total = self.purse(user).total
        require(total == 0, "MustWithdrawAllFundsFirst", total)
        self.close(user)

    def transfer(self, user: Address, provider: Address, amount: int) -> None:
        purse, sub = self.purse(user), self.sub(user, provider)
        cancelled = min(amount, sub.pending) if sub.exists else 0
        require(sub.exists or amount >= TRANSFER_MIN, "MinimumDepositRequired", amount, TRANSFER_MIN)
        value = amount - cancelled
        require(purse.available >= value, "InsufficientAvailableBalance", purse.available, value)
        require(provider != NOBODY, "CallFailed", "InvalidAddress", NOBODY)
        require(user != provider, "CallFailed", "ProviderCannotBeUser")
        purse.available -= value
        sub.cancel(cancelled)
        sub.balance += value
        sub.acknowledged = True
        if not sub.exists:
            sub.exists, sub.info = True, purse.info

    def retrieve(self, user: Address, providers: list[Address]) -> None:
        purse = self.purse(user)
        for provider in providers:
            sub = self.sub(user, provider)
            if not sub.exists:
                continue
            ripe = [refund for refund in sub.refunds if self.now >= refund[1] + self.lock_s]
            returned = sum(amount for amount, _ in ripe)
            sub.refunds = [refund for refund in sub.refunds if refund not in ripe]
            sub.balance -= returned
            purse.available += returned
            if free := sub.balance - sub.pending:
                require(len(sub.refunds) < REFUNDS_MAX, "TooManyRefunds", user, provider)
                sub.refunds.append((free, self.now))

    # The serving contract

    def put_offer(self, provider: Address, offer: Offer, value: int) -> None:
        stall = self.stalls.get(provider)
        if stall is None:
            require(value >= STAKE, "InsufficientStake", value, STAKE)
            self.stalls[provider] = Stall(offer, value)
            self.wallets[provider] -= value
            return
        require(value == 0, "CannotAddStakeWhenUpdating")
        looked_at = [(each.model, each.signer) for each in (stall.offer, offer)]
        stall.acknowledged &= looked_at[0] == looked_at[1]
        stall.offer = offer

    def remove_offer(self, provider: Address) -> None:
        require(provider in self.stalls, "ServiceNotExist", provider)
        self.wallets[provider] += self.stalls.pop(provider).stake

    def accept_signer(self, provider: Address, accepted: bool) -> None:
        require(provider in self.stalls, "ServiceNotExist", provider)
        self.stalls[provider].acknowledged = accepted

    def acknowledge(self, user: Address, provider: Address, acknowledged: bool) -> None:
        sub = self.opened(user, provider)
        takes_back = sub.acknowledged and not acknowledged
        require(not (takes_back and sub.balance), "CannotRevokeWithNonZeroBalance", user, provider, sub.balance)
        sub.acknowledged = acknowledged

    def revoke(self, user: Address, provider: Address, token: int | None) -> None:
        sub = self.opened(user, provider)
        if token is None:
            sub.generation, sub.bitmap = sub.generation + 1, 0
        else:
            sub.bitmap |= 1 << token

    def settle(self, sender: Address, entries: list[tuple[Settlement, bool]]) -> list[tuple[Address, int, int]]:
        """(user, status, unsettled) of each entry, which is a settlement and whether the service's signer signed it."""
        return [(entry.user, *self.settle_one(sender, entry, signed)) for entry, signed in entries]

    def settle_one(self, sender: Address, entry: Settlement, signed: bool) -> tuple[int, int]:
        sub, stall = self.sub(entry.user, sender), self.stalls.get(sender)
        if entry.provider != sender:
            return PROVIDER_MISMATCH, entry.fee
        if not sub.exists:
            return INVALID_SIGNATURE, entry.fee
        if stall is None:
            return PROVIDER_MISMATCH, entry.fee
        if not sub.acknowledged or not stall.acknowledged or stall.offer.signer == NOBODY:
            return NO_TEE_SIGNER, entry.fee
        if sub.nonce >= entry.nonce:
            return INVALID_NONCE, entry.fee
        if not signed:
            return INVALID_SIGNATURE, entry.fee
        paid = min(entry.fee, sub.balance)
        sub.nonce = entry.nonce
        sub.charge(paid)
        self.purses[entry.user].total -= paid
        self.wallets[sender] += paid
        return (SUCCESS if paid == entry.fee else PARTIAL), entry.fee - paid

    def set_lock(self, seconds: int) -> None:
        require(3600 <= seconds <= 604800, "LockTimeOutOfRange", seconds, 3600, 604800)
        self.lock_s = seconds

    # What the rules have in common

    def purse(self, user: Address) -> Purse:
        require(user in self.purses, "LedgerNotExists", user)
        return self.purses[user]

    def sub(self, user: Address, provider: Address) -> Sub:
        return self.subs.setdefault((user, provider), Sub())

    def opened(self, user: Address, provider: Address) -> Sub:
        sub = self.sub(user, provider)
        require(sub.exists, "AccountNotExists", user, provider)
        return sub

    def close(self, user: Address) -> None:
        del self.purses[user]
        for (owner, _), sub in self.subs.items():
            if owner == user:
                assert sub.balance == 0, "money in an account without a ledger"
                sub.__dict__.update(vars(Sub(nonce=sub.nonce, generation=sub.generation)))

    def serving_wei(self) -> int:
        """What the serving contract must hold."""
        return sum(sub.balance for sub in self.subs.values()) + sum(stall.stake for stall in self.stalls.values())

    def ledger_wei(self) -> int:
        """What the ledger contract must hold."""
        return sum(purse.available for purse in self.purses.values())

    def told(self) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
        """Ledgers, sub-accounts and services, each as the contracts tell them."""
        ledgers = {user: (user, purse.available, purse.total, purse.info) for user, purse in self.purses.items()}
        accounts = {
            pair: (
                *(*pair, sub.nonce, sub.balance, sub.pending),
                [(index, *refund, False) for index, refund in enumerate(sub.refunds)],
                *(sub.info, sub.acknowledged, len(sub.refunds), sub.generation, sub.bitmap),
            )
            for pair, sub in self.subs.items()
            if sub.exists
        }
        services = {
            provider: (stall.offer.model, stall.offer.input_price, stall.offer.signer, stall.acknowledged)
            for provider, stall in self.stalls.items()
        }
        return ledgers, accounts, services
