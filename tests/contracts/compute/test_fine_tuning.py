"""The market for fine-tuning: services, models handed over one at a time, and what is paid for them."""

from dataclasses import replace

import pytest

from tests.contracts.compute.market import (
    ACCOUNTS,
    ETHER,
    LEDGER,
    LOCK_S,
    NOBODY,
    SIGNER,
    STAKE,
    TUNING,
    Market,
    RevertedError,
    refusal_of,
    sign,
)
from tests.contracts.compute.tuning import NAME, PENALTY, ROOT, SECRET, Bill, TuningMarket
from zerog.contracts.fine_tuning import FineTuningService, FineTuningSettlement, FineTuningSummary
from zerog.primitives import Account, Wei

DIGEST = "8bb2ca7a872dedfe40c030afc39f066c43108236a6700354d7269440c20f0d07"
SIGNATURE = (
    "cd755b07c5018a6a0d6a5516c363732d9eac01d24d11b025c40f2d1f6690d3ed4912bf747ba621364046feb606db7914cc1859cfa865ad5b2cf6eee1184068931c"
)
"""Of the bill below. Made with ethers 6 for chain 31337 and the address at which the contract stands here."""


@pytest.fixture
def tuning() -> TuningMarket:
    """A service that the owner accepted, and a user with 10 0G there."""
    return TuningMarket().set_up().open()


def refusal(market: TuningMarket, settlement: FineTuningSettlement) -> tuple[object, ...]:
    with pytest.raises(RevertedError) as caught:
        market.collect(settlement)
    return refusal_of(caught.value.data)


# Setting up, and services.


def test_it_is_set_up_once_and_only_with_a_ledger() -> None:
    market = Market().set_up()
    owner = market.owner.address
    for ledger, penalty, lock_s, refused in (
        (NOBODY, 30, LOCK_S, ("InvalidLedgerAddress",)),
        (market.user.address, 101, LOCK_S, ("InvalidLedgerAddress",)),
        (LEDGER.address, 101, 0, ("PenaltyPercentageTooHigh", 101)),
        (LEDGER.address, 100, 3599, ("LockTimeOutOfRange", 3599)),
        (LEDGER.address, 100, 604_801, ("LockTimeOutOfRange", 604_801)),
    ):
        assert market.refusal(market.owner, TUNING, "initialize", lock_s, ledger, owner, penalty) == refused
    receipt = market.send(market.owner, TUNING, "initialize", LOCK_S, LEDGER.address, owner, PENALTY)
    assert receipt.events == [("OwnershipTransferred", NOBODY, owner), ("Initialized", 1)]
    told = [market.read(TUNING, name) for name in ("initialized", "lockTime", "ledgerAddress", "owner", "penaltyPercentage")]
    assert told == [True, LOCK_S, LEDGER.address, owner, PENALTY]
    assert market.refusal(market.owner, TUNING, "initialize", LOCK_S, LEDGER.address, owner, PENALTY) == ("AlreadyInitialized",)


def test_only_the_owner_changes_lock_time_and_penalty(tuning: TuningMarket) -> None:
    for name, value in (("updateLockTime", 7200), ("updatePenaltyPercentage", 50)):
        assert tuning.refusal(tuning.user, TUNING, name, value) == ("Ownable: caller is not the owner",)
        tuning.send(tuning.owner, TUNING, name, value)
    assert (tuning.read(TUNING, "lockTime"), tuning.read(TUNING, "penaltyPercentage")) == (7200, 50)
    assert tuning.refusal(tuning.user, TUNING, "updateLockTime", 7200) == ("Ownable: caller is not the owner",)
    assert tuning.send(tuning.owner, TUNING, "updateLockTime", 7200).events == []  # Unlike inference, where it is told again.
    assert tuning.send(tuning.owner, TUNING, "updateLockTime", 3600).events == [("LockTimeUpdated", 7200, 3600)]
    assert tuning.refusal(tuning.owner, TUNING, "updatePenaltyPercentage", 101) == ("PenaltyPercentageTooHigh", 101)
    assert tuning.refusal(tuning.owner, TUNING, "updateLockTime", 1) == ("LockTimeOutOfRange", 1)


