"""The serving contract: services, sub-accounts, tokens and pages, by the rules and in the order in which they are checked."""

from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    LEDGER,
    LOCK_S,
    NOBODY,
    SERVING,
    SIGNER,
    STAKE,
    AccountView,
    Market,
    Offer,
    Settlement,
)
from zerog.primitives import Address

DENIED = ("Ownable: caller is not the owner",)


def addresses(count: int, mark: int = 3) -> list[Address]:
    return [Address(bytes([mark]) * 18 + index.to_bytes(2)) for index in range(count)]


class AsLedger(Market):
    """A serving contract whose ledger is an account of ours, so that a test can do what only the ledger may."""

    def set_up(self) -> "AsLedger":
        self.keeper = self.other
        self.send(self.owner, SERVING, "initialize", LOCK_S, self.keeper.address, self.owner.address)
        return self

    def keep(self, name: str, *arguments: Any, value: int = 0) -> None:
        self.send(self.keeper, SERVING, name, *arguments, value=value)

    def refused(self, name: str, *arguments: Any, value: int = 0) -> tuple[Any, ...]:
        return self.refusal(self.keeper, SERVING, name, *arguments, value=value)


@pytest.fixture
def kept() -> AsLedger:
    return AsLedger().set_up()


# Set-up


def test_the_contract_is_set_up_once_with_a_lock_time_in_range() -> None:
    market = Market()
    for arguments, refusal in (
        ((0, NOBODY, NOBODY), ("InvalidAddress", NOBODY)),
        ((0, LEDGER.address, NOBODY), ("InvalidAddress", NOBODY)),
        ((3599, LEDGER.address, market.owner.address), ("LockTimeOutOfRange", 3599, 3600, 604800)),
        ((604801, LEDGER.address, market.owner.address), ("LockTimeOutOfRange", 604801, 3600, 604800)),
    ):
        assert market.refusal(market.user, SERVING, "initialize", *arguments) == refusal
    receipt = market.send(market.user, SERVING, "initialize", 604800, LEDGER.address, market.owner.address)
    assert receipt.events == [
        ("OwnershipTransferred", NOBODY, market.owner.address),
        ("ContractInitialized", market.owner.address, 604800, LEDGER.address),
        ("Initialized", 1),
    ]
    found = [market.read(SERVING, name) for name in ("initialized", "lockTime", "ledgerAddress", "owner")]
    assert found == [True, 604800, LEDGER.address, market.owner.address]
    again = market.refusal(market.user, SERVING, "initialize", 3600, LEDGER.address, market.user.address)
    assert again == ("AlreadyInitialized",)


def test_the_constants_and_interfaces_are_told(market: Market) -> None:
    names = ("MIN_PROVIDER_STAKE", "MIN_LOCKTIME", "MAX_LOCKTIME")
    assert [market.read(SERVING, name) for name in names] == [STAKE, 3600, 604800]
    ids = ("160841b1", "01ffc9a7", "ffffffff", "00000000")
    assert [market.read(SERVING, "supportsInterface", bytes.fromhex(each)) for each in ids] == [True, True, False, False]


def test_the_owner_changes_how_long_refunds_wait_also_those_under_way(market: Market) -> None:
    assert market.refusal(market.user, SERVING, "updateLockTime", 0) == DENIED
    assert market.refusal(market.owner, SERVING, "updateLockTime", 3599) == ("LockTimeOutOfRange", 3599, 3600, 604800)
    assert market.refusal(market.owner, SERVING, "updateLockTime", 604801) == ("LockTimeOutOfRange", 604801, 3600, 604800)
    market.fund(market.user, market.provider, ETHER)
    market.retrieve(market.user, market.provider)
    receipt = market.send(market.owner, SERVING, "updateLockTime", 2 * LOCK_S)
    assert receipt.events == [("LockTimeUpdated", LOCK_S, 2 * LOCK_S)]
    receipt = market.send(market.owner, SERVING, "updateLockTime", 2 * LOCK_S)
    assert receipt.events == [("LockTimeUpdated", 2 * LOCK_S, 2 * LOCK_S)]
    market.pass_time(LOCK_S)
    market.retrieve(market.user, market.provider)
    assert market.account(market.user, market.provider).balance == ETHER
    market.pass_time(LOCK_S)
    market.retrieve(market.user, market.provider)
    assert market.account(market.user, market.provider).balance == 0


# Sub-accounts


