"""The ledger: every rule of its functions, in the order in which they are checked."""

import pytest

from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    INFERENCE,
    LEDGER,
    LOCK_S,
    NOBODY,
    SERVING,
    Deployed,
    Market,
    RevertedError,
    Settlement,
    refusal_of,
)
from zerog.primitives import Address

LONG = "x" * 4097
FROM_ADDRESS = Address(b"\x77" * 20)
SERVING_ID, ERC165_ID = bytes.fromhex("160841b1"), bytes.fromhex("01ffc9a7")


def test_a_ledger_begins_with_what_is_sent(market: Market) -> None:
    receipt = market.send(market.user, LEDGER, "addLedger", "mine", value=3 * ETHER)
    assert receipt.events == []
    assert market.read(LEDGER, "getLedger", market.user.address) == (market.user.address, 3 * ETHER, 3 * ETHER, "mine")
    assert market.read(LEDGER, "getAllLedgers", 0, 0) == ([(market.user.address, 3 * ETHER, 3 * ETHER, "mine")], 1)
    assert market.balance(LEDGER) == 3 * ETHER


def test_the_least_amounts_are_those_that_it_was_made_with() -> None:
    """As on the public test network."""
    market = Market(ETHER // 10, ETHER // 100).set_up()
    assert [market.read(LEDGER, name) for name in ("MIN_ACCOUNT_BALANCE", "MIN_TRANSFER_AMOUNT")] == [ETHER // 10, ETHER // 100]
    few = ETHER // 10 - 1
    for name, arguments in (("addLedger", ("",)), ("depositFund", ()), ("depositFundFor", (market.user.address,))):
        assert market.refusal(market.user, LEDGER, name, *arguments, value=few) == ("MinimumDepositRequired", few, ETHER // 10)
    market.send(market.user, LEDGER, "addLedger", "", value=ETHER // 5)
    transfer = ("transferFund", market.provider.address, INFERENCE)
    assert market.refusal(market.user, LEDGER, *transfer, 1) == ("MinimumDepositRequired", 1, ETHER // 100)
    market.send(market.user, LEDGER, *transfer, ETHER // 100)
    rest = ETHER // 5 - ETHER // 100
    assert market.refusal(market.user, LEDGER, "refund", rest - few) == ("MinimumDepositRequired", few, ETHER // 10)
    market.send(market.user, LEDGER, "refund", rest - ETHER // 10)


def test_add_ledger_checks_money_then_text_then_that_it_is_the_first(market: Market) -> None:
    market.send(market.user, LEDGER, "addLedger", "x" * 4096, value=3 * ETHER)
    few = 3 * ETHER - 1
    assert market.refusal(market.user, LEDGER, "addLedger", LONG, value=few) == ("MinimumDepositRequired", few, 3 * ETHER)
    assert market.refusal(market.user, LEDGER, "addLedger", LONG, value=3 * ETHER) == ("AdditionalInfoTooLong", 4097, 4096)
    assert market.refusal(market.user, LEDGER, "addLedger", "", value=3 * ETHER) == ("LedgerExists", market.user.address)


def test_a_deposit_opens_a_ledger_or_adds_to_it(market: Market) -> None:
    assert market.refusal(market.user, LEDGER, "depositFund") == ("ZeroAmountNotAllowed",)
    assert market.refusal(market.user, LEDGER, "depositFund", value=1) == ("MinimumDepositRequired", 1, 3 * ETHER)
    market.send(market.user, LEDGER, "depositFund", value=3 * ETHER)
    market.send(market.user, LEDGER, "depositFund", value=1)
    assert market.read(LEDGER, "getLedger", market.user.address) == (market.user.address, 3 * ETHER + 1, 3 * ETHER + 1, "")


def test_a_deposit_for_another_is_theirs(market: Market) -> None:
    assert market.refusal(market.user, LEDGER, "depositFundFor", NOBODY) == ("ZeroAddressNotAllowed",)
    assert market.refusal(market.user, LEDGER, "depositFundFor", market.other.address) == ("ZeroAmountNotAllowed",)
    small = market.refusal(market.user, LEDGER, "depositFundFor", market.other.address, value=ETHER)
    assert small == ("MinimumDepositRequired", ETHER, 3 * ETHER)
    for total in (3, 6):
        market.send(market.user, LEDGER, "depositFundFor", market.other.address, value=3 * ETHER)
        assert market.ledger(market.other) == (total * ETHER, total * ETHER)
    assert market.read_refusal(LEDGER, "getLedger", market.user.address) == ("LedgerNotExists", market.user.address)


def test_the_text_of_a_ledger_goes_into_accounts_opened_later(market: Market) -> None:
    assert market.refusal(market.user, LEDGER, "updateAdditionalInfo", LONG) == ("AdditionalInfoTooLong", 4097, 4096)
    assert market.refusal(market.user, LEDGER, "updateAdditionalInfo", "") == ("LedgerNotExists", market.user.address)
    market.fund(market.user, market.provider, ETHER)
    receipt = market.send(market.user, LEDGER, "updateAdditionalInfo", "new")
    assert receipt.events == [("LedgerInfoUpdated", market.user.address, "new")]
    market.transfer(market.user, market.other, ETHER)
    texts = [market.account(market.user, provider).additional_info for provider in (market.provider, market.other)]
    assert texts == ["", "new"]


def test_a_refund_leaves_enough_or_nothing(market: Market) -> None:
    assert market.refusal(market.user, LEDGER, "refund", 0) == ("LedgerNotExists", market.user.address)
    market.send(market.user, LEDGER, "addLedger", "", value=10 * ETHER)
    assert market.refusal(market.user, LEDGER, "refund", 10 * ETHER + 1) == ("InsufficientBalance", market.user.address)
    assert market.refusal(market.user, LEDGER, "refund", 8 * ETHER) == ("MinimumDepositRequired", 2 * ETHER, 3 * ETHER)
    before = market.balance(market.user)
    market.send(market.user, LEDGER, "refund", 7 * ETHER)
    assert market.ledger(market.user) == (3 * ETHER, 3 * ETHER)
    market.send(market.user, LEDGER, "refund", 3 * ETHER)
    assert market.balance(market.user) == before + 10 * ETHER
    assert market.refusal(market.user, LEDGER, "refund", 0) == ("LedgerNotExists", market.user.address)
    assert market.read(LEDGER, "getAllLedgers", 0, 0) == ([], 0)


def test_all_that_is_available_can_be_taken_while_other_money_is_locked(market: Market) -> None:
    market.fund(market.user, market.provider, ETHER, deposit=4 * ETHER)
    market.send(market.user, LEDGER, "refund", 3 * ETHER)
    assert market.ledger(market.user) == (0, ETHER)
    assert market.read(SERVING, "accountExists", market.user.address, market.provider.address)
    assert market.refusal(market.user, LEDGER, "deleteLedger") == ("MustWithdrawAllFundsFirst", ETHER)


def test_whoever_takes_the_last_wei_has_no_accounts_any_more(market: Market) -> None:
    market.fund(market.user, market.provider, ETHER)
    market.transfer(market.user, market.other, ETHER)
    for _ in range(2):
        market.retrieve(market.user, market.provider, market.other)
        market.pass_time(LOCK_S)
    receipt = market.send(market.user, LEDGER, "refund", 3 * ETHER)
    assert receipt.named("AccountDeleted") == [(market.user.address, whose.address, 0) for whose in (market.provider, market.other)]
    assert market.read(SERVING, "getAllAccounts", 0, 0) == ([], 0)
    assert market.read(LEDGER, "getLedgerProviders", market.user.address, INFERENCE) == []


def test_a_ledger_whose_money_is_all_spent_can_be_deleted(market: Market) -> None:
    assert market.refusal(market.user, LEDGER, "deleteLedger") == ("LedgerNotExists", market.user.address)
    market.fund(market.user, market.provider, 3 * ETHER)
    market.offer(market.provider)
    assert market.settle(market.provider, Settlement(market.user.address, market.provider.address, 3 * ETHER, 1).signed()) == [0]
    assert market.ledger(market.user) == (0, 0)
    assert market.balance(LEDGER) == 0
    market.send(market.user, LEDGER, "deleteLedger")
    assert not market.read(SERVING, "accountExists", market.user.address, market.provider.address)
    assert market.read_refusal(LEDGER, "getLedger", market.user.address) == ("LedgerNotExists", market.user.address)


def test_a_transfer_checks_ledger_then_service_then_amounts(market: Market) -> None:
    def refused(amount: int, service: str = INFERENCE) -> tuple[object, ...]:
        return market.refusal(market.user, LEDGER, "transferFund", market.provider.address, service, amount)

    assert refused(0, "nothing-v1") == ("LedgerNotExists", market.user.address)
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    assert refused(0, "nothing-v1") == ("ServiceNotFound", NOBODY)
    assert refused(ETHER // 2) == ("MinimumDepositRequired", ETHER // 2, ETHER)
    assert refused(4 * ETHER) == ("InsufficientAvailableBalance", 3 * ETHER, 4 * ETHER)
    market.transfer(market.user, market.provider, ETHER)
    assert refused(3 * ETHER) == ("InsufficientAvailableBalance", 2 * ETHER, 3 * ETHER)
    market.transfer(market.user, market.provider, 1)
    assert market.ledger(market.user) == (2 * ETHER - 1, 3 * ETHER)


def test_a_first_transfer_opens_an_acknowledged_account_also_with_who_offers_nothing(market: Market) -> None:
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    receipt = market.transfer(market.user, market.provider, 2 * ETHER)
    assert receipt.events == [("BalanceUpdated", market.user.address, market.provider.address, 2 * ETHER, 0)]
    account = market.account(market.user, market.provider)
    assert (account.balance, account.acknowledged, account.generation, account.nonce) == (2 * ETHER, True, 0, 0)
    assert market.ledger(market.user) == (ETHER, 3 * ETHER)
    assert [market.balance(contract) for contract in (LEDGER, SERVING)] == [ETHER, 2 * ETHER]
    assert market.read(LEDGER, "getLedgerProviders", market.user.address, INFERENCE) == [market.provider.address]


def test_a_transfer_takes_from_waiting_refunds_first(market: Market) -> None:
    market.fund(market.user, market.provider, 2 * ETHER, deposit=5 * ETHER)
    market.retrieve(market.user, market.provider)
    market.transfer(market.user, market.provider, ETHER)
    assert market.ledger(market.user) == (3 * ETHER, 5 * ETHER)
    assert (market.account(market.user, market.provider).balance, market.account(market.user, market.provider).pending_refund) == (
        2 * ETHER,
        ETHER,
    )
    market.transfer(market.user, market.provider, 2 * ETHER)
    assert market.ledger(market.user) == (2 * ETHER, 5 * ETHER)
    account = market.account(market.user, market.provider)
    assert (account.balance, account.pending_refund, account.refunds) == (3 * ETHER, 0, [])


def test_a_transfer_of_nothing_acknowledges_again(market: Market) -> None:
    market.fund(market.user, market.provider, 3 * ETHER)
    market.offer(market.provider)
    market.settle(market.provider, Settlement(market.user.address, market.provider.address, 3 * ETHER, 1).signed())
    market.send(market.user, SERVING, "acknowledgeTEESigner", market.provider.address, False)
    market.transfer(market.user, market.provider, 0)
    assert market.account(market.user, market.provider).acknowledged


@pytest.mark.parametrize("is_user", [True, False])
def test_what_the_service_refuses_says_why_behind_the_official_selector(market: Market, is_user: bool) -> None:
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    provider = market.user.address if is_user else NOBODY
    reason = ("ProviderCannotBeUser",) if is_user else ("InvalidAddress", NOBODY)
    assert market.refusal(market.user, LEDGER, "transferFund", provider, INFERENCE, ETHER) == ("CallFailed", *reason)
    assert market.ledger(market.user) == (3 * ETHER, 3 * ETHER)


def test_one_service_takes_fifty_accounts_of_a_user(market: Market) -> None:
    market.send(market.user, LEDGER, "addLedger", "", value=60 * ETHER)
    providers = [bytes([1]) * 19 + bytes([index]) for index in range(51)]
    for provider in providers[:50]:
        market.send(market.user, LEDGER, "transferFund", provider, INFERENCE, ETHER)
    assert market.read(LEDGER, "getLedgerProviders", market.user.address, INFERENCE) == providers[:50]
    too_many = market.refusal(market.user, LEDGER, "transferFund", providers[50], INFERENCE, ETHER)
    assert too_many == ("TooManyProvidersForService", 50, 50)
    market.send(market.user, LEDGER, "transferFund", providers[7], INFERENCE, ETHER)
    for first in (0, 20, 40):
        market.send(market.user, LEDGER, "retrieveFund", providers[first : first + 20], INFERENCE)
    market.pass_time(LOCK_S)
    for first in (0, 20, 40):
        market.send(market.user, LEDGER, "retrieveFund", providers[first : first + 20], INFERENCE)
    market.send(market.user, LEDGER, "refund", 60 * ETHER)
    assert market.read(SERVING, "getAllAccounts", 0, 0) == ([], 0)


def test_retrieving_checks_count_then_service_then_ledger(market: Market) -> None:
    many = [market.provider.address] * 21
    assert market.refusal(market.user, LEDGER, "retrieveFund", many, "nothing-v1") == ("TooManyProviders", 21, 20)
    assert market.refusal(market.user, LEDGER, "retrieveFund", many[:20], "nothing-v1") == ("ServiceNotFound", NOBODY)
    assert market.refusal(market.user, LEDGER, "retrieveFund", many[:20], INFERENCE) == ("LedgerNotExists", market.user.address)
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    assert market.send(market.user, LEDGER, "retrieveFund", many[:20], INFERENCE).events == []


def test_money_comes_back_by_two_calls_with_the_lock_time_between_them(market: Market) -> None:
    market.fund(market.user, market.provider, 2 * ETHER)
    receipt = market.retrieve(market.user, market.provider, market.provider)
    assert receipt.events == [("RefundRequested", market.user.address, market.provider.address, 0, market.now)]
    requested = market.now
    account = market.account(market.user, market.provider)
    assert (account.balance, account.pending_refund, account.valid_refunds_length) == (2 * ETHER, 2 * ETHER, 1)
    assert account.refunds == [(0, 2 * ETHER, requested, False)]
    market.pass_time(LOCK_S - 2)
    assert market.retrieve(market.user, market.provider).events == []
    assert market.now == requested + LOCK_S - 1
    receipt = market.retrieve(market.user, market.provider)
    assert receipt.events == [("BalanceUpdated", market.user.address, market.provider.address, 0, 0)]
    assert market.ledger(market.user) == (3 * ETHER, 3 * ETHER)
    assert [market.balance(contract) for contract in (LEDGER, SERVING)] == [3 * ETHER, 0]
    assert market.retrieve(market.user, market.provider).events == []


def test_only_registered_services_spend_and_only_what_is_locked(market: Market) -> None:
    spend = (LEDGER, "spendFund", market.user.address)
    assert market.refusal(market.user, *spend, 0) == ("CallerNotRegisteredService", market.user.address)
    service = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0"))
    market.send(market.owner, LEDGER, "registerService", "inference", "v2.0", service.address, "")

    def spent(amount: int) -> tuple[object, ...]:
        return market.refusal(market.user, service, "spend", LEDGER.address, market.user.address, amount)

    assert spent(1) == ("LedgerNotExists", market.user.address)
    market.fund(market.user, market.provider, 2 * ETHER)
    assert spent(2 * ETHER + 1) == ("InsufficientAvailableBalance", 2 * ETHER, 2 * ETHER + 1)
    receipt = market.send(market.user, service, "spend", LEDGER.address, market.user.address, ETHER)
    assert receipt.events == [("FundSpent", market.user.address, service.address, ETHER)]
    assert market.ledger(market.user) == (ETHER, 2 * ETHER)


def test_an_account_that_its_service_does_not_delete_stays_listed_and_usable(market: Market) -> None:
    service = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0"))
    market.send(market.owner, LEDGER, "registerService", "inference", "v2.0", service.address, "")
    market.fund(market.user, market.provider, ETHER)
    market.send(market.user, LEDGER, "transferFund", market.provider.address, "inference-v2.0", ETHER)
    for _ in range(2):
        market.retrieve(market.user, market.provider)
        market.send(market.user, LEDGER, "retrieveFund", [market.provider.address], "inference-v2.0")
        market.pass_time(LOCK_S)
    market.send(market.user, LEDGER, "refund", 3 * ETHER)
    listed = [market.read(LEDGER, "getLedgerProviders", market.user.address, name) for name in (INFERENCE, "inference-v2.0")]
    assert listed == [[], [market.provider.address]]
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    market.send(market.user, LEDGER, "transferFund", market.provider.address, "inference-v2.0", 1)
    assert market.ledger(market.user) == (3 * ETHER - 1, 3 * ETHER)
    assert market.read(LEDGER, "getLedgerProviders", market.user.address, "inference-v2.0") == [market.provider.address]


def test_a_deletion_that_burns_gas_cannot_keep_the_last_money_back(market: Market) -> None:
    service = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0"))
    market.send(market.owner, LEDGER, "registerService", "inference", "v2.0", service.address, "")
    market.send(market.user, service, "burn")
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    for provider in (market.provider, market.other):
        market.send(market.user, LEDGER, "transferFund", provider.address, "inference-v2.0", ETHER)
    market.send(market.user, LEDGER, "retrieveFund", [market.provider.address], "inference-v2.0")
    receipt = market.send(market.user, LEDGER, "refund", 3 * ETHER)
    assert 4_000_000 < receipt.gas_used < 4_200_000
    assert len(market.read(LEDGER, "getLedgerProviders", market.user.address, "inference-v2.0")) == 2


def test_with_too_little_gas_a_last_refund_fails_and_leaves_no_account_behind(market: Market) -> None:
    """With the longest text, so that a deletion takes much, and a sixty-fourth of it would do for the rest of the call."""
    everyone = (market.provider, market.other, market.stranger)
    market.send(market.user, LEDGER, "addLedger", "x" * 4096, value=9 * ETHER)
    for provider in everyone:
        market.transfer(market.user, provider, ETHER)
    for _ in range(2):
        market.retrieve(market.user, *everyone)
        market.pass_time(LOCK_S)
    data = LEDGER.interface.function("refund").encode(9 * ETHER)
    for gas in range(1_000_000, 4_000_000, 2_000):
        try:
            market.transact(market.user, LEDGER.address, data, gas=gas)
        except RevertedError:
            assert market.ledger(market.user) == (9 * ETHER, 9 * ETHER)
            continue
        break
    assert gas > 1_000_000
    assert market.read(SERVING, "getAllAccounts", 0, 0) == ([], 0)
    assert market.read(LEDGER, "getLedgerProviders", market.user.address, INFERENCE) == []


def test_money_without_words_is_refused(market: Market) -> None:
    for contract in (LEDGER, SERVING):
        with pytest.raises(RevertedError) as failure:
            market.transact(market.user, contract.address, b"", 1)
        assert refusal_of(failure.value.data) == ("DirectDepositsDisabled",)


def test_registering_checks_owner_address_names_and_interface_in_this_order(market: Market) -> None:
    def refused(service_type: str, version: str, address: Address) -> tuple[object, ...]:
        return market.refusal(market.owner, LEDGER, "registerService", service_type, version, address, "")

    denied = market.refusal(market.user, LEDGER, "registerService", "", "", NOBODY, "")
    assert denied == ("Ownable: caller is not the owner",)
    assert refused("", "", NOBODY) == ("InvalidServiceAddress", NOBODY)
    assert refused("", "", SERVING.address) == ("ServiceTypeRequired",)
    assert refused("inference", "", SERVING.address) == ("VersionRequired",)
    assert refused("inference", "v1.0", SERVING.address) == ("ServiceAlreadyRegistered", SERVING.address)
    assert refused("inference", "v1.0", FROM_ADDRESS) == ("ServiceNameExists", INFERENCE)
    assert refused("inference", "v2.0", FROM_ADDRESS) == ("ServiceMustImplementIServing", FROM_ADDRESS)
    for claimed in (ERC165_ID, b"\xff" * 4):
        liar = market.deploy("StubbornServing", claimed.ljust(32, b"\0")).address
        assert refused("inference", "v2.0", liar) == ("ServiceMustImplementIServing", liar)


def test_services_are_found_by_name_address_and_type(market: Market) -> None:
    second = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0")).address
    receipt = market.send(market.owner, LEDGER, "registerService", "inference", "v2.0", second, "the next")
    assert receipt.events == [("ServiceRegistered", second, "inference-v2.0")]
    infos = [
        (SERVING.address, SERVING.address, "inference", "v1.0", INFERENCE, "Inference", False),
        (second, second, "inference", "v2.0", "inference-v2.0", "the next", False),
    ]
    assert [info[:7] for info in market.read(LEDGER, "getAllActiveServices")] == infos
    assert market.read(LEDGER, "getServiceInfo", second) == (*infos[1], market.now)
    assert market.read(LEDGER, "getServiceInfo", NOBODY) == (NOBODY, NOBODY, "", "", "", "", False, 0)
    assert market.read(LEDGER, "getServiceAddressByName", "inference-v2.0") == second
    assert market.read(LEDGER, "getServiceAddressByName", "inference-v3.0") == NOBODY
    assert market.read(LEDGER, "getAllVersions", "inference") == (["v1.0", "v2.0"], [SERVING.address, second], [False, False])
    assert market.read(LEDGER, "getAllVersions", "fine-tuning") == ([], [], [])
    assert market.read_refusal(LEDGER, "getLedgerProviders", market.user.address, "x") == ("ServiceNotFound", NOBODY)


def test_one_version_of_a_type_is_recommended(market: Market) -> None:
    second = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0")).address
    market.send(market.owner, LEDGER, "registerService", "inference", "v2.0", second, "")
    assert market.refusal(market.user, LEDGER, "setRecommendedService", "inference", "v1.0") == ("Ownable: caller is not the owner",)
    assert market.refusal(market.owner, LEDGER, "setRecommendedService", "inference", "v3.0") == ("ServiceNotFound", NOBODY)
    assert market.read_refusal(LEDGER, "getRecommendedService", "inference") == ("NoRecommendedService", "inference")
    for version, address in (("v1.0", SERVING.address), ("v2.0", second), ("v2.0", second)):
        receipt = market.send(market.owner, LEDGER, "setRecommendedService", "inference", version)
        assert receipt.events == [("RecommendedServiceUpdated", "inference", version, address)]
        assert market.read(LEDGER, "getRecommendedService", "inference") == (version, address)
        found = [market.read(LEDGER, "isRecommendedVersion", "inference", each) for each in ("v1.0", "v2.0", "v3.0")]
        assert found == [version == "v1.0", version == "v2.0", False]
        assert market.read(LEDGER, "getAllVersions", "inference")[2] == found[:2]


def test_pages_of_ledgers_have_fifty_entries_unless_more_are_asked_for(market: Market) -> None:
    users = [Address(bytes([2]) * 19 + bytes([index])) for index in range(53)]
    for user in users:
        market.send(market.user, LEDGER, "depositFundFor", user, value=3 * ETHER)

    def page(offset: int, limit: int) -> list[bytes]:
        ledgers, total = market.read(LEDGER, "getAllLedgers", offset, limit)
        assert total == 53
        return [entry[0] for entry in ledgers]

    assert page(0, 0) == users[:50]
    assert page(50, 0) == users[50:]
    assert page(0, 1000) == users
    assert page(52, 2**256 - 1) == users[52:]
    assert page(10, 2) == users[10:12]
    assert page(53, 1) == page(2**256 - 1, 0) == []


def test_taking_one_ledger_out_leaves_the_others_found(market: Market) -> None:
    everyone = ACCOUNTS[2:6]
    for user in everyone:
        market.send(user, LEDGER, "addLedger", "", value=3 * ETHER)
    market.send(everyone[0], LEDGER, "refund", 3 * ETHER)
    market.send(everyone[3], LEDGER, "refund", 3 * ETHER)
    assert {entry[0] for entry in market.read(LEDGER, "getAllLedgers", 0, 0)[0]} == {everyone[1].address, everyone[2].address}
    assert market.ledger(everyone[1]) == (3 * ETHER, 3 * ETHER)


def test_a_registry_takes_five_hundred_services(market: Market) -> None:
    deployed = market.deploy("StubbornServing", SERVING_ID.ljust(32, b"\0"))
    code = market.chain.code(deployed.address)
    for index in range(500 - 1):
        address = Address(b"\x88" * 18 + index.to_bytes(2))
        market.chain.set_code(address, code)
        market.send(market.owner, LEDGER, "registerService", "many", str(index), address, "")
    full = market.refusal(market.owner, LEDGER, "registerService", "many", "last", deployed.address, "")
    assert full == ("ServiceRegistryLimitReached", 500)
    # Who leaves is asked of each service, and pays for five hundred empty lists.
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    assert market.send(market.user, LEDGER, "refund", 3 * ETHER).gas_used < 4_000_000


def test_the_ledger_is_set_up_once_for_an_owner() -> None:
    market = Market()
    assert market.refusal(market.user, LEDGER, "initialize", NOBODY) == ("ZeroAddressNotAllowed",)
    assert not market.read(LEDGER, "initialized")
    receipt = market.send(market.user, LEDGER, "initialize", market.owner.address)
    assert receipt.events == [("OwnershipTransferred", NOBODY, market.owner.address), ("Initialized", 1)]
    assert market.read(LEDGER, "initialized")
    assert market.refusal(market.user, LEDGER, "initialize", market.user.address) == ("AlreadyInitialized",)
    assert market.refusal(market.owner, LEDGER, "initialize", NOBODY) == ("AlreadyInitialized",)


@pytest.mark.parametrize("target", [LEDGER, SERVING], ids=["ledger", "serving"])
def test_the_owner_hands_over_or_leaves(market: Market, target: Deployed) -> None:
    denied = ("Ownable: caller is not the owner",)
    assert market.refusal(market.user, target, "transferOwnership", market.user.address) == denied
    assert market.refusal(market.user, target, "renounceOwnership") == denied
    assert market.refusal(market.owner, target, "transferOwnership", NOBODY) == ("Ownable: new owner is the zero address",)
    receipt = market.send(market.owner, target, "transferOwnership", market.user.address)
    assert receipt.events == [("OwnershipTransferred", market.owner.address, market.user.address)]
    market.send(market.user, target, "renounceOwnership")
    assert market.read(target, "owner") == NOBODY
    assert market.refusal(market.user, target, "transferOwnership", market.user.address) == denied


def test_the_limits_are_told(market: Market) -> None:
    names = ("MAX_PROVIDERS_PER_BATCH", "MAX_SERVICES", "MAX_PROVIDERS_PER_USER_PER_SERVICE", "MAX_ADDITIONAL_INFO_LENGTH")
    assert [market.read(LEDGER, name) for name in names] == [20, 500, 50, 4096]
    assert [market.read(LEDGER, name) for name in ("MIN_ACCOUNT_BALANCE", "MIN_TRANSFER_AMOUNT")] == [3 * ETHER, ETHER]