def test_a_service_is_told_as_it_was_offered(tuning: TuningMarket) -> None:
    def told() -> list[FineTuningService]:
        return FineTuningService.decode_all(tuning.view(TUNING.address, TUNING.interface.function("getAllServices").encode()))

    assert told() == [tuning.service(is_signer_acknowledged=True)]
    changed = tuning.service(url="http://other", price_per_token_wei=Wei(9), is_occupied=True, models=(), is_signer_acknowledged=True)
    receipt = tuning.transact(tuning.provider, TUNING.address, changed.call())
    quota = changed.quota.to_abi()
    assert receipt.events == [("ServiceUpdated", tuning.provider.address, "http://other", quota, 9, SIGNER.address, True)]
    assert told() == [changed]  # Only another signer needs the owner's acceptance anew.
    tuning.transact(tuning.provider, TUNING.address, tuning.service(signer=tuning.other.address).call())
    assert told() == [tuning.service(signer=tuning.other.address)]


def test_a_service_begins_with_a_stake_and_ends_with_it(tuning: TuningMarket) -> None:
    def offer(by: Account, value: int) -> tuple[object, ...]:
        with pytest.raises(RevertedError) as caught:
            tuning.transact(by, TUNING.address, tuning.service().call(), value)
        return refusal_of(caught.value.data)

    assert offer(tuning.other, STAKE - 1) == ("InsufficientStake", STAKE - 1, STAKE)
    assert offer(tuning.provider, 1) == ("CannotAddStakeWhenUpdating",)
    tuning.transact(tuning.other, TUNING.address, tuning.service().call(), STAKE + 5)
    before = tuning.balance(tuning.provider)
    receipt = tuning.send(tuning.provider, TUNING, "removeService")
    assert receipt.events == [("ProviderStakeReturned", tuning.provider.address, STAKE), ("ServiceRemoved", tuning.provider.address)]
    assert tuning.balance(tuning.provider) == before + STAKE
    assert tuning.read_refusal(TUNING, "getService", tuning.provider.address) == ("ServiceNotExist", tuning.provider.address)
    assert [service[0] for service in tuning.read(TUNING, "getAllServices")] == [tuning.other.address]
    assert tuning.refusal(tuning.provider, TUNING, "removeService") == ("ServiceNotExist", tuning.provider.address)


# Sub-accounts, where they differ from those of inference.


def test_anybody_may_have_an_account_with_anybody(tuning: TuningMarket) -> None:
    tuning.send(tuning.user, LEDGER, "depositFund", value=3 * ETHER)
    tuning.send(tuning.user, LEDGER, "transferFund", tuning.user.address, NAME, ETHER)
    assert tuning.read(TUNING, "accountExists", tuning.user.address, tuning.user.address) is True


def test_accounts_are_told_in_pages_and_by_users(tuning: TuningMarket) -> None:
    def page(name: str, *arguments: object) -> tuple[list[FineTuningSummary], int]:
        return FineTuningSummary.decode_page(tuning.view(TUNING.address, TUNING.interface.function(name).encode(*arguments)))  # type: ignore[arg-type]

    tuning.send(tuning.user, LEDGER, "depositFund", value=3 * ETHER)
    tuning.send(tuning.user, LEDGER, "transferFund", tuning.other.address, NAME, ETHER)
    tuning.deliver()
    both, total = page("getAllAccounts", 0, 0)
    assert total == 2
    assert [(account.provider, account.balance_wei, account.deliverable_count) for account in both] == [
        (tuning.provider.address, 10 * ETHER, 1),
        (tuning.other.address, ETHER, 0),
    ]
    assert page("getAccountsByUser", tuning.user.address, 1, 50) == (both[1:], 2)
    assert page("getAccountsByProvider", tuning.provider.address, 0, 50) == (both[:1], 1)
    assert page("getAllAccounts", 2, 50) == ([], 2)
    assert tuning.read_refusal(TUNING, "getAllAccounts", 0, 51) == ("LimitTooLarge", 51)
    asked = TUNING.interface.function("getBatchAccountsByUsers").encode([tuning.other.address, tuning.user.address])
    assert FineTuningSummary.decode_batch(tuning.view(TUNING.address, asked, tuning.provider)) == [None, both[0]]
    assert tuning.read_refusal(TUNING, "getBatchAccountsByUsers", [NOBODY] * 51) == ("BatchSizeTooLarge", 51, 50)


def test_only_the_ledger_moves_money_here(tuning: TuningMarket) -> None:
    user, provider = tuning.user.address, tuning.provider.address
    assert tuning.refusal(tuning.user, TUNING, "addAccount", user, provider, "", value=ETHER) == ("CallerNotLedger",)
    assert tuning.refusal(tuning.user, TUNING, "deleteAccount", user, provider) == ("CallerNotLedger",)
    with pytest.raises(RevertedError) as caught:
        tuning.transact(tuning.user, TUNING.address, b"", 1)
    assert refusal_of(caught.value.data) == ("DirectDepositsDisabled",)


