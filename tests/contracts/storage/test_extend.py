"""How the life of a file is extended: until when, at what price, by whom, and when it is too late."""

import pytest

from tests.contracts.storage.deployment import PRICE_WEI, RELEASE_S, RevertedError, Storage, pattern_file, submission_of
from tests.interop.web3py.common import artefact, deploy
from zerog.contracts.storage import (
    FIXED_PRICE,
    FLOW,
    REWARD,
    Extend,
    NotEnoughFeeError,
    SubmissionExpiredError,
    UnknownSubmissionError,
    flow_refusal,
    submit_call,
)
from zerog.primitives import Address, Wei, decode_data

EXTEND = FLOW.function("extend")
FEE_WEI = Wei(3 * PRICE_WEI)


def extend(storage: Storage, tx_seq: int, value: int) -> Extend:
    """Extend by the user, and return the event."""
    receipt = storage.send(storage.user, storage.flow, EXTEND.encode(tx_seq), value)
    [log] = receipt["logs"]
    return Extend.decode([decode_data(topic) for topic in log["topics"]], decode_data(log["data"]))


def expiry(storage: Storage, tx_seq: int) -> int:
    return int.from_bytes(storage.read(FLOW.function("expiry").encode(tx_seq)))


def pot(storage: Storage) -> int:
    return int.from_bytes(storage.read(REWARD.function("totalBaseReward").encode(), to=storage.reward))


def fill_the_chunk(storage: Storage) -> int:
    """Submit until the first pricing chunk is full, and return when that was."""
    storage.submit(submission_of(1 << 33, [(b"\1" * 32, 25)]))
    return storage.context.w3.eth.get_block("latest")["timestamp"]


def go_to(storage: Storage, time: int) -> None:
    """Let the latest block be at a time."""
    storage.context.send("evm_setNextBlockTimestamp", time)
    storage.context.send("evm_mine")


def refusal(storage: Storage, tx_seq: int, value: int) -> tuple[object, ...]:
    """Which of the flow's own errors refuses an extension, and its arguments."""
    with pytest.raises(RevertedError) as failure:
        storage.read(EXTEND.encode(tx_seq), value=value)
    error = flow_refusal(failure.value.data)
    assert error is not None, failure.value
    return (type(error), *vars(error).values())


def test_a_file_lives_as_long_as_its_chunk_is_released_and_once_more_for_each_extension(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    assert expiry(storage, 0) == 0
    full = fill_the_chunk(storage)
    assert expiry(storage, 0) == full + RELEASE_S
    user = Address(decode_data(storage.user.address))
    for extensions in (1, 2):
        assert extend(storage, 0, FEE_WEI) == Extend(user, 0, extensions, FEE_WEI)
        assert expiry(storage, 0) == full + (1 + extensions) * RELEASE_S
    assert expiry(storage, 1) == full + RELEASE_S


def test_an_extension_before_the_chunk_is_full_counts_from_its_end(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    extend(storage, 0, FEE_WEI)
    assert expiry(storage, 0) == 0
    full = fill_the_chunk(storage)
    assert expiry(storage, 0) == full + 2 * RELEASE_S


def test_the_fee_goes_to_the_pot_of_base_rewards_and_the_rest_comes_back(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    before = storage.balance(storage.user)
    receipt = storage.send(storage.user, storage.flow, EXTEND.encode(0), FEE_WEI + 10**18)
    assert storage.balance(storage.user) == before - FEE_WEI - int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert (pot(storage), storage.balance(storage.flow), storage.balance(storage.reward)) == (FEE_WEI, 0, 2 * FEE_WEI)


def test_the_price_is_that_of_today(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    storage.send(storage.admin, storage.market, FIXED_PRICE.function("setPricePerSector").encode(1000))
    assert refusal(storage, 0, 2999) == (NotEnoughFeeError, Wei(1000), 3, Wei(2999))
    assert extend(storage, 0, 3000).fee_wei == 3000


def test_what_was_never_submitted_cannot_be_extended(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    for tx_seq in (1, 2**256 - 1):
        assert refusal(storage, tx_seq, FEE_WEI) == (UnknownSubmissionError, tx_seq)
        with pytest.raises(RevertedError):
            expiry(storage, tx_seq)


def test_a_life_can_be_extended_until_its_last_second(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    storage.submit(pattern_file(513))
    end = fill_the_chunk(storage) + RELEASE_S
    extend(storage, 0, FEE_WEI)
    go_to(storage, end)
    assert int.from_bytes(storage.read(EXTEND.encode(1), value=FEE_WEI)) == 1
    go_to(storage, end + 1)
    assert refusal(storage, 1, FEE_WEI) == (SubmissionExpiredError, 1, end)
    assert extend(storage, 0, FEE_WEI).extensions == 2
    assert expiry(storage, 0) == end + 2 * RELEASE_S
    go_to(storage, end + 2 * RELEASE_S + 1)
    assert refusal(storage, 0, FEE_WEI) == (SubmissionExpiredError, 0, end + 2 * RELEASE_S)


def test_a_refund_that_extends_again_pays_again(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    caller = deploy(storage.context, storage.user, artefact("testing/FlowCaller"))
    repeat = decode_data(caller.encode_abi("send", [storage.flow.address, EXTEND.encode(0), 2]))
    receipt = storage.send(storage.user, caller, repeat, 2 * FEE_WEI + 5)
    assert len(receipt["logs"]) == 2
    assert (pot(storage), storage.balance(caller), storage.balance(storage.flow)) == (2 * FEE_WEI, 5, 0)


def test_a_file_that_is_announced_again_has_a_life_of_its_own(storage: Storage) -> None:
    file = pattern_file(513)
    storage.submit(file)
    full = fill_the_chunk(storage)
    storage.send(storage.user, storage.flow, submit_call(file, Address(b"\1" * 20)), FEE_WEI)
    assert (expiry(storage, 0), expiry(storage, 2)) == (full + RELEASE_S, 0)