@pytest.mark.parametrize(
    ("name", "rest"), [("addAccount", ("",)), ("depositFund", (0,)), ("requestRefundAll", ()), ("processRefund", ()), ("deleteAccount", ())]
)
def test_only_the_ledger_touches_accounts(market: Market, name: str, rest: tuple[Any, ...]) -> None:
    for caller in (market.user, market.provider, market.owner):
        refusal = market.refusal(caller, SERVING, name, market.user.address, market.provider.address, *rest)
        assert refusal == ("CallerNotLedger", caller.address)


def test_an_account_checks_its_parties_then_its_text_then_that_it_is_new(kept: AsLedger) -> None:
    user, provider, long = kept.user.address, kept.provider.address, "x" * 4097
    assert kept.refused("addAccount", NOBODY, NOBODY, long) == ("InvalidAddress", NOBODY)
    assert kept.refused("addAccount", user, NOBODY, long) == ("InvalidAddress", NOBODY)
    assert kept.refused("addAccount", user, user, long) == ("ProviderCannotBeUser",)
    assert kept.refused("addAccount", user, provider, long) == ("AdditionalInfoTooLong",)
    kept.keep("addAccount", user, provider, long[1:], value=5)
    assert kept.refused("addAccount", user, provider, "") == ("AccountExists", user, provider)
    for name, rest in (("depositFund", (0,)), ("requestRefundAll", ()), ("processRefund", ())):
        assert kept.refused(name, NOBODY, provider, *rest) == ("InvalidAddress", NOBODY)
        assert kept.refused(name, user, user, *rest) == ("ProviderCannotBeUser",)
    for name, rest in (("depositFund", (0,)), ("requestRefundAll", ()), ("processRefund", ()), ("deleteAccount", ())):
        assert kept.refused(name, provider, user, *rest) == ("AccountNotExists", provider, user)
    for name in ("getAccount", "getPendingRefund"):
        assert kept.read_refusal(SERVING, name, provider, user) == ("AccountNotExists", provider, user)
    assert kept.read_refusal(SERVING, "isTokenRevoked", provider, user, 0) == ("AccountNotExists", provider, user)
    assert [kept.read(SERVING, "accountExists", *pair) for pair in ((user, provider), (provider, user))] == [True, False]


def test_refunds_wait_each_for_itself_and_five_at_most(kept: AsLedger) -> None:
    user, provider = kept.user.address, kept.provider.address
    kept.keep("addAccount", user, provider, "", value=1)
    times = []
    for amount in range(1, 6):
        kept.keep("requestRefundAll", user, provider)
        times.append(kept.now)
        kept.keep("requestRefundAll", user, provider)  # Nothing is free: nothing happens.
        kept.keep("depositFund", user, provider, 0, value=amount + 1)
        kept.pass_time(100)
    assert kept.refused("requestRefundAll", user, provider) == ("TooManyRefunds", user, provider)
    account = kept.account(kept.user, kept.provider)
    assert account.refunds == [(index, index + 1, times[index], False) for index in range(5)]
    assert (account.balance, account.pending_refund, account.valid_refunds_length) == (21, 15, 5)

    kept.now = times[1] + LOCK_S - 1
    before = kept.balance(kept.keeper)
    receipt = kept.send(kept.keeper, SERVING, "processRefund", user, provider)
    assert receipt.events == [("BalanceUpdated", user, provider, 18, 12)]
    assert kept.balance(kept.keeper) == before + 3
    account = kept.account(kept.user, kept.provider)
    assert account.refunds == [(index, index + 3, times[index + 2], False) for index in range(3)]
    receipt = kept.send(kept.keeper, SERVING, "requestRefundAll", user, provider)
    assert receipt.events == [("RefundRequested", user, provider, 3, kept.now)]
    assert kept.account(kept.user, kept.provider).refunds[3] == (3, 6, kept.now, False)


def test_a_deposit_cancels_the_newest_refunds_first_and_splits_the_last(kept: AsLedger) -> None:
    user, provider = kept.user.address, kept.provider.address
    kept.keep("addAccount", user, provider, "", value=10)
    kept.keep("requestRefundAll", user, provider)
    kept.keep("depositFund", user, provider, 0, value=20)
    kept.keep("requestRefundAll", user, provider)
    kept.keep("depositFund", user, provider, 23, value=1)
    account = kept.account(kept.user, kept.provider)
    assert [amount for _, amount, _, _ in account.refunds] == [7]
    assert (account.balance, account.pending_refund) == (31, 7)
    kept.keep("depositFund", user, provider, 100)
    account = kept.account(kept.user, kept.provider)
    assert (account.balance, account.pending_refund, account.refunds) == (31, 0, [])


