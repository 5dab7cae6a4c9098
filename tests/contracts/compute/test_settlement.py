"""Settlements: what is signed, which entries are paid and which not, and why."""

from typing import Any

import pytest

from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    GAS,
    INVALID_NONCE,
    INVALID_SIGNATURE,
    LEDGER,
    LOCK_S,
    NO_TEE_SIGNER,
    NOBODY,
    PARTIAL,
    PROVIDER_MISMATCH,
    SERVING,
    SIGNER,
    SUCCESS,
    Market,
    Offer,
    Settlement,
    sign,
)
from zerog._kernel import secp256k1_sign
from zerog.primitives import Account, Address

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = "f737f563d7b91cee27fac69c3a2997816cabaa4e1fae5677ff4b44f9414078c4"
SIGNATURE = (
    "d03914ea7e81f33f84af8c142d61634672e1b910f42edef0baab36203d6f5337339da49324ac69b0b876a2aa172cba75259646a8b9a0aecd7a188333d263863d1c"
)
"""Digest and signature of the entry below. Made with ethers 6 for chain 31337 and the address at which the contract stands here."""


@pytest.fixture
def open_market(market: Market) -> Market:
    """A service that the owner accepted, and a user with 10 0G there."""
    market.offer(market.provider)
    market.fund(market.user, market.provider, 10 * ETHER)
    return market


def entry(market: Market, fee: int, nonce: int, user: Account | None = None) -> Settlement:
    return Settlement((user or market.user).address, market.provider.address, fee, nonce)


def test_the_contract_pays_what_the_official_client_signed(market: Market) -> None:
    provider, user = ACCOUNTS[1:3]
    golden = Settlement(user.address, provider.address, 7000, 17_000_000_000_000_000)
    assert golden.digest().hex() == DIGEST
    assert sign(golden.digest(), SIGNER).hex() == SIGNATURE
    market.offer(provider)
    market.fund(user, provider, ETHER)
    before = market.balance(provider)
    receipt = market.send(provider, SERVING, "settleFeesWithTEE", [golden.with_signature(bytes.fromhex(SIGNATURE))])
    assert receipt.events == [
        ("FundSpent", user.address, SERVING.address, 7000),
        ("BalanceUpdated", user.address, provider.address, ETHER - 7000, 0),
        ("TEESettlementResult", user.address, SUCCESS, 0),
    ]
    assert market.balance(provider) == before + 7000
    account = market.account(user, provider)
    assert (account.balance, account.nonce) == (ETHER - 7000, golden.nonce)
    assert market.ledger(user) == (2 * ETHER, 3 * ETHER - 7000)
    assert [market.balance(contract) for contract in (LEDGER, SERVING)] == [2 * ETHER, 101 * ETHER - 7000]


def test_the_first_check_that_fails_decides(market: Market) -> None:
    """An entry in which everything is wrong, put right one thing after the other."""
    other = Account.from_private_key(b"\x05" * 32)

    def status(fee: int = 1, nonce: int = 1, by: Account = other, provider: Address = market.provider.address) -> int:
        settlement = Settlement(market.user.address, provider, fee, nonce)
        [found] = market.settle(market.provider, settlement.signed(by))
        failed, reasons, partly, _ = market.read(SERVING, "previewSettlementResults", [settlement.signed(by)], by=market.provider)
        previewed = reasons[0] if failed else (PARTIAL if partly else SUCCESS)
        # What was paid a moment ago burnt its nonce.
        assert previewed == (INVALID_NONCE if found in (SUCCESS, PARTIAL) else found)
        return found

    assert status(nonce=0, provider=market.other.address) == PROVIDER_MISMATCH
    assert status(nonce=0) == INVALID_SIGNATURE  # No account.
    market.fund(market.user, market.provider, 3 * ETHER)
    assert status(nonce=0) == PROVIDER_MISMATCH  # No service.
    market.offer(market.provider, Offer(signer=NOBODY), acknowledged=False)
    assert status(nonce=0) == NO_TEE_SIGNER  # Not accepted by the owner.
    market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", market.provider.address)
    assert status(nonce=0) == NO_TEE_SIGNER  # Accepted, but nobody.
    market.send(market.provider, SERVING, "addOrUpdateService", Offer().parameters())
    assert status(nonce=0) == NO_TEE_SIGNER  # Somebody, and so to be accepted anew.
    market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", market.provider.address)
    assert status(nonce=0) == INVALID_NONCE
    assert status() == INVALID_SIGNATURE
    assert status(fee=4 * ETHER, by=SIGNER) == PARTIAL
    market.send(market.user, SERVING, "acknowledgeTEESigner", market.provider.address, False)
    assert status(nonce=1, by=SIGNER) == NO_TEE_SIGNER  # The user does not accept it any more.
    market.transfer(market.user, market.provider, 0)
    assert status(nonce=1, by=SIGNER) == INVALID_NONCE
    assert status(fee=0, nonce=2, by=SIGNER) == SUCCESS


