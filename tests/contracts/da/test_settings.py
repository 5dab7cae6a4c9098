"""What administrators may change, and where fees go: rewards of samples, the treasury's part, donations, and who fetches them."""

import pytest

from tests.contracts.da.entrance import ETHER, Da, Deployed, RevertedError
from tests.contracts.da.samples import AlikeRows
from zerog.contracts.da import DA_ENTRANCE
from zerog.contracts.da_refusals import EntranceRefusal
from zerog.primitives import Address, Hash32

BLOBS = tuple(AlikeRows(salt) for salt in range(8))
PARAMS_ROLE = bytes.fromhex("b9d69e0ca90be54a40811e436234a7f7908b87ff2bec27e64f878b166da8e8e5")
SETTERS = {
    "setRoundSubmissions": ("targetRoundSubmissionsNext", 7),
    "setEpochWindowSize": ("epochWindowSize", 5),
    "setRewardRatio": ("rewardRatio", 10),
    "setBaseReward": ("baseReward", 11),
    "setSamplePeriod": ("samplePeriod", 12),
    "setBlobPrice": ("blobPrice", 13),
    "setServiceFeeRate": ("serviceFeeRateBps", 14),
}


@pytest.mark.parametrize("name", [*SETTERS, "setTreasury"])
def test_only_who_has_the_role_changes_what_is_set(da: Da, name: str) -> None:
    view, value = SETTERS.get(name, ("treasury", da.treasury.address))
    assert da.refusal(da.other, da.entrance, name, value) == "AccessControlUnauthorizedAccount"
    da.send(da.admin, da.entrance, name, value)
    assert da.read(da.entrance, view) == value


def test_the_role_can_be_handed_on_and_those_who_have_it_be_listed(da: Da) -> None:
    da.send(da.admin, da.entrance, "grantRole", PARAMS_ROLE, da.other.address)
    assert da.read(da.entrance, "getRoleMembers", PARAMS_ROLE) == [da.admin.address, da.other.address]
    da.send(da.admin, da.entrance, "renounceRole", PARAMS_ROLE, da.admin.address)
    assert da.refusal(da.admin, da.entrance, "setBlobPrice", 1) == "AccessControlUnauthorizedAccount"
    da.send(da.other, da.entrance, "setBlobPrice", 1)
    assert da.refusal(da.other, da.entrance, "grantRole", PARAMS_ROLE, da.other.address) == "AccessControlUnauthorizedAccount"


def test_what_cannot_be_counted_with_is_refused(da: Da) -> None:
    cases = {
        ("setRewardRatio", 0): EntranceRefusal.NO_RATIO,
        ("setEpochWindowSize", 0): EntranceRefusal.NO_WINDOW,
        ("setSamplePeriod", 0): "NoSamplePeriod",
        ("setServiceFeeRate", 10_001): "TooHigh",
        ("setRoundSubmissions", 81): EntranceRefusal.ROUND_GROWS_TOO_FAST,
        ("setRoundSubmissions", 4): EntranceRefusal.ROUND_SHRINKS_TOO_FAST,
    }
    assert {case: da.refusal(da.admin, da.entrance, *case) for case in cases} == cases
    da.send(da.admin, da.entrance, "setRoundSubmissions", 80)
    da.next_round()
    assert (da.number("targetRoundSubmissions"), da.number("targetRoundSubmissionsNext")) == (80, 80)
    da.send(da.admin, da.entrance, "setRoundSubmissions", 20)
    for goal in (5, 1):
        da.next_round()
        da.send(da.admin, da.entrance, "setRoundSubmissions", goal)
    da.next_round()
    assert da.refusal(da.admin, da.entrance, "setRoundSubmissions", 0) == EntranceRefusal.EMPTY_ROUND


def test_no_number_of_samples_can_stop_the_rounds(da: Da) -> None:
    goal = 20
    while 4 * goal < 2**32:
        goal *= 4
        da.send(da.admin, da.entrance, "setRoundSubmissions", goal)
        da.next_round()
    assert da.refusal(da.admin, da.entrance, "setRoundSubmissions", 2**32) == "TooHigh"
    da.mine(1000)
    da.send(da.other, da.entrance, "sync")


def confirmed(da: Da, value: int | None = None) -> None:
    """Confirm the blobs in the first epoch, paid by so much, and go on to the second."""
    da.announce(*(blob.root for blob in BLOBS), value=value)
    da.confirm([da.submission(blob.root) for blob in BLOBS])
    da.next_epoch()


def sampled(da: Da) -> tuple[bytes, int]:
    """Whom the next sample credits, and with how much."""
    seed: Hash32 = da.next_round()
    target = da.number("podasTarget")
    response = next(response for blob in BLOBS for response in blob.found(seed, target))
    [event] = da.sample(response).named("DAReward")
    return event[0], event[-1]


