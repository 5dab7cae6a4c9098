"""Money is neither made nor lost where models are trained and asked: random lives of five actors in both services of one ledger."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    INFERENCE,
    LEDGER,
    SERVING,
    SIGNER,
    STAKE,
    TUNING,
    Deployed,
    Offer,
    RevertedError,
    Settlement,
    refusal_of,
)
from tests.contracts.compute.tuning import NAME, SECRET, Bill, TuningMarket
from tests.ledger.counts import LONG, commit_seed
from zerog.contracts.fine_tuning import FineTuningSummary
from zerog.primitives import Account

ACTORS: Final = ACCOUNTS[1:6]
"""The first of them owns the contracts."""
PROVIDERS, USERS = ACTORS[1:3], ACTORS[2:]
"""One is both, and so with itself too."""
LIVES, STEPS = (60, 1500) if LONG else (3, 1000)
EVERYTHING: Final = {
    *("FeesSettled in full", "FeesSettled with a penalty", "DeliverableAdded", "DeliverableAcknowledged", "DeliverableAbandoned"),
    *("RefundRequested", "AccountDeleted", "ProviderStakeReturned", "BalanceUpdated", "FundSpent"),
    *("PreviousDeliverableNotAcknowledged", "DeliverableAlreadySettled", "CannotAcknowledgeSettledDeliverable"),
    *("CannotAbandonSettledDeliverable", "SecretShouldBeEmpty", "SecretShouldNotBeEmpty", "InvalidVerifierInput", "CallFailed"),
    *("TEESettlementResult", "LockTimeUpdated", "CannotRevokeWithNonZeroBalance", "MustWithdrawAllFundsFirst"),
}
"""Events and refusals that these lives have seen together."""


@dataclass
class Life:
    """One chain, and what has happened on it."""

    chance: random.Random
    market: TuningMarket = field(default_factory=lambda: TuningMarket().set_up())
    seen: Counter[str] = field(default_factory=Counter)
    nonce: int = 0
    tasks: int = 0
    penalty: int = 30
    paid: set[str] = field(default_factory=set)
    """Models that were paid for, once each."""

    def __post_init__(self) -> None:
        for provider in PROVIDERS:
            self.offer(provider, STAKE)
            self.market.offer(provider)
            self.market.send(ACTORS[0], TUNING, "acknowledgeTEESignerByOwner", provider.address)
        for user in USERS:
            self.market.send(user, LEDGER, "depositFund", value=40 * ETHER)
        self.supply = self.all_money()

    def attempt(self, call: Callable[[], Any]) -> Any:
        """A call that may be refused, which then has changed nothing."""
        before = [self.market.balance(holder) for holder in (LEDGER, SERVING, TUNING)]
        try:
            receipt = call()
        except RevertedError as reverted:
            self.seen[str(refusal_of(reverted.data)[0])] += 1
            assert [self.market.balance(holder) for holder in (LEDGER, SERVING, TUNING)] == before
            return None
        self.seen.update(event[0] for event in receipt.events)
        return receipt

    # What they do.

    def offer(self, provider: Account, value: int) -> None:
        self.attempt(lambda: self.market.transact(provider, TUNING.address, self.market.service().call(), value))

    def move(self, user: Account, provider: Account, amount: int) -> None:
        name = self.chance.choice([NAME, NAME, INFERENCE])
        self.attempt(lambda: self.market.send(user, LEDGER, "transferFund", provider.address, name, amount))

    def take_back(self, user: Account) -> None:
        asked = [provider.address for provider in PROVIDERS]
        self.attempt(lambda: self.market.send(user, LEDGER, "retrieveFund", asked, NAME))
        self.attempt(lambda: self.market.send(user, LEDGER, "retrieveFund", asked, INFERENCE))

    def leave(self, user: Account) -> None:
        """Everything back, ledger and accounts gone, and a new beginning."""
        for _ in range(2):
            self.take_back(user)
            self.market.pass_time(7200)
        self.take_back(user)
        available = {each[0]: each[1] for each in self.market.read(LEDGER, "getAllLedgers", 0, 0)[0]}
        self.do_one(user, LEDGER, "refund", available.get(user.address, 0))
        self.attempt(lambda: self.market.send(user, LEDGER, "depositFund", value=40 * ETHER))

    def announce(self, user: Account, provider: Account) -> None:
        self.tasks += 1
        name = f"task-{self.tasks}"
        self.attempt(lambda: self.market.send(provider, TUNING, "addDeliverable", user.address, name, name.encode()))

    def newest(self, user: Account, provider: Account) -> str:
        """The newest model of a pair, or the oldest that is not settled; a name of nothing where there is none."""
        try:
            models = self.market.read(TUNING, "getDeliverables", user.address, provider.address)
        except RevertedError:
            return "none"
        left = [model for model in models if not model[5]]
        return str(self.chance.choice([*models[-1:], *left[:1]])[0]) if models else "none"

    def acknowledge(self, user: Account, provider: Account) -> None:
        name = self.newest(user, provider)
        self.attempt(lambda: self.market.send(user, TUNING, "acknowledgeDeliverable", provider.address, name))

    def abandon(self, user: Account, provider: Account) -> None:
        name = self.newest(user, provider)
        self.attempt(lambda: self.market.send(provider, TUNING, "abandonDeliverable", user.address, name))

    def settle(self, user: Account, provider: Account) -> None:
        """The provider gets exactly the fee, or the penalty, and the user's ledger loses it."""
        self.nonce += self.chance.choice([1, 1, 1, 0])
        fee = self.chance.choice([0, 1, 7, ETHER // 3, ETHER, 3 * ETHER])
        name = self.newest(user, provider)
        secret = self.chance.choice([SECRET, b""])
        bill = Bill(user=user.address, id=name, secret=secret, root=name.encode(), nonce=self.nonce, fee=fee).signed(SIGNER)
        before = self.market.balance(provider)
        receipt = self.attempt(lambda: self.market.transact(provider, TUNING.address, bill.call()))
        if receipt is None:
            return
        [(_, _, _, paid, in_full, _)] = receipt.named("FeesSettled")
        self.seen["FeesSettled in full" if in_full else "FeesSettled with a penalty"] += 1
        assert paid == (fee if in_full else fee * self.penalty // 100)
        assert name not in self.paid
        self.paid.add(name)
        assert self.market.balance(provider) == before + paid
        assert receipt.named("FundSpent") == [(user.address, TUNING.address, paid)]

    def answer(self, user: Account, provider: Account) -> None:
        """Two settlements of inference in one call: what the ledger says was spent is what the provider gets."""
        bills: list[object] = []
        for _ in range(2):
            self.nonce += 1
            fee = self.chance.choice([0, 1, ETHER // 3, 2 * ETHER])
            bills.append(Settlement(user.address, provider.address, fee, self.nonce).signed(SIGNER))
        before = self.market.balance(provider)
        receipt = self.attempt(lambda: self.market.send(provider, SERVING, "settleFeesWithTEE", bills))
        assert receipt is not None
        spent = [amount for spender, _, amount in receipt.named("FundSpent") if spender == user.address]
        assert self.market.balance(provider) == before + sum(spent)

    def withdraw(self, provider: Account) -> None:
        where = self.chance.choice([TUNING, SERVING])
        self.attempt(lambda: self.market.send(provider, where, "removeService"))

    def accept(self, provider: Account) -> None:
        """Both services are there again afterwards, or were, and the owner accepts their signers."""
        self.offer(provider, self.chance.choice([0, STAKE]))
        put = Offer().parameters()
        self.attempt(lambda: self.market.send(provider, SERVING, "addOrUpdateService", put, value=self.chance.choice([0, STAKE])))
        for where in (TUNING, SERVING):
            self.do_one(ACTORS[0], where, "acknowledgeTEESignerByOwner", provider.address)

    def do_one(self, by: Account, where: Deployed, name: str, *arguments: object, value: int = 0) -> None:
        self.attempt(lambda: self.market.send(by, where, name, *arguments, value=value))

    def anything_else(self, user: Account, provider: Account) -> None:
        """Calls that move little or nothing, and are mostly refused."""
        where = self.chance.choice([TUNING, SERVING])
        seconds = self.chance.choice([3600, 7200])
        name, arguments = self.chance.choice(
            [
                ("deleteLedger", ()),
                ("updateAdditionalInfo", ("a text",)),
                ("refund", (self.chance.choice([0, 1, ETHER, 9 * ETHER]),)),
                ("spendFund", (user.address, 1)),
            ]
        )
        self.do_one(user, LEDGER, name, *arguments)
        self.do_one(user, LEDGER, "transferFund", user.address, INFERENCE, ETHER)
        self.do_one(user, LEDGER, "depositFundFor", self.chance.choice(ACTORS).address, value=self.chance.choice([0, ETHER, 4 * ETHER]))
        self.do_one(user, where, "acknowledgeTEESigner", provider.address, self.chance.random() < 0.5)
        self.do_one(user, where, "deleteAccount", user.address, provider.address)
        self.do_one(ACTORS[0], where, "updateLockTime", seconds)
        self.do_one(ACTORS[0], where, "revokeTEESignerAcknowledgement", provider.address)

    def set_penalty(self) -> None:
        self.penalty = self.chance.choice([0, 30, 99, 100])
        self.market.send(ACTORS[0], TUNING, "updatePenaltyPercentage", self.penalty)

    def step(self) -> None:
        user = self.chance.choice([*USERS, *USERS[-1:] * 3])  # One has many models.
        provider = self.chance.choice([*PROVIDERS, *PROVIDERS[:1]])
        amount = self.chance.choice([0, 1, ETHER, 2 * ETHER, 5 * ETHER, 90 * ETHER])
        calls: list[tuple[int, Callable[[], object]]] = [
            (8, lambda: self.announce(user, provider)),
            (8, lambda: self.acknowledge(user, provider)),
            (2, lambda: self.abandon(user, provider)),
            (12, lambda: self.settle(user, provider)),
            (8, lambda: self.move(user, provider, amount)),
            (2, lambda: self.take_back(user)),
            (2, lambda: self.market.pass_time(self.chance.choice([60, 3600]))),
            (1, lambda: self.leave(user)),
            (1, self.set_penalty),
            (4, lambda: self.answer(user, provider)),
            (1, lambda: self.withdraw(provider)),
            (4, lambda: self.accept(provider)),
            (1, lambda: self.anything_else(user, provider)),
        ]
        [(_, call)] = self.chance.choices(calls, weights=[weight for weight, _ in calls])
        call()

    # What always holds.

    def all_money(self) -> int:
        contracts = sum(self.market.balance(contract) for contract in (LEDGER, SERVING, TUNING))
        return contracts + sum(self.market.balance(actor) for actor in ACTORS)

    def check(self) -> None:
        assert self.all_money() == self.supply
        tuned = TUNING.interface.function("getAllAccounts").encode(0, 0)
        accounts, _ = FineTuningSummary.decode_page(self.market.view(TUNING.address, tuned))
        inferred, _ = self.market.read(SERVING, "getAllAccounts", 0, 0)
        stakes = STAKE * len(self.market.read(TUNING, "getAllServices"))
        assert self.market.balance(TUNING) == stakes + sum(account.balance_wei for account in accounts)
        stakes = STAKE * self.market.read(SERVING, "getAllServices", 0, 1)[1]
        assert self.market.balance(SERVING) == stakes + sum(account[3] for account in inferred)
        ledgers, _ = self.market.read(LEDGER, "getAllLedgers", 0, 0)
        assert self.market.balance(LEDGER) == sum(available for _, available, _, _ in ledgers)
        for user, available, total, _ in ledgers:
            locked = sum(account.balance_wei for account in accounts if account.user == user)
            locked += sum(account[3] for account in inferred if account[0] == user)
            assert total - available == locked
        for account in accounts:
            assert 0 <= account.pending_refund_wei <= account.balance_wei
            assert account.deliverable_count <= 20


@pytest.mark.timeout(1800 if LONG else 120)
def test_no_life_of_trainers_and_users_makes_or_loses_a_wei() -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    chance, seen = random.Random(seed), Counter[str]()
    for _ in range(LIVES):
        life = Life(chance)
        for _ in range(STEPS):
            life.step()
            life.check()
        seen += life.seen
    missing = {name for name in EVERYTHING if not seen[name]}
    assert missing == set()