# Models.


def test_a_model_is_announced_received_and_paid_in_full(tuning: TuningMarket) -> None:
    assert tuning.deliver().events == [
        ("DeliverableAdded", tuning.user.address, tuning.provider.address, "task-1", ROOT, tuning.now),
    ]
    announced_at = tuning.now
    assert tuning.acknowledge().named("DeliverableAcknowledged") == [(tuning.user.address, tuning.provider.address, "task-1", tuning.now)]
    before = tuning.balance(tuning.provider)
    receipt = tuning.collect(tuning.bill(secret=SECRET, nonce=5, fee=ETHER).signed())
    assert receipt.events == [
        ("FeesSettled", tuning.user.address, tuning.provider.address, "task-1", ETHER, True, 5),
        ("FundSpent", tuning.user.address, TUNING.address, ETHER),
        ("BalanceUpdated", tuning.user.address, tuning.provider.address, 9 * ETHER, 0),
    ]
    assert tuning.balance(tuning.provider) == before + ETHER
    account = tuning.tuning_account()
    assert (account.nonce, account.balance_wei) == (5, 9 * ETHER)
    [model] = account.deliverables
    assert (model.id, model.model_root_hash, model.encrypted_secret) == ("task-1", ROOT, SECRET)
    assert (model.is_acknowledged, model.is_settled, model.timestamp) == (True, True, announced_at)
    assert tuning.ledger(tuning.user) == (0, 9 * ETHER)


def test_after_a_penalty_the_same_user_can_have_another_model(tuning: TuningMarket) -> None:
    """The official contract blocks the two for ever: nobody can acknowledge what is settled."""
    tuning.deliver()
    before = tuning.balance(tuning.provider)
    receipt = tuning.collect(tuning.bill(fee=1000).signed())
    assert receipt.named("FeesSettled") == [(tuning.user.address, tuning.provider.address, "task-1", 300, False, 1)]
    assert tuning.balance(tuning.provider) == before + 300
    assert tuning.refusal(tuning.user, TUNING, "acknowledgeDeliverable", tuning.provider.address, "task-1") == (
        "CannotAcknowledgeSettledDeliverable",
        "task-1",
    )
    tuning.deliver("task-2")
    tuning.acknowledge("task-2")
    tuning.collect(tuning.bill(id="task-2", secret=SECRET, nonce=2).signed())
    assert [(model.id, model.is_acknowledged, model.is_settled) for model in tuning.deliverables()] == [
        ("task-1", False, True),
        ("task-2", True, True),
    ]


def test_a_model_can_be_given_up(tuning: TuningMarket) -> None:
    tuning.deliver()
    receipt = tuning.abandon()
    assert receipt.events == [("DeliverableAbandoned", tuning.user.address, tuning.provider.address, "task-1", tuning.now)]
    [model] = tuning.deliverables()
    assert (model.is_acknowledged, model.is_settled) == (True, True)
    assert tuning.refusal(tuning.provider, TUNING, "abandonDeliverable", tuning.user.address, "task-1") == (
        "CannotAbandonSettledDeliverable",
        "task-1",
    )
    assert refusal(tuning, tuning.bill(secret=SECRET).signed()) == ("DeliverableAlreadySettled", "task-1")
    tuning.deliver("task-2")


def test_models_come_one_after_the_other(tuning: TuningMarket) -> None:
    tuning.deliver()
    user = tuning.user.address
    assert tuning.refusal(tuning.provider, TUNING, "addDeliverable", user, "task-2", ROOT) == (
        "PreviousDeliverableNotAcknowledged",
        "task-1",
    )
    assert tuning.refusal(tuning.provider, TUNING, "addDeliverable", user, "task-1", ROOT) == ("DeliverableAlreadyExists", "task-1")
    tuning.acknowledge()
    tuning.deliver("task-2")
    assert [model.id for model in tuning.deliverables()] == ["task-1", "task-2"]


@pytest.mark.parametrize("length", [0, 257])
def test_an_id_has_one_to_256_bytes(tuning: TuningMarket, length: int) -> None:
    """It is looked at before anything else."""
    arguments = (tuning.stranger.address, "x" * length, ROOT)
    assert tuning.refusal(tuning.provider, TUNING, "addDeliverable", *arguments) == ("DeliverableIdInvalidLength", length)
    tuning.deliver("x" * 256)