def test_fees_of_an_epoch_are_paid_out_from_the_next_on_and_the_treasury_has_its_part(da: Da) -> None:
    da.send(da.admin, da.entrance, "setTreasury", da.treasury.address)
    da.send(da.admin, da.entrance, "setServiceFeeRate", 1_500)
    da.send(da.admin, da.entrance, "setRewardRatio", 7)
    da.announce(*(blob.root for blob in BLOBS), value=ETHER + 3)
    assert (da.number("currentEpochReward"), da.number("activedReward")) == (ETHER + 3, 0)
    da.confirm([da.submission(blob.root) for blob in BLOBS])
    da.next_epoch()
    fee = (ETHER + 3) * 1_500 // 10_000
    pot = ETHER + 3 - fee
    assert (da.number("currentEpochReward"), da.number("activedReward")) == (0, pot)
    assert da.read(da.entrance, "payments", da.treasury.address) == fee
    paid: dict[bytes, int] = {}
    for _ in range(3):
        beneficiary, reward = sampled(da)
        assert reward == pot // 7
        pot -= reward
        paid[beneficiary] = paid.get(beneficiary, 0) + reward
        assert da.number("activedReward") == pot
    assert {payee: da.read(da.entrance, "payments", payee) for payee in paid} == paid
    assert da.chain.balance(da.entrance.address) == ETHER + 3 == pot + fee + sum(paid.values())
    for payee, amount in (*paid.items(), (da.treasury.address, fee)):
        before = da.chain.balance(payee)
        da.send(da.other, da.entrance, "withdrawPayments", payee)
        assert da.chain.balance(payee) == before + amount
        assert da.read(da.entrance, "payments", payee) == 0
        da.send(da.other, da.entrance, "withdrawPayments", payee)
        assert da.chain.balance(payee) == before + amount
    assert da.chain.balance(da.entrance.address) == pot


def test_without_a_treasury_there_is_no_service_fee(da: Da) -> None:
    da.send(da.admin, da.entrance, "setServiceFeeRate", 10_000)
    confirmed(da, ETHER)
    assert da.number("activedReward") == ETHER
    assert da.read(da.entrance, "payments", Address(bytes(20))) == 0


def test_donations_pay_base_rewards_while_they_last(da: Da) -> None:
    da.send(da.admin, da.entrance, "setBaseReward", 100)
    da.send(da.other, da.entrance, "donate", value=250)
    assert da.number("totalBaseReward") == 250
    confirmed(da, 8 * da.number("blobPrice"))
    of_fees = [0, 0, 0, 0]
    rewards = []
    for index in range(4):
        of_fees[index] = da.number("activedReward") // da.number("rewardRatio")
        rewards.append(sampled(da)[1])
    assert [reward - share for reward, share in zip(rewards, of_fees, strict=True)] == [100, 100, 50, 0]
    assert da.number("totalBaseReward") == 0


def test_who_does_not_take_money_keeps_it_owed_and_stops_nobody(da: Da) -> None:
    """The treasury is a contract that refuses everything: epochs go on all the same."""
    refuser = Deployed(Address(b"\x66" * 20), DA_ENTRANCE)
    da.chain.set_code(refuser.address, bytes.fromhex("5f5ffd"))
    da.send(da.admin, da.entrance, "setTreasury", refuser.address)
    da.send(da.admin, da.entrance, "setServiceFeeRate", 10_000)
    confirmed(da, ETHER)
    assert da.number("currentEpoch") == 2
    with pytest.raises(RevertedError):
        da.send(da.other, da.entrance, "withdrawPayments", refuser.address)
    assert da.read(da.entrance, "payments", refuser.address) == ETHER
    da.chain.set_code(refuser.address, b"")
    da.send(da.other, da.entrance, "withdrawPayments", refuser.address)
    assert da.chain.balance(refuser.address) == ETHER


def test_a_payee_that_calls_again_gets_nothing_twice(da: Da) -> None:
    """Its code asks for its payment again whenever it is paid."""
    entrance = da.entrance.address
    payee = Address(b"\x55" * 20)
    again = DA_ENTRANCE.function("withdrawPayments").encode(payee)
    code = b"".join(b"\x7f" + again[start : start + 32].ljust(32, b"\0") + b"\x60" + bytes([start]) + b"\x52" for start in (0, 32))
    code += bytes([0x5F, 0x5F, 0x60, len(again), 0x5F, 0x5F, 0x73]) + entrance + b"\x5a\xf1\x00"
    da.chain.set_code(payee, code)
    da.send(da.admin, da.entrance, "setTreasury", payee)
    da.send(da.admin, da.entrance, "setServiceFeeRate", 5_000)
    confirmed(da, ETHER)
    da.send(da.other, da.entrance, "withdrawPayments", payee)
    assert da.chain.balance(payee) == ETHER // 2 == da.chain.balance(entrance)


def test_money_that_is_sent_without_words_is_not_taken(da: Da) -> None:
    with pytest.raises(RevertedError):
        da.transact(da.other, da.entrance, b"", 1)
