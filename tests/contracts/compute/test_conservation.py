"""Money is neither made nor lost: random calls of five actors, held against the rules in plain Python after each."""

import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.contracts.compute.books import Books, RefusedError
from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    INFERENCE,
    LEDGER,
    NOBODY,
    SERVING,
    SIGNER,
    STAKE,
    Deployed,
    Market,
    Offer,
    Settlement,
)
from tests.ledger.counts import LONG, commit_seed
from zerog.primitives import Account

ACTORS: Final = ACCOUNTS[1:6]
"""The first of them owns the contracts."""
PROVIDERS, USERS = ACTORS[1:4], ACTORS[2:]
"""Some are both, and so with themselves too."""
IMPOSTOR: Final = Account.from_private_key(b"\x07" * 32)
EXAMPLES, STEPS = (600, 100) if LONG else (40, 50)
PHASES: Final = [phase for phase in Phase if LONG or phase is not Phase.shrink]
"""Making a failing sequence shorter takes minutes; with `ZEROG_TEST_LONG` there are some."""
WALKS, STEPS_OF_A_WALK = (200, 500) if LONG else (6, 300)
EVERYTHING = {
    *(f"status {status}" for status in range(6)),
    *("AccountDeleted", "BalanceUpdated", "FundSpent", "RefundRequested", "ProviderStaked", "ProviderStakeReturned"),
    *("InsufficientBalance", "MinimumDepositRequired", "LedgerExists", "LedgerNotExists", "MustWithdrawAllFundsFirst"),
    *("InsufficientAvailableBalance", "ProviderCannotBeUser", "TooManyRefunds", "CannotRevokeWithNonZeroBalance"),
    *("AccountNotExists", "ServiceNotExist", "CannotAddStakeWhenUpdating", "InsufficientStake"),
}
"""Events, statuses and refusals that a long life has seen."""