def test_a_deleted_account_keeps_what_guards_against_replay(market: Market) -> None:
    pair = (market.user.address, market.provider.address)
    market.fund(market.user, market.provider, 3 * ETHER)
    market.offer(market.provider)
    market.send(market.user, SERVING, "revokeAllTokens", market.provider.address)
    market.send(market.user, SERVING, "revokeToken", market.provider.address, 3)
    old = Settlement(*pair, 3 * ETHER, 9).signed()
    assert market.settle(market.provider, old) == [0]
    assert market.send(market.user, LEDGER, "deleteLedger").events == [("AccountDeleted", *pair, 0)]
    market.fund(market.user, market.provider, 3 * ETHER)
    expected = AccountView(*pair, 9, 3 * ETHER, 0, [], "", True, 0, 1, 0)
    assert market.account(market.user, market.provider) == expected
    assert market.settle(market.provider, old) == [4]


def test_an_account_with_money_is_not_deleted(kept: AsLedger) -> None:
    user, provider = kept.user.address, kept.provider.address
    kept.keep("addAccount", user, provider, "", value=1)
    assert kept.refused("deleteAccount", user, provider) == ("CannotRevokeWithNonZeroBalance", user, provider, 1)


def test_the_user_takes_an_acknowledgement_back_only_without_money_there(market: Market) -> None:
    def acknowledge(acknowledged: bool) -> None:
        market.send(market.user, SERVING, "acknowledgeTEESigner", market.provider.address, acknowledged)

    missing = market.refusal(market.user, SERVING, "acknowledgeTEESigner", market.provider.address, True)
    assert missing == ("AccountNotExists", market.user.address, market.provider.address)
    market.fund(market.user, market.provider, ETHER, deposit=4 * ETHER)
    acknowledge(True)
    refused = market.refusal(market.user, SERVING, "acknowledgeTEESigner", market.provider.address, False)
    assert refused == ("CannotRevokeWithNonZeroBalance", market.user.address, market.provider.address, ETHER)
    market.retrieve(market.user, market.provider)
    market.pass_time(LOCK_S)
    market.retrieve(market.user, market.provider)
    for acknowledged in (False, False, True):
        acknowledge(acknowledged)
        assert market.account(market.user, market.provider).acknowledged == acknowledged


# Services


def test_a_service_begins_with_a_stake_that_comes_back_whole(market: Market) -> None:
    provider, offer = market.provider, Offer()
    for few in (0, STAKE - 1):
        refusal = market.refusal(provider, SERVING, "addOrUpdateService", offer.parameters(), value=few)
        assert refusal == ("InsufficientStake", few, STAKE)
    long = replace(offer, additional_info="x" * 4097).parameters()
    assert market.refusal(provider, SERVING, "addOrUpdateService", long) == ("InsufficientStake", 0, STAKE)
    assert market.refusal(provider, SERVING, "addOrUpdateService", long, value=STAKE) == ("AdditionalInfoTooLong",)
    before = market.balance(provider)
    receipt = market.send(provider, SERVING, "addOrUpdateService", offer.parameters(), value=STAKE + 7)
    told = (offer.service_type, offer.url, offer.input_price, offer.output_price, market.now, offer.model, offer.verifiability)
    assert receipt.events == [("ProviderStaked", provider.address, STAKE + 7), ("ServiceUpdated", provider.address, *told)]
    assert market.read(SERVING, "serviceExists", provider.address)
    assert market.balance(SERVING) == STAKE + 7
    more = market.refusal(provider, SERVING, "addOrUpdateService", offer.parameters(), value=1)
    assert more == ("CannotAddStakeWhenUpdating",)
    receipt = market.send(provider, SERVING, "removeService")
    assert receipt.events == [("ProviderStakeReturned", provider.address, STAKE + 7), ("ServiceRemoved", provider.address)]
    assert (market.balance(provider), market.balance(SERVING)) == (before, 0)
    assert market.refusal(provider, SERVING, "removeService") == ("ServiceNotExist", provider.address)
    assert market.read_refusal(SERVING, "getService", provider.address) == ("ServiceNotExist", provider.address)
    assert not market.read(SERVING, "serviceExists", provider.address)
    again = market.refusal(provider, SERVING, "addOrUpdateService", offer.parameters())
    assert again == ("InsufficientStake", 0, STAKE)