def test_what_is_not_there_is_named(tuning: TuningMarket) -> None:
    user, provider, stranger = tuning.user.address, tuning.provider.address, tuning.stranger.address
    missing = ("AccountNotExists", stranger, provider)
    assert tuning.refusal(tuning.provider, TUNING, "addDeliverable", stranger, "a", ROOT) == missing
    assert tuning.refusal(tuning.provider, TUNING, "abandonDeliverable", stranger, "a") == missing
    assert tuning.refusal(tuning.stranger, TUNING, "acknowledgeDeliverable", provider, "a") == missing
    for name, arguments in (("getAccount", ()), ("getDeliverables", ()), ("getDeliverable", ("a",))):
        assert tuning.read_refusal(TUNING, name, stranger, provider, *arguments) == missing
    unknown = ("DeliverableNotExists", "a")
    assert tuning.refusal(tuning.provider, TUNING, "abandonDeliverable", user, "a") == unknown
    assert tuning.refusal(tuning.user, TUNING, "acknowledgeDeliverable", provider, "a") == unknown
    assert tuning.read_refusal(TUNING, "getDeliverable", user, provider, "a") == unknown


def test_the_twenty_first_model_takes_the_place_of_the_oldest_once_that_is_settled(tuning: TuningMarket) -> None:
    names = [f"task-{index}" for index in range(25)]
    for name in names[:20]:
        tuning.deliver(name, root=name.encode())
        tuning.acknowledge(name)
    arguments = (tuning.user.address, names[20], ROOT)
    assert tuning.refusal(tuning.provider, TUNING, "addDeliverable", *arguments) == ("CannotEvictUnsettledDeliverable", "task-0")
    for nonce, name in enumerate(names[:4], 1):
        tuning.collect(tuning.bill(id=name, secret=SECRET, root=name.encode(), nonce=nonce).signed())
    for old, new in zip(names, names[20:24], strict=False):
        receipt = tuning.deliver(new)
        assert receipt.events[0] == ("DeliverableEvicted", tuning.provider.address, tuning.user.address, old, new, tuning.now)
        assert receipt.events[1][0] == "DeliverableAdded"
        tuning.acknowledge(new)
    assert [model.id for model in tuning.deliverables()] == names[4:24]
    assert all(not model.encrypted_secret for model in tuning.deliverables())
    account = tuning.read(TUNING, "getAccount", tuning.user.address, tuning.provider.address)
    assert account[9:11] == (4, 20)
    assert tuning.read_refusal(TUNING, "getDeliverable", tuning.user.address, tuning.provider.address, "task-0") == (
        "DeliverableNotExists",
        "task-0",
    )


# Settlements.


def test_the_contract_pays_what_the_official_client_signed(tuning: TuningMarket) -> None:
    user = ACCOUNTS[2]
    golden = Bill(user=user.address, secret=b"\xaa\xbb", nonce=5)
    assert golden.digest().hex() == DIGEST
    assert sign(golden.digest(), SIGNER).hex() == SIGNATURE
    tuning.send(user, LEDGER, "depositFund", value=3 * ETHER)
    tuning.send(user, LEDGER, "transferFund", tuning.provider.address, NAME, ETHER)
    tuning.deliver(user=user)
    tuning.send(user, TUNING, "acknowledgeDeliverable", tuning.provider.address, "task-1")
    receipt = tuning.collect(golden.with_signature(bytes.fromhex(SIGNATURE)))
    assert receipt.named("FeesSettled") == [(user.address, tuning.provider.address, "task-1", 1000, True, 5)]


def test_the_first_check_that_fails_decides() -> None:
    """A bill in which everything is wrong, put right one thing after the other."""
    market = TuningMarket().set_up()
    other = Account.from_private_key(b"\x05" * 32)
    wrong = market.bill(id="task-2", root=b"other", fee=11 * ETHER, nonce=0)
    assert refusal(market, wrong.signed(other)) == ("AccountNotExists", market.user.address, market.provider.address)
    market.send(market.user, LEDGER, "depositFund", value=10 * ETHER)
    market.send(market.user, LEDGER, "transferFund", market.provider.address, NAME, 10 * ETHER)
    assert refusal(market, wrong.signed(other)) == ("ServiceNotExist", market.provider.address)
    market.transact(market.provider, TUNING.address, market.service().call(), STAKE)
    market.deliver()
    assert refusal(market, wrong.signed(other)) == ("InvalidVerifierInput", "TEE signer not acknowledged")
    market.send(market.owner, TUNING, "acknowledgeTEESignerByOwner", market.provider.address)
    assert refusal(market, wrong.signed(other)) == ("InvalidVerifierInput", "nonce should larger than the current nonce")
    wrong = replace(wrong, nonce=1)
    assert refusal(market, wrong.signed(other)) == ("InvalidVerifierInput", "insufficient balance")
    wrong = replace(wrong, fee=ETHER)
    assert refusal(market, wrong.signed(other)) == ("DeliverableNotExists", "task-2")
    wrong = replace(wrong, id="task-1")
    assert refusal(market, wrong.signed(other)) == ("InvalidVerifierInput", "model root hash mismatch")
    wrong = replace(wrong, root=ROOT)
    assert refusal(market, wrong.signed(other)) == ("InvalidVerifierInput", "TEE settlement validation failed")
    assert refusal(market, replace(wrong, secret=SECRET).signed()) == ("SecretShouldBeEmpty",)
    market.acknowledge()
    assert refusal(market, wrong.signed()) == ("SecretShouldNotBeEmpty",)
    market.collect(replace(wrong, secret=SECRET).signed())
    again = replace(wrong, secret=SECRET, nonce=2)
    assert refusal(market, again.signed()) == ("DeliverableAlreadySettled", "task-1")


