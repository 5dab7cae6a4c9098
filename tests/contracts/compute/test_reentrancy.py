"""Receivers of money that call back, or refuse it: nothing is paid twice, and nothing gets lost."""

from typing import Any

import pytest

from tests.contracts.compute.market import (
    ETHER,
    INFERENCE,
    LEDGER,
    LOCK_S,
    SERVING,
    STAKE,
    SUCCESS,
    Deployed,
    Market,
    Offer,
    Receipt,
    Settlement,
    refusal_of,
)
from zerog._kernel import abi_decode


class Puppeteer:
    """An account with code, and the hand in it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.contract = market.deploy("Puppet")
        self.address = self.contract.address

    def act(self, to: Deployed, name: str, *arguments: Any, value: int = 0) -> Receipt:
        data = to.interface.function(name).encode(*arguments)
        return self.market.send(self.market.stranger, self.contract, "act", to.address, data, value=value)

    def refused(self, to: Deployed, name: str, *arguments: Any, value: int = 0) -> tuple[Any, ...]:
        data = to.interface.function(name).encode(*arguments)
        return self.market.refusal(self.market.stranger, self.contract, "act", to.address, data, value=value)

    def when_paid(self, to: Deployed, name: str, *arguments: Any) -> None:
        data = to.interface.function(name).encode(*arguments)
        self.market.send(self.market.stranger, self.contract, "whenPaid", to.address, data)

    def refuse(self) -> None:
        self.market.send(self.market.stranger, self.contract, "refuse", True)

    def answer(self) -> tuple[Any, ...]:
        """What the call from within was told; nothing where it succeeded."""
        assert self.market.read(self.contract, "answered")
        if self.market.read(self.contract, "succeeded"):
            return ()
        return refusal_of(self.market.read(self.contract, "answer"))


@pytest.fixture
def puppet(market: Market) -> Puppeteer:
    return Puppeteer(market)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("refund", (3 * ETHER,)),
        ("depositFund", ()),
        ("addLedger", ("",)),
        ("deleteLedger", ()),
        ("updateAdditionalInfo", ("",)),
        ("transferFund", (b"\x01" * 20, INFERENCE, ETHER)),
        ("retrieveFund", ([b"\x01" * 20], INFERENCE)),
    ],
)
@pytest.mark.parametrize("amount", [3 * ETHER, 10 * ETHER], ids=["a part", "all"])
def test_who_is_paid_a_refund_cannot_use_its_ledger_meanwhile(
    market: Market, puppet: Puppeteer, name: str, arguments: tuple[Any, ...], amount: int
) -> None:
    puppet.act(LEDGER, "depositFund", value=10 * ETHER)
    puppet.when_paid(LEDGER, name, *arguments)
    puppet.act(LEDGER, "refund", amount)
    assert puppet.answer() == ("LedgerLocked",)
    assert market.balance(puppet.contract) == amount
    assert market.balance(LEDGER) == 10 * ETHER - amount
    puppet.act(LEDGER, "depositFund", value=3 * ETHER)  # The lock is gone with the call.


def test_who_is_paid_a_refund_can_use_another_ledger(market: Market, puppet: Puppeteer) -> None:
    puppet.act(LEDGER, "depositFund", value=10 * ETHER)
    puppet.when_paid(LEDGER, "depositFundFor", market.user.address)
    puppet.act(LEDGER, "refund", 3 * ETHER)
    assert puppet.answer() == ("ZeroAmountNotAllowed",)


def test_a_refund_that_is_refused_does_not_happen(market: Market, puppet: Puppeteer) -> None:
    puppet.act(LEDGER, "depositFund", value=10 * ETHER)
    puppet.refuse()
    for amount in (3 * ETHER, 10 * ETHER):
        assert puppet.refused(LEDGER, "refund", amount) == ("TransferFailed",)
    assert market.read(LEDGER, "getLedger", puppet.address)[1:3] == (10 * ETHER, 10 * ETHER)


@pytest.fixture
def provider(market: Market, puppet: Puppeteer) -> Puppeteer:
    """The puppet as a provider, whose user has 10 0G there."""
    puppet.act(SERVING, "addOrUpdateService", Offer().parameters(), value=STAKE)
    market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", puppet.address)
    market.send(market.user, LEDGER, "depositFund", value=10 * ETHER)
    market.send(market.user, LEDGER, "transferFund", puppet.address, INFERENCE, 10 * ETHER)
    return puppet


def test_who_is_paid_fees_cannot_collect_meanwhile(market: Market, provider: Puppeteer) -> None:
    entries = [Settlement(market.user.address, provider.address, ETHER, nonce).signed() for nonce in (1, 2, 3)]
    attempts: list[tuple[str, tuple[Any, ...]]] = [("settleFeesWithTEE", (entries[1:2],)), ("removeService", ())]
    paid = 0
    for index, (name, arguments) in enumerate(attempts):
        provider.when_paid(SERVING, name, *arguments)
        receipt = provider.act(SERVING, "settleFeesWithTEE", [entries[2 * index]])
        assert receipt.named("TEESettlementResult") == [(market.user.address, SUCCESS, 0)]
        assert provider.answer() == ("ReentrancyGuardReentrantCall",)
        paid += ETHER
        assert market.balance(provider.contract) == paid
    assert market.ledger(market.user) == (0, 8 * ETHER)


def test_who_is_paid_fees_cannot_take_refunds_as_a_user_meanwhile(market: Market, provider: Puppeteer) -> None:
    provider.act(LEDGER, "depositFund", value=5 * ETHER)
    provider.act(LEDGER, "transferFund", market.provider.address, INFERENCE, 2 * ETHER)
    retrieve = ("retrieveFund", [market.provider.address], INFERENCE)
    provider.act(LEDGER, *retrieve)
    market.pass_time(LOCK_S)
    provider.when_paid(LEDGER, *retrieve)
    provider.act(SERVING, "settleFeesWithTEE", [Settlement(market.user.address, provider.address, ETHER, 1).signed()])
    assert provider.answer() == ("ReentrancyGuardReentrantCall",)
    provider.act(LEDGER, *retrieve)
    assert market.read(LEDGER, "getLedger", provider.address)[1:3] == (5 * ETHER, 5 * ETHER)


def test_fees_that_are_refused_are_not_taken(market: Market, provider: Puppeteer) -> None:
    provider.refuse()
    entries = [Settlement(market.user.address, provider.address, ETHER, 1).signed()]
    assert provider.refused(SERVING, "settleFeesWithTEE", entries) == ("TransferFailed",)
    assert market.ledger(market.user) == (0, 10 * ETHER)
    assert market.read(SERVING, "getAccount", market.user.address, provider.address)[2:4] == (0, 10 * ETHER)


def test_a_stake_comes_back_once(market: Market, provider: Puppeteer) -> None:
    provider.when_paid(SERVING, "removeService")
    provider.act(SERVING, "removeService")
    assert provider.answer() == ("ReentrancyGuardReentrantCall",)
    assert market.balance(provider.contract) == STAKE
    assert market.balance(SERVING) == 10 * ETHER


def test_who_gets_its_stake_back_offers_again_only_with_another(market: Market, provider: Puppeteer) -> None:
    provider.when_paid(SERVING, "addOrUpdateService", Offer().parameters())
    provider.act(SERVING, "removeService")
    assert provider.answer() == ("InsufficientStake", 0, STAKE)
    assert not market.read(SERVING, "serviceExists", provider.address)


def test_a_stake_that_is_refused_stays_with_its_service(market: Market, provider: Puppeteer) -> None:
    provider.refuse()
    assert provider.refused(SERVING, "removeService") == ("TransferFailed",)
    assert market.read(SERVING, "serviceExists", provider.address)


def test_a_ledger_that_does_not_take_refunds_leaves_them(market: Market) -> None:
    fresh = Market()
    ledger = Puppeteer(fresh)
    fresh.send(fresh.owner, SERVING, "initialize", LOCK_S, ledger.address, fresh.owner.address)
    pair = (fresh.user.address, fresh.provider.address)
    ledger.act(SERVING, "addAccount", *pair, "", value=ETHER)
    ledger.act(SERVING, "requestRefundAll", *pair)
    fresh.pass_time(LOCK_S)
    ledger.refuse()
    assert ledger.refused(SERVING, "processRefund", *pair) == ("TransferFailed",)
    assert fresh.account(fresh.user, fresh.provider).balance == ETHER


def test_the_answer_of_an_act_is_passed_on(market: Market, puppet: Puppeteer) -> None:
    """The puppet itself does what these tests believe of it."""
    data = LEDGER.interface.function("MIN_TRANSFER_AMOUNT").encode()
    output = market.read(puppet.contract, "act", LEDGER.address, data)
    assert abi_decode(["uint256"], output) == (ETHER,)