def test_a_settlement_counts_once_and_nonces_only_grow(open_market: Market) -> None:
    first = entry(open_market, 5, 100).signed()
    assert open_market.settle(open_market.provider, first, first) == [SUCCESS, INVALID_NONCE]
    receipt = open_market.send(open_market.provider, SERVING, "settleFeesWithTEE", [first])
    assert receipt.events == [("TEESettlementResult", open_market.user.address, INVALID_NONCE, 5)]
    last = 2**256 - 1
    nonces = [entry(open_market, 5, nonce).signed() for nonce in (99, 101, last, last)]
    assert open_market.settle(open_market.provider, *nonces) == [INVALID_NONCE, SUCCESS, SUCCESS, INVALID_NONCE]
    assert open_market.account(open_market.user, open_market.provider).balance == 10 * ETHER - 15


def test_only_one_form_of_a_signature_counts(open_market: Market) -> None:
    settlement = entry(open_market, 5, 1)
    good = sign(settlement.digest(), SIGNER)
    high = (CURVE_ORDER - int.from_bytes(good[32:64])).to_bytes(32)
    others = [
        secp256k1_sign(settlement.digest(), SIGNER.private_key),  # v is 0 or 1.
        good[:32] + high + bytes([27 + 28 - good[64]]),  # The same point, s high.
        good[:64],
        good + b"\0",
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        sign(settlement.digest(contract=LEDGER.address), SIGNER),
        sign(settlement.digest(chain_id=16602), SIGNER),
        sign(entry(open_market, 6, 1).digest(), SIGNER),
        sign(settlement.digest(), open_market.provider),
    ]
    for signature in others:
        assert open_market.settle(open_market.provider, settlement.with_signature(signature)) == [INVALID_SIGNATURE]
    assert open_market.settle(open_market.provider, settlement.with_signature(good)) == [SUCCESS]


def test_what_the_balance_does_not_cover_stays_unsettled_and_burns_the_nonce(open_market: Market) -> None:
    before = open_market.balance(open_market.provider)
    settlement = entry(open_market, 12 * ETHER, 1)
    receipt = open_market.send(open_market.provider, SERVING, "settleFeesWithTEE", [settlement.signed()])
    assert receipt.named("TEESettlementResult") == [(open_market.user.address, PARTIAL, 2 * ETHER)]
    assert receipt.named("BalanceUpdated") == [(open_market.user.address, open_market.provider.address, 0, 0)]
    assert open_market.balance(open_market.provider) == before + 10 * ETHER
    receipt = open_market.send(open_market.provider, SERVING, "settleFeesWithTEE", [entry(open_market, 1, 2).signed()])
    assert receipt.events == [("TEESettlementResult", open_market.user.address, PARTIAL, 1)]
    assert open_market.account(open_market.user, open_market.provider).nonce == 2
    assert open_market.settle(open_market.provider, settlement.signed()) == [INVALID_NONCE]


def test_entries_of_a_call_are_paid_in_turn_and_together(open_market: Market) -> None:
    market = open_market
    market.fund(market.other, market.provider, ETHER)
    entries = [
        entry(market, 4 * ETHER, 1).signed(),
        entry(market, ETHER, 1, market.other).signed(),
        Settlement(market.user.address, market.other.address, 1, 2).signed(),
        entry(market, 1, 7, market.stranger).signed(),
        entry(market, 7 * ETHER, 2).signed(),
        entry(market, 1, 3).signed(),
    ]
    data = SERVING.interface.function("settleFeesWithTEE").encode(entries)
    returned = SERVING.interface.function("settleFeesWithTEE").decode_result(market.view(SERVING.address, data, market.provider))[0]
    before = market.balance(market.provider)
    receipt = market.send(market.provider, SERVING, "settleFeesWithTEE", entries)
    results = receipt.named("TEESettlementResult")
    statuses = [SUCCESS, SUCCESS, PROVIDER_MISMATCH, INVALID_SIGNATURE, PARTIAL, PARTIAL]
    assert [status for _, status, _ in results] == returned == statuses
    assert [unsettled for _, _, unsettled in results] == [0, 0, 1, 1, ETHER, 1]
    assert market.balance(market.provider) == before + 11 * ETHER
    assert receipt.named("FundSpent") == [
        (market.user.address, SERVING.address, 4 * ETHER),
        (market.other.address, SERVING.address, ETHER),
        (market.user.address, SERVING.address, 6 * ETHER),
    ]