def test_a_service_is_told_in_the_official_order(market: Market) -> None:
    market.offer(market.provider, Offer("a", "b", "c", "d", 1, 2, "e"))
    told = (market.provider.address, "a", "b", 1, 2, market.now - 1, "c", "d", "e", SIGNER.address, True)
    assert market.read(SERVING, "getService", market.provider.address) == told
    assert market.read(SERVING, "getAllServices", 0, 50) == ([told], 1)


@pytest.mark.parametrize(
    ("field", "value", "keeps"),
    [
        ("url", "http://other", True),
        ("input_price", 11, True),
        ("output_price", 0, True),
        ("service_type", "text-to-image", False),
        ("model", "another", False),
        ("verifiability", "", False),
        ("additional_info", "{ }", False),
        ("signer", Address(b"\x99" * 20), False),
    ],
)
def test_a_change_of_what_was_looked_at_needs_the_owner_anew(market: Market, field: str, value: Any, keeps: bool) -> None:
    market.offer(market.provider)
    market.send(market.provider, SERVING, "addOrUpdateService", Offer().parameters())
    assert market.read(SERVING, "getService", market.provider.address)[10]
    market.send(market.provider, SERVING, "addOrUpdateService", replace(Offer(), **{field: value}).parameters())
    assert market.read(SERVING, "getService", market.provider.address)[10] == keeps


def test_a_service_offered_again_is_not_acknowledged(market: Market) -> None:
    market.offer(market.provider)
    market.send(market.provider, SERVING, "removeService")
    market.offer(market.provider, acknowledged=False)
    assert not market.read(SERVING, "getService", market.provider.address)[10]


def test_the_owner_accepts_a_signer_and_takes_it_back(market: Market) -> None:
    for name, acknowledged in (("acknowledgeTEESignerByOwner", True), ("revokeTEESignerAcknowledgement", False)):
        assert market.refusal(market.provider, SERVING, name, market.provider.address) == DENIED
        missing = market.refusal(market.owner, SERVING, name, market.other.address)
        assert missing == ("ServiceNotExist", market.other.address)
        if acknowledged:
            market.offer(market.provider, acknowledged=False)
        receipt = market.send(market.owner, SERVING, name, market.provider.address)
        assert receipt.events == [("ProviderTEESignerAcknowledged", market.provider.address, SIGNER.address, acknowledged)]
        assert market.read(SERVING, "getService", market.provider.address)[10] == acknowledged


def test_services_left_behind_are_found_when_others_go(market: Market) -> None:
    for provider in ACCOUNTS[2:6]:
        market.offer(provider, replace(Offer(), model=provider.address.hex()))
    for gone in (ACCOUNTS[2], ACCOUNTS[5]):
        market.send(gone, SERVING, "removeService")
    services, total = market.read(SERVING, "getAllServices", 0, 0)
    assert total == 2
    assert {(service[0], service[6]) for service in services} == {(each.address, each.address.hex()) for each in ACCOUNTS[3:5]}


# Tokens


def test_tokens_are_revoked_by_number_and_by_generation(market: Market) -> None:
    user, provider = market.user.address, market.provider.address
    for name, rest in (("revokeToken", (0,)), ("revokeTokens", ([1],)), ("revokeAllTokens", ())):
        assert market.refusal(market.user, SERVING, name, provider, *rest) == ("AccountNotExists", user, provider)
    market.fund(market.user, market.provider, ETHER)
    receipt = market.send(market.user, SERVING, "revokeToken", provider, 255)
    assert receipt.events == [("TokenRevoked", user, provider, 255)]
    receipt = market.send(market.user, SERVING, "revokeTokens", provider, [0, 7, 7])
    assert receipt.events == [("TokensRevoked", user, provider, [0, 7, 7])]
    market.send(market.user, SERVING, "revokeToken", provider, 7)
    revoked = [number for number in range(256) if market.read(SERVING, "isTokenRevoked", user, provider, number)]
    assert revoked == [0, 7, 255]
    assert market.account(market.user, market.provider).revoked_bitmap == 1 << 255 | 1 << 7 | 1
    receipt = market.send(market.user, SERVING, "revokeAllTokens", provider)
    assert receipt.events == [("AllTokensRevoked", user, provider, 1)]
    account = market.account(market.user, market.provider)
    assert (account.generation, account.revoked_bitmap) == (1, 0)
    assert not market.read(SERVING, "isTokenRevoked", user, provider, 7)


# Pages