@pytest.mark.parametrize("change", ["revoked", "nobody signs", "v of 0 or 1", "short"])
def test_without_an_accepted_signer_nothing_is_paid(tuning: TuningMarket, change: str) -> None:
    tuning.deliver()
    settlement = tuning.bill().signed()
    expected = "TEE settlement validation failed"
    if change == "revoked":
        tuning.send(tuning.owner, TUNING, "revokeTEESignerAcknowledgement", tuning.provider.address)
        expected = "TEE signer not acknowledged"
    elif change == "nobody signs":
        tuning.transact(tuning.provider, TUNING.address, tuning.service(signer=NOBODY).call())
        tuning.send(tuning.owner, TUNING, "acknowledgeTEESignerByOwner", tuning.provider.address)
        expected = "TEE signer not acknowledged"
    elif change == "v of 0 or 1":
        settlement = replace(settlement, signature=settlement.signature[:64] + bytes([settlement.signature[64] - 27]))
    else:
        settlement = replace(settlement, signature=settlement.signature[:64])
    assert refusal(tuning, settlement) == ("InvalidVerifierInput", expected)


def test_a_settlement_takes_refunds_that_wait(tuning: TuningMarket) -> None:
    tuning.deliver()
    tuning.acknowledge()
    tuning.send(tuning.user, LEDGER, "retrieveFund", [tuning.provider.address], NAME)
    assert tuning.tuning_account().pending_refund_wei == 10 * ETHER
    tuning.collect(tuning.bill(secret=SECRET, fee=4 * ETHER).signed())
    account = tuning.tuning_account()
    assert (account.balance_wei, account.pending_refund_wei) == (6 * ETHER, 6 * ETHER)
    tuning.pass_time(LOCK_S)
    tuning.send(tuning.user, LEDGER, "retrieveFund", [tuning.provider.address], NAME)
    assert tuning.ledger(tuning.user) == (6 * ETHER, 6 * ETHER)


def test_a_deleted_account_forgets_its_models_and_keeps_its_nonce(tuning: TuningMarket) -> None:
    tuning.deliver()
    tuning.acknowledge()
    used = tuning.bill(secret=SECRET, fee=10 * ETHER, nonce=9).signed()
    tuning.collect(used)
    assert tuning.ledger(tuning.user) == (0, 0)
    tuning.send(tuning.user, LEDGER, "refund", 0)  # Nothing is left, so ledger and accounts go.
    assert tuning.read(TUNING, "accountExists", tuning.user.address, tuning.provider.address) is False
    tuning.send(tuning.user, LEDGER, "depositFund", value=10 * ETHER)
    tuning.send(tuning.user, LEDGER, "transferFund", tuning.provider.address, NAME, 10 * ETHER)
    account = tuning.tuning_account()
    assert (account.nonce, account.deliverables) == (9, ())
    tuning.deliver()  # The id is free again, and its old bill worth nothing.
    tuning.acknowledge()
    assert refusal(tuning, used) == ("InvalidVerifierInput", "nonce should larger than the current nonce")


def test_calls_cost_less_than_those_of_the_official_contract(tuning: TuningMarket) -> None:
    """A settlement with a key of 129 bytes takes 322,000 units of the official byte code on a local EVM."""
    used = {"announce": tuning.deliver().gas_used, "acknowledge": tuning.acknowledge().gas_used}
    used["settle"] = tuning.collect(tuning.bill(secret=SECRET).signed()).gas_used
    limits = {"announce": 170_000, "acknowledge": 40_000, "settle": 250_000}
    assert {name: gas for name, gas in used.items() if gas > limits[name]} == {}, used