def test_a_preview_tells_each_entry_by_itself(open_market: Market) -> None:
    market = open_market
    entries = [
        entry(market, 6 * ETHER, 1).signed(),
        entry(market, 6 * ETHER, 2).signed(),
        entry(market, 11 * ETHER, 3).signed(),
        entry(market, 1, 0).signed(),
        entry(market, 1, 1, market.stranger).signed(),
    ]
    failed, reasons, partly, amounts = market.read(SERVING, "previewSettlementResults", entries, by=market.provider)
    assert (failed, reasons) == ([market.user.address, market.stranger.address], [INVALID_NONCE, INVALID_SIGNATURE])
    assert (partly, amounts) == ([market.user.address], [ETHER])
    failed, reasons, _, _ = market.read(SERVING, "previewSettlementResults", entries[:1], by=market.other)
    assert (failed, reasons) == ([market.user.address], [PROVIDER_MISMATCH])
    assert market.read(SERVING, "previewSettlementResults", entries[:1], by=market.provider) == ([], [], [], [])


@pytest.mark.parametrize("name", ["settleFeesWithTEE", "previewSettlementResults"])
def test_a_call_has_one_to_fifty_entries(open_market: Market, name: str) -> None:
    def refused(count: int) -> tuple[Any, ...]:
        entries = [entry(open_market, 1, nonce + 1).signed() for nonce in range(count)]
        return open_market.read_refusal(SERVING, name, entries, by=open_market.provider)

    assert refused(0) == ("NoSettlementsProvided",)
    assert refused(51) == ("TooManySettlements", 51, 50)


def test_fifty_entries_fit_a_transaction(open_market: Market) -> None:
    entries = [entry(open_market, 1, nonce + 1).signed() for nonce in range(50)]
    receipt = open_market.send(open_market.provider, SERVING, "settleFeesWithTEE", entries)
    assert [status for _, status, _ in receipt.named("TEESettlementResult")] == [SUCCESS] * 50
    assert receipt.gas_used < GAS // 4


def test_a_refund_that_waits_is_no_protection_and_the_newest_goes_first(open_market: Market) -> None:
    market = open_market
    market.retrieve(market.user, market.provider)
    assert market.settle(market.provider, entry(market, 4 * ETHER, 1).signed()) == [SUCCESS]
    account = market.account(market.user, market.provider)
    assert (account.balance, account.pending_refund) == (6 * ETHER, 6 * ETHER)
    assert [amount for _, amount, _, _ in account.refunds] == [6 * ETHER]
    market.pass_time(LOCK_S)
    market.retrieve(market.user, market.provider)
    assert market.account(market.user, market.provider).balance == 0
    assert market.ledger(market.user) == (6 * ETHER, 6 * ETHER)


def test_free_money_is_spent_before_refunds_are_touched(open_market: Market) -> None:
    market = open_market
    market.retrieve(market.user, market.provider)
    market.send(market.user, LEDGER, "depositFund", value=12 * ETHER)
    market.transfer(market.user, market.provider, 7 * ETHER)  # Taken from the refund, of which three are left.
    assert market.settle(market.provider, entry(market, 6 * ETHER, 1).signed()) == [SUCCESS]
    account = market.account(market.user, market.provider)
    assert (account.balance, account.pending_refund) == (4 * ETHER, 3 * ETHER)
    assert market.settle(market.provider, entry(market, 2 * ETHER, 2).signed()) == [SUCCESS]
    account = market.account(market.user, market.provider)
    assert (account.balance, account.pending_refund) == (2 * ETHER, 2 * ETHER)


def test_a_service_that_the_ledger_does_not_know_settles_nothing() -> None:
    fresh = Market()
    fresh.send(fresh.owner, SERVING, "initialize", LOCK_S, fresh.other.address, fresh.owner.address)
    fresh.offer(fresh.provider)
    fresh.send(fresh.other, SERVING, "addAccount", fresh.user.address, fresh.provider.address, "", value=ETHER)
    fresh.chain.set_code(fresh.other.address, fresh.chain.code(LEDGER.address))
    refused = fresh.refusal(fresh.provider, SERVING, "settleFeesWithTEE", [entry(fresh, 1, 1).signed()])
    assert refused == ("CallerNotRegisteredService", SERVING.address)