def test_pages_hold_fifty_and_end_where_the_list_ends(kept: AsLedger) -> None:
    users = addresses(53)
    for user in users:
        kept.keep("addAccount", user, kept.provider.address, "", value=1)
    kept.keep("addAccount", users[0], kept.owner.address, "", value=1)
    lists: tuple[tuple[str, tuple[Any, ...], int], ...] = (
        ("getAllAccounts", (), 54),
        ("getAccountsByProvider", (kept.provider.address,), 53),
        ("getAccountsByUser", (users[0],), 2),
    )
    for name, whose, count in lists:
        everything = []
        for offset in range(0, 100, 7):
            accounts, total = kept.read(SERVING, name, *whose, offset, 7)
            assert total == count
            everything += accounts
        assert len(everything) == count
        assert kept.read(SERVING, name, *whose, 0, 0) == (everything[:50], count)
        assert kept.read(SERVING, name, *whose, 0, 50) == (everything[:50], count)
        assert kept.read(SERVING, name, *whose, count, 1) == kept.read(SERVING, name, *whose, 2**256 - 1, 50) == ([], count)
        assert kept.read_refusal(SERVING, name, *whose, 0, 51) == ("LimitTooLarge", 51, 50)
    assert kept.read(SERVING, "getAccountsByUser", kept.stranger.address, 0, 0) == ([], 0)


def test_pages_of_services_hold_fifty(market: Market) -> None:
    code = market.chain.code(market.deploy("Puppet").address)
    register = SERVING.interface.function("addOrUpdateService").encode(Offer().parameters())
    puppet = market.deploy("Puppet")
    providers = addresses(51)
    for provider in providers:
        market.chain.set_code(provider, code)
        act = puppet.interface.function("act").encode(SERVING.address, register)
        market.transact(market.user, provider, act, STAKE)
    services, total = market.read(SERVING, "getAllServices", 0, 50)
    assert ([service[0] for service in services], total) == (providers[:50], 51)
    assert [service[0] for service in market.read(SERVING, "getAllServices", 50, 0)[0]] == providers[50:]
    assert market.read(SERVING, "getAllServices", 51, 0) == ([], 51)
    assert market.read_refusal(SERVING, "getAllServices", 0, 51) == ("LimitTooLarge", 51, 50)


def test_a_provider_reads_many_accounts_at_once(kept: AsLedger) -> None:
    users = addresses(3)
    kept.keep("addAccount", users[0], kept.provider.address, "one", value=1)
    kept.keep("addAccount", users[2], kept.provider.address, "", value=3)
    found = [AccountView(*each) for each in kept.read(SERVING, "getBatchAccountsByUsers", users, by=kept.provider)]
    assert [(each.user, each.balance, each.additional_info) for each in found] == [(users[0], 1, "one"), (NOBODY, 0, ""), (users[2], 3, "")]
    assert found[1] == AccountView(NOBODY, NOBODY, 0, 0, 0, [], "", False, 0, 0, 0)
    assert len(kept.read(SERVING, "getBatchAccountsByUsers", addresses(500), by=kept.provider)) == 500
    assert kept.read_refusal(SERVING, "getBatchAccountsByUsers", addresses(501)) == ("BatchSizeTooLarge", 501, 500)


def test_accounts_are_found_whatever_others_are_deleted(kept: AsLedger) -> None:
    """More accounts than a word of the lists holds, deleted from the front, the middle and the end."""
    users, providers = addresses(12, 4), addresses(12, 5)
    pairs = [(user, provider) for user in users for provider in providers]
    for pair in pairs:
        kept.keep("addAccount", *pair, "")
    left = list(pairs)
    for index in (0, 143, 70, 1, 100, 50, 49, 51, 3, 3, 3, 17, 90, 20):
        gone = left.pop(index % len(left))
        kept.keep("deleteAccount", *gone)

    def listed(name: str, *whose: Address) -> set[tuple[bytes, bytes]]:
        total = kept.read(SERVING, name, *whose, 0, 1)[1]
        found = [tuple(each[:2]) for offset in range(0, total, 50) for each in kept.read(SERVING, name, *whose, offset, 50)[0]]
        assert len(found) == len(set(found)) == total
        return set(found)

    assert listed("getAllAccounts") == set(left)
    for user, provider in zip(users, providers, strict=True):
        assert listed("getAccountsByUser", user) == {pair for pair in left if pair[0] == user}
        assert listed("getAccountsByProvider", provider) == {pair for pair in left if pair[1] == provider}
    for pair in left:
        kept.keep("deleteAccount", *pair)
    assert listed("getAllAccounts") == set()
    kept.keep("addAccount", *pairs[5], "")
    assert listed("getAllAccounts") == listed("getAccountsByUser", pairs[5][0]) == {pairs[5]}