actors = st.sampled_from(ACTORS)
pairs = st.sampled_from([(user, provider) for user in USERS for provider in PROVIDERS])
amounts = st.one_of(st.integers(0, 14).map(lambda halves: halves * ETHER // 2), st.integers(0, 5))
fees = st.one_of(st.integers(0, 8).map(lambda halves: halves * ETHER // 2), st.integers(0, 5))
providers_or_none = st.sampled_from((*PROVIDERS, None, None, None, None, None, None, None, None))
signed_mostly = st.sampled_from([True, True, True, True, False])
entries = st.tuples(st.sampled_from(USERS), providers_or_none, fees, st.sampled_from([1, 1, 1, 2, 0]), signed_mostly)


class Sequences(RuleBasedStateMachine):
    """Every call of both contracts that moves money or decides who gets it."""

    @initialize(funded=st.sampled_from([True, True, True, False]))
    def begin(self, funded: bool) -> None:
        self.market = Market().set_up()
        self.books = Books({actor.address: self.market.balance(actor) for actor in ACTORS})
        self.supply = self.all_money()
        self.old: list[tuple[Account, list[tuple[Settlement, bool]]]] = []
        self.seen: Counter[str] = Counter()
        if not funded:
            return
        for provider in PROVIDERS[:2]:
            self.offer(provider, 10, "model", STAKE)
            self.accept(provider, True)
        for user in USERS:
            self.add_ledger(user, 20 * ETHER, "")
            for provider in PROVIDERS[:2]:
                self.transfer((user, provider), 5 * ETHER)

    def do(self, by: Account, to: Deployed, name: str, *arguments: Any, value: int = 0, effect: Callable[[Books], Any]) -> Any:
        """Call a function; contract and books agree on whether it is refused, and by which words."""
        books = deepcopy(self.books)
        books.now = self.market.now + 1
        outcome, refusal = None, None
        try:
            outcome = effect(books)
        except RefusedError as refused:
            refusal = refused.args
        if refusal is not None:
            assert self.market.refusal(by, to, name, *arguments, value=value) == refusal
            self.seen.update(str(part) for part in refusal[:2])
            return None
        receipt = self.market.send(by, to, name, *arguments, value=value)
        self.books = books
        self.seen.update(event[0] for event in receipt.events)
        return outcome, receipt

    # The ledger

    @rule(user=actors, value=st.sampled_from([3 * ETHER - 1, 3 * ETHER, 20 * ETHER]), info=st.sampled_from(["", "a text"]))
    def add_ledger(self, user: Account, value: int, info: str) -> None:
        self.do(user, LEDGER, "addLedger", info, value=value, effect=lambda books: books.add_ledger(user.address, value, info))

    @rule(user=actors, value=amounts)
    def deposit(self, user: Account, value: int) -> None:
        self.do(user, LEDGER, "depositFund", value=value, effect=lambda books: books.deposit(user.address, user.address, value))

    @rule(payer=actors, user=actors, value=amounts)
    def deposit_for(self, payer: Account, user: Account, value: int) -> None:
        self.do(
            *(payer, LEDGER, "depositFundFor", user.address),
            value=value,
            effect=lambda books: books.deposit(payer.address, user.address, value),
        )

    @rule(user=actors, info=st.sampled_from(["", "another text"]))
    def describe(self, user: Account, info: str) -> None:
        self.do(user, LEDGER, "updateAdditionalInfo", info, effect=lambda books: books.describe(user.address, info))

    @rule(user=st.sampled_from(USERS), amount=st.one_of(amounts, st.none(), st.none()))
    def refund(self, user: Account, amount: int | None) -> None:
        purse = self.books.purses.get(user.address)
        wei = amount if amount is not None else purse.available if purse else 0
        self.do(user, LEDGER, "refund", wei, effect=lambda books: books.refund(user.address, wei))

    @rule(user=st.sampled_from(USERS))
    def delete_ledger(self, user: Account) -> None:
        self.do(user, LEDGER, "deleteLedger", effect=lambda books: books.delete_ledger(user.address))

    @rule(pair=pairs, amount=amounts)
    def transfer(self, pair: tuple[Account, Account], amount: int) -> None:
        user, provider = pair
        arguments = (provider.address, INFERENCE, amount)
        self.do(user, LEDGER, "transferFund", *arguments, effect=lambda books: books.transfer(user.address, provider.address, amount))

    @rule(user=st.sampled_from(USERS), providers=st.lists(st.sampled_from(PROVIDERS), max_size=4))
    def retrieve(self, user: Account, providers: list[Account]) -> None:
        asked = [provider.address for provider in providers]
        self.do(user, LEDGER, "retrieveFund", asked, INFERENCE, effect=lambda books: books.retrieve(user.address, asked))

    @rule(pair=pairs)
    def pile_up(self, pair: tuple[Account, Account]) -> None:
        """Refunds upon refunds: a part of the newest is cancelled and asked for again."""
        user, provider = pair
        for halving in range(7):
            self.transfer(pair, 2 * ETHER >> halving)
            self.retrieve(user, [provider])

    @rule(user=st.sampled_from(USERS))
    def leave(self, user: Account) -> None:
        """Take everything back in the way that the contracts have for it."""
        asked = [provider for owner, provider in self.books.subs if owner == user.address]
        for _ in range(2):
            self.do(user, LEDGER, "retrieveFund", asked, INFERENCE, effect=lambda books: books.retrieve(user.address, asked))
            self.market.pass_time(self.books.lock_s)
        self.do(user, LEDGER, "retrieveFund", asked, INFERENCE, effect=lambda books: books.retrieve(user.address, asked))
        self.refund(user, None)

    # The serving contract

    @rule(
        provider=st.sampled_from(PROVIDERS),
        price=st.integers(10, 11),
        model=st.sampled_from(["model", "model", "another"]),
        value=st.sampled_from([0, 0, STAKE, STAKE - 1, STAKE + 5]),
    )
    def offer(self, provider: Account, price: int, model: str, value: int) -> None:
        offer = replace(Offer(), input_price=price, model=model)
        self.do(
            *(provider, SERVING, "addOrUpdateService", offer.parameters()),
            value=value,
            effect=lambda books: books.put_offer(provider.address, offer, value),
        )

    @rule(provider=st.sampled_from(PROVIDERS))
    def remove_offer(self, provider: Account) -> None:
        self.do(provider, SERVING, "removeService", effect=lambda books: books.remove_offer(provider.address))

    @rule(provider=st.sampled_from(PROVIDERS), accepted=st.sampled_from([True, True, False]))
    def accept(self, provider: Account, accepted: bool) -> None:
        name = "acknowledgeTEESignerByOwner" if accepted else "revokeTEESignerAcknowledgement"
        self.do(ACTORS[0], SERVING, name, provider.address, effect=lambda books: books.accept_signer(provider.address, accepted))

    @rule(pair=pairs, acknowledged=st.booleans())
    def acknowledge(self, pair: tuple[Account, Account], acknowledged: bool) -> None:
        user, provider = pair
        self.do(
            *(user, SERVING, "acknowledgeTEESigner", provider.address, acknowledged),
            effect=lambda books: books.acknowledge(user.address, provider.address, acknowledged),
        )

    @rule(pair=pairs, token=st.one_of(st.integers(0, 255), st.none()))
    def revoke(self, pair: tuple[Account, Account], token: int | None) -> None:
        user, provider = pair
        name, arguments = ("revokeAllTokens", ()) if token is None else ("revokeToken", (token,))
        self.do(
            *(user, SERVING, name, provider.address, *arguments), effect=lambda books: books.revoke(user.address, provider.address, token)
        )

    @rule(user=st.sampled_from(USERS), provider=st.sampled_from(PROVIDERS[:2]), fee=fees)
    def earn(self, user: Account, provider: Account, fee: int) -> None:
        self.settle(provider, [(user, None, fee, 1, True)])

    @rule(provider=st.sampled_from(PROVIDERS), wanted=st.lists(entries, min_size=1, max_size=4))
    def settle(self, provider: Account, wanted: list[tuple[Account, Account | None, int, int, bool]]) -> None:
        """Entries for this provider, most of them signed by its signer and above the last nonce."""
        made = []
        for step, (user, other, fee, ahead, signed) in enumerate(wanted):
            nonce = max(0, self.books.sub(user.address, provider.address).nonce + step + ahead)
            made.append((Settlement(user.address, (other or provider).address, fee, nonce), signed))
        self.old.append((provider, made))
        self.collect(provider, made)

    @rule(index=st.integers(0, 99), provider=st.one_of(st.none(), st.sampled_from(PROVIDERS)))
    def settle_again(self, index: int, provider: Account | None) -> None:
        """Entries that were sent once before, by the same provider or by another."""
        if self.old:
            sender, made = self.old[index % len(self.old)]
            self.collect(provider or sender, made)

    def collect(self, provider: Account, made: list[tuple[Settlement, bool]]) -> None:
        signed = [entry.signed(SIGNER if by_signer else IMPOSTOR) for entry, by_signer in made]
        outcome, receipt = self.do(
            *(provider, SERVING, "settleFeesWithTEE", signed), effect=lambda books: books.settle(provider.address, made)
        )
        assert receipt.named("TEESettlementResult") == outcome
        self.seen.update(f"status {status}" for _, status, _ in outcome)

    @rule(seconds=st.sampled_from([3599, 3600, 7200, 604800, 604801]))
    def set_lock(self, seconds: int) -> None:
        self.do(ACTORS[0], SERVING, "updateLockTime", seconds, effect=lambda books: books.set_lock(seconds))

    @rule(seconds=st.sampled_from([1, 1800, 3600, 7200]))
    def wait(self, seconds: int) -> None:
        self.market.pass_time(seconds)

    # Calls that nobody may make

    @rule(by=actors, pair=pairs)
    def play_a_contract(self, by: Account, pair: tuple[Account, Account]) -> None:
        parties = [each.address for each in pair]
        for name, rest in (("addAccount", ("",)), ("depositFund", (1,)), ("processRefund", ()), ("deleteAccount", ())):
            assert self.market.refusal(by, SERVING, name, *parties, *rest) == ("CallerNotLedger", by.address)
        assert self.market.refusal(by, LEDGER, "spendFund", parties[0], 1) == ("CallerNotRegisteredService", by.address)

    @rule(user=st.sampled_from(USERS))
    def pay_nobody(self, user: Account) -> None:
        self.do(*(user, LEDGER, "transferFund", NOBODY, INFERENCE, ETHER), effect=lambda books: books.transfer(user.address, NOBODY, ETHER))

    # What always holds

    def all_money(self) -> int:
        contracts = self.market.balance(LEDGER) + self.market.balance(SERVING)
        return contracts + sum(self.market.balance(actor) for actor in ACTORS)

    @invariant()
    def every_wei_is_somebodys(self) -> None:
        assert self.all_money() == self.supply
        assert {actor.address: self.market.balance(actor) for actor in ACTORS} == self.books.wallets
        assert self.market.balance(LEDGER) == self.books.ledger_wei()
        assert self.market.balance(SERVING) == self.books.serving_wei()
        stakes = sum(stall.stake for stall in self.books.stalls.values())
        totals = sum(purse.total for purse in self.books.purses.values())
        assert self.market.balance(LEDGER) + self.market.balance(SERVING) == totals + stakes

    @invariant()
    def the_contracts_tell_what_the_books_say(self) -> None:
        ledgers, ledger_count = self.market.read(LEDGER, "getAllLedgers", 0, 0)
        accounts, account_count = self.market.read(SERVING, "getAllAccounts", 0, 0)
        services, service_count = self.market.read(SERVING, "getAllServices", 0, 0)
        told = (
            {each[0]: each for each in ledgers},
            {(each[0], each[1]): each for each in accounts},
            {each[0]: (each[6], each[3], each[9], each[10]) for each in services},
        )
        assert told == self.books.told()
        assert [len(each) for each in told] == [ledger_count, account_count, service_count]

    @invariant()
    def what_is_locked_lies_in_sub_accounts(self) -> None:
        for user, available, total, _ in self.market.read(LEDGER, "getAllLedgers", 0, 0)[0]:
            accounts = self.market.read(SERVING, "getAccountsByUser", user, 0, 0)[0]
            assert total - available == sum(account[3] for account in accounts)
            listed = self.market.read(LEDGER, "getLedgerProviders", user, INFERENCE)
            assert sorted(listed) == sorted(account[1] for account in accounts)


def test_no_sequence_of_calls_makes_or_loses_a_wei() -> None:
    quiet = list(HealthCheck)
    chosen = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=quiet, phases=PHASES)
    run_state_machine_as_test(Sequences, settings=chosen)


@pytest.mark.timeout(900 if LONG else 120)
def test_a_long_life_of_a_market_makes_or_loses_no_wei() -> None:
    """As before, with calls that mostly succeed, so that much money moves; in the end everything was there that can happen."""
    seed = commit_seed()
    print(f"seed {seed}")
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    for _ in range(WALKS):
        machine = Sequences()
        machine.begin(funded=True)
        for _ in range(STEPS_OF_A_WALK):
            step(machine, chance)
            machine.every_wei_is_somebodys()
            machine.the_contracts_tell_what_the_books_say()
            machine.what_is_locked_lies_in_sub_accounts()
        seen += machine.seen
    assert {name for name in EVERYTHING if not seen[name]} == set()


def step(machine: Sequences, chance: random.Random) -> None:
    """One call, as likely as in the life of a market."""
    user, provider = chance.choice(USERS), chance.choice(PROVIDERS)
    fee = chance.choice([0, 1, ETHER // 2, ETHER, 2 * ETHER, 9 * ETHER])
    amount = chance.choice([0, 1, ETHER // 2, ETHER, 2 * ETHER, 4 * ETHER, 40 * ETHER])
    calls: list[tuple[int, Callable[[], None]]] = [
        (8, lambda: machine.earn(user, provider, fee)),
        (6, lambda: machine.settle(provider, [entry(chance) for _ in range(chance.randint(1, 4))])),
        (3, lambda: machine.settle_again(chance.randrange(100), chance.choice([None, None, provider]))),
        (9, lambda: machine.transfer((user, provider), amount)),
        (8, lambda: machine.retrieve(user, chance.choices(PROVIDERS, k=chance.randint(0, 4)))),
        (6, lambda: machine.wait(chance.choice([1, 900, 1800, 3600]))),
        (4, lambda: machine.deposit(user, 4 * amount)),
        (2, lambda: machine.deposit_for(user, chance.choice(ACTORS), amount)),
        (3, lambda: machine.add_ledger(user, 20 * ETHER, chance.choice(["", "a text"]))),
        (3, lambda: machine.refund(user, chance.choice([None, amount, amount]))),
        (1, lambda: machine.pile_up((user, provider))),
        (1, lambda: machine.leave(user)),
        (1, lambda: machine.delete_ledger(user)),
        (1, lambda: machine.describe(user, "another text")),
        (2, lambda: machine.offer(provider, 10, chance.choice(["model", "model", "another"]), chance.choice([0, STAKE]))),
        (1, lambda: machine.remove_offer(provider)),
        (6, lambda: machine.accept(provider, chance.random() < 0.9)),
        (2, lambda: machine.acknowledge((user, provider), chance.random() < 0.5)),
        (1, lambda: machine.revoke((user, provider), chance.choice([None, 7, 255]))),
        (1, lambda: machine.set_lock(chance.choice([3600, 3600, 7200, 10]))),
        (1, lambda: machine.play_a_contract(user, (user, provider))),
    ]
    [(_, call)] = chance.choices(calls, weights=[weight for weight, _ in calls])
    call()


def entry(chance: random.Random) -> tuple[Account, Account | None, int, int, bool]:
    """An entry of a settlement that mostly is a good one."""
    other = chance.choice([None] * 8 + list(PROVIDERS))
    return chance.choice(USERS), other, chance.choice([0, 3, ETHER, 3 * ETHER]), chance.choice([1, 1, 1, 0]), chance.random() < 0.9
