"""The mine: what it takes, what it pays, what it tells miners, and how the difficulty moves."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, takewhile

import pytest

from tests.contracts.storage.deployment import RELEASE_S, RevertedError
from tests.contracts.storage.mining import CHUNK, PARAMS, Mining, begin_mining, deploy_mining, rewards_of, submissions_of
from tests.contracts.storage.pora_model import seal, whole_flow
from tests.interop.web3py.common import Context
from zerog._kernel import keccak256
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts.mine import MINE, MineRefusal, NewMinerId, NewSubmission, PoraAnswer, UpdateMinerId
from zerog.contracts.storage import REWARD, DistributeReward, RewardState
from zerog.primitives import Address, Hash32, Wei, decode_data

TARGET_MAX = 2**256 - 1


@pytest.fixture(scope="module")
def prepared(context: Context) -> Iterator[Mining]:
    """Two files of two epochs, and a miner in its window of the third."""
    snapshot = context.send("evm_snapshot")
    yield begin_mining(context)
    assert context.send("evm_revert", snapshot) is True


@pytest.fixture
def mining(prepared: Mining) -> Iterator[Mining]:
    """The same, undone after each test."""
    snapshot = prepared.storage.context.send("evm_snapshot")
    yield prepared
    assert prepared.storage.context.send("evm_revert", snapshot) is True


def reward_of(mining: Mining, pricing_index: int) -> RewardState:
    return RewardState.decode(mining.storage.read(REWARD.function("rewards").encode(pricing_index), to=mining.storage.reward))


def payments(mining: Mining) -> int:
    """What is credited to the miner and not yet paid."""
    return int.from_bytes(mining.storage.read(REWARD.function("payments").encode(mining.beneficiary), to=mining.storage.reward))


def can_submit(mining: Mining) -> bool:
    return bool(mining.number("canSubmit"))


def test_a_mined_answer_is_taken_from_each_file(mining: Mining) -> None:
    """The files were added, and so sealed, in different epochs."""
    second = max(mining.flow.files)
    search = mining.search()
    answers = [
        next(answer for answer in search.answers() if (answer.recall_position >= second) == in_second) for in_second in (False, True)
    ]
    assert answers[0].sealed_context_digest != answers[1].sealed_context_digest
    for index, answer in enumerate(answers):
        receipt = mining.submit(answer)
        assert submissions_of(receipt) == [NewSubmission(2, mining.miner_id, index, answer.recall_position)]
        assert (mining.number("lastMinedEpoch"), mining.number("currentSubmissions")) == (2, index + 1)


def test_an_answer_costs_what_was_measured(mining: Mining) -> None:
    """Of which 100,000 are for the transaction and its bytes, and the rest in equal parts for hashes and for storage."""
    used = [int(mining.submit(answer)["gasUsed"], 16) for answer in islice(mining.search().answers(), 3)]
    assert max(used) < 370_000, used


@pytest.mark.parametrize("shard_id", [0, 5])
def test_a_miner_of_a_shard_has_its_share_of_the_target(mining: Mining, shard_id: int) -> None:
    """Of eight shards each has an eighth of the chances, and only the loads that are its own."""
    search = mining.search(whole_flow(mining.flow.length, shard_id, 8))
    *_, third = islice(search.answers(), 3)
    # All of the third's nonce: several seals of its load may be good enough.
    good, nearly = (
        list(takewhile(lambda answer: answer.nonce <= third.nonce, each.answers()))
        for each in (search, replace(search, target=2 * search.target))
    )
    poor = [answer for answer in nearly if answer not in good]
    assert {(answer.recall_position // 1024) % 8 for answer in good + poor} == {shard_id}
    assert [mining.refusal(answer) for answer in good] == [None] * len(good)
    assert {mining.refusal(answer) for answer in poor} <= {MineRefusal.POOR_QUALITY}


def test_an_epoch_takes_twice_as_many_answers_as_wanted(mining: Mining) -> None:
    *taken, last = islice(mining.search().answers(), 2 * PARAMS.target_submissions + 1)
    for answer in taken:
        assert can_submit(mining)
        mining.submit(answer)
    assert not can_submit(mining)
    assert mining.refusal(last) == MineRefusal.EPOCH_FULL
    mining.submit(last, succeeds=False)
    worker = mining.worker()
    assert (worker.pora_target, worker.context.epoch, worker.max_shards) == (0, 2, PARAMS.max_shards)
    mining.next_epoch()
    assert can_submit(mining)


def test_half_of_what_is_released_is_credited_and_the_base_reward(mining: Mining) -> None:
    """The chunk is full since the file came; a quarter of its release has passed."""
    storage, context = mining.storage, mining.storage.context
    storage.send(storage.admin, storage.reward, REWARD.function("setBaseReward").encode(1000))
    storage.send(storage.user, storage.reward, REWARD.function("donate").encode(), 1500)
    answer = next(answer for answer in mining.search().answers() if answer.recall_position < max(mining.flow.files))
    index = answer.recall_position // CHUNK
    before = reward_of(mining, index)
    context.send("evm_setNextBlockTimestamp", before.start_time + RELEASE_S // 4)
    released = before.locked_wei // 4
    receipt = mining.submit(answer)
    credited = released // 2 + 1000
    assert rewards_of(receipt) == [DistributeReward(index, mining.beneficiary, mining.miner_id, Wei(credited))]
    after = reward_of(mining, index)
    assert (after.distributed_wei, after.claimable_wei) == (released // 2, released - released // 2)
    assert payments(mining) == credited > 1000

    balance = storage.balance(storage.user)
    storage.send(storage.admin, storage.reward, REWARD.function("withdrawPayments").encode(mining.beneficiary))
    assert storage.balance(storage.user) == balance + credited
    assert payments(mining) == 0


def test_a_chunk_that_is_not_full_pays_nothing(mining: Mining) -> None:
    """The second file lies in the chunk at the flow's end."""
    answer = next(answer for answer in mining.search().answers() if answer.recall_position >= max(mining.flow.files))
    assert reward_of(mining, answer.recall_position // CHUNK).start_time == 0
    assert rewards_of(mining.submit(answer)) == []
    assert payments(mining) == 0


def test_only_a_call_is_told_what_to_do(mining: Mining) -> None:
    worker = mining.worker()
    assert worker.pora_target == TARGET_MAX // PARAMS.difficulty
    start = mining.window_start()
    assert worker.subtask_digest == keccak256(worker.context.digest + mining.storage.context.w3.eth.get_block(start)["hash"])
    data = MINE.function("computeWorkerContext").encode(mining.miner_id)
    with pytest.raises(RevertedError) as refusal:
        mining.storage.read(data, to=mining.mine)
    assert revert_reason(refusal.value.data) == MineRefusal.NOT_A_CALL
    mining.go_to(start + PARAMS.target_mine_blocks + 2)
    late = mining.worker()
    assert (late.pora_target, late.subtask_digest, late.context) == (0, bytes(32), worker.context)


def test_a_window_may_be_longer_than_the_machine_remembers_hashes(fresh: Context) -> None:
    """The public networks' windows have 750 blocks; beyond 256 the contract of EIP-2935 tells the hash."""
    mining = begin_mining(fresh, replace(PARAMS, subtasks=1, target_mine_blocks=380))
    start = mining.window_start()
    mining.go_to(start + 301)
    worker = mining.worker()
    assert worker.subtask_digest == keccak256(worker.context.digest + fresh.w3.eth.get_block(start)["hash"])
    assert len(submissions_of(mining.submit(next(mining.search().answers())))) == 1


def test_a_call_tells_what_the_next_epoch_will_be(mining: Mining) -> None:
    """Its context is not made yet, the difficulty not moved."""
    mining.submit(next(mining.search().answers()))
    target = mining.number("poraTarget")
    first = mining.worker().context
    mining.go_to(first.mine_start + 400 + 3)
    other = next(miner for miner in map(mining.request_miner_id, range(1, 40)) if mining.window_start(miner) == first.mine_start + 400)
    worker = mining.worker(other)
    assert (worker.context.epoch, worker.pora_target) == (first.epoch + 1, moved(target, 1, PARAMS.target_submissions, 20))
    assert (mining.number("poraTarget"), mining.number("lastMinedEpoch")) == (target, first.epoch)


def moved(target: int, submissions: int, wanted: int, ratio: int, difficulty_min: int = 0) -> int:
    """The rule of the difficulty, in one expression."""
    now, top = target >> 16, TARGET_MAX >> 16
    step = (now * (ratio - 1) + now * wanted // submissions) // ratio
    return min(min(max(min(step, 2 * now), now // 2), top) << 16, TARGET_MAX // difficulty_min if difficulty_min else TARGET_MAX)


def test_the_difficulty_follows_the_answers_of_each_epoch(mining: Mining) -> None:
    """Beside the rule, with settings that change in between: those of windows and answers hold from the next epoch on."""
    rng = random.Random(3)
    storage, target, ratio, before = mining.storage, TARGET_MAX // PARAMS.difficulty, 20, 0
    wanted = wanted_before = PARAMS.target_submissions
    for _ in range(7):
        count = rng.randrange(2 * wanted + 1)
        for index, answer in enumerate(islice(mining.search().answers(), count)):
            mining.submit(answer)
            if index == 0 and before:
                target = moved(target, before, wanted_before, ratio)
            assert mining.number("poraTarget") == target
            assert mining.number("targetSubmissions") == wanted
        if count:
            before, wanted_before = count, wanted
            wanted, ratio = rng.randrange(1, 4), rng.choice([1, 2, 20])
            for name, value in (("setTargetSubmissions", wanted), ("setDifficultyAdjustRatio", ratio)):
                storage.send(storage.admin, mining.mine, MINE.function(name).encode(value))
            assert mining.number("targetSubmissions") == wanted_before
            assert mining.number("targetSubmissionsNextEpoch") == wanted
        mining.next_epoch()
        mining.open_window()
    assert target != TARGET_MAX // PARAMS.difficulty


def test_a_least_difficulty_bounds_the_target_at_once_and_later(mining: Mining) -> None:
    storage = mining.storage
    storage.send(storage.admin, mining.mine, MINE.function("setMinDifficulty").encode(50))
    assert mining.number("poraTarget") == TARGET_MAX // 50
    storage.send(storage.admin, mining.mine, MINE.function("setDifficultyAdjustRatio").encode(1))
    mining.submit(next(mining.search().answers()))
    mining.next_epoch()
    mining.open_window()
    mining.submit(next(mining.search().answers()))
    assert mining.number("poraTarget") == moved(TARGET_MAX // 50, 1, 2, 1, 50) == TARGET_MAX // 50


def test_ids_are_given_out_and_handed_on(mining: Mining) -> None:
    storage, user = mining.storage, mining.beneficiary
    data = MINE.function("requestMinerId").encode(user, 7)
    receipt = storage.send(storage.user, mining.mine, data)
    [log] = receipt["logs"]
    event = NewMinerId.decode([decode_data(topic) for topic in log["topics"]], decode_data(log["data"]))
    parent = storage.context.w3.eth.get_block(int(receipt["blockNumber"], 16) - 1)["hash"]
    assert event == NewMinerId(Hash32(keccak256(parent + user + (7).to_bytes(8))), user)

    # A call sees the newest block as its own, and so the same id.
    assert refused(mining, data) == MineRefusal.MINER_TAKEN
    other = Address(decode_data(storage.foundation.address))
    transfer = MINE.function("transferBeneficial").encode(other, event.miner_id)
    [log] = storage.send(storage.user, mining.mine, transfer)["logs"]
    assert UpdateMinerId.decode([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) == UpdateMinerId(
        event.miner_id, user, other
    )
    assert refused(mining, transfer) == MineRefusal.NOT_THE_BENEFICIARY
    assert mining.storage.read(MINE.function("beneficiaries").encode(event.miner_id), to=mining.mine)[12:] == other


def refused(mining: Mining, data: bytes) -> str | None:
    """The text by which the mine refuses a call of the user."""
    with pytest.raises(RevertedError) as failure:
        mining.storage.read(data, to=mining.mine)
    return revert_reason(failure.value.data)


def test_nobody_is_no_beneficiary(mining: Mining) -> None:
    nobody = Address(bytes(20))
    for data in (MINE.function("requestMinerId").encode(nobody, 0), MINE.function("transferBeneficial").encode(nobody, mining.miner_id)):
        with pytest.raises(RevertedError) as failure:
            mining.storage.read(data, to=mining.mine)
        assert MINE.error("NoBeneficiary").decode(failure.value.data) == ()


def test_nothing_is_taken_in_a_pause(mining: Mining) -> None:
    storage, answer = mining.storage, next(mining.search().answers())
    storage.send(storage.admin, mining.mine, MINE.function("pause").encode())
    for data in (answer.submit_call(), MINE.function("requestMinerId").encode(mining.beneficiary, 9)):
        with pytest.raises(RevertedError) as failure:
            storage.read(data, to=mining.mine)
        assert MINE.error("EnforcedPause").decode(failure.value.data) == ()
    storage.send(storage.admin, mining.mine, MINE.function("unpause").encode())
    assert mining.refusal(answer) is None


SETTERS = {
    "setTargetMineBlocks": (256, "targetMineBlocks"),
    "setTargetSubmissions": (9, "targetSubmissions"),
    "setDifficultyAdjustRatio": (5, "difficultyAdjustRatio"),
    "setMaxShards": (64, "maxShards"),
    "setMinDifficulty": (70, "minDifficulty"),
    "setNumSubtasks": (2, "nSubtasks"),
    "setSubtaskInterval": (111, "subtaskInterval"),
}


def test_settings_are_changed_by_their_administrator(mining: Mining) -> None:
    """Before anything was mined all hold at once."""
    storage = mining.storage
    for name, (value, getter) in SETTERS.items():
        data = MINE.function(name).encode(value)
        with pytest.raises(RevertedError) as failure:
            storage.read(data, to=mining.mine)
        unauthorized = MINE.error("AccessControlUnauthorizedAccount").decode(failure.value.data)
        assert unauthorized == (decode_data(storage.user.address), keccak256(b"PARAMS_ADMIN_ROLE"))
        storage.send(storage.admin, mining.mine, data)
        assert mining.number(getter) == value
    with pytest.raises(RevertedError) as failure:
        storage.read(MINE.function("pause").encode(), to=mining.mine)
    assert MINE.error("AccessControlUnauthorizedAccount").decode(failure.value.data)[1] == keccak256(b"PAUSER_ROLE")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("setTargetMineBlocks", 257, "target mine block must <= 256"),
        ("setDifficultyAdjustRatio", 0, "Adjust ratio must be non-zero"),
        ("setMaxShards", 0, "Max shard number cannot be zero"),
        ("setMaxShards", 48, "Max shard number must be power of 2"),
        ("setNumSubtasks", 0, "Number of subtasks cannot be zero"),
        ("setNumSubtasks", 4, "Number of subtasks must be less than blocks per epoch"),
        ("setNumSubtasks", 2**255, "Number of subtasks must be less than blocks per epoch"),
        ("setSubtaskInterval", 0, "Subtask interval cannot be zero"),
        ("setSubtaskInterval", 150, "Number of subtask intervals must be less than blocks per epoch"),
    ],
)
def test_settings_that_cannot_be_are_refused(mining: Mining, name: str, value: int, text: str) -> None:
    with pytest.raises(RevertedError) as failure:
        mining.storage.read(MINE.function(name).encode(value), to=mining.mine, by=mining.storage.admin)
    assert revert_reason(failure.value.data) == text


@pytest.mark.parametrize("name", ["setTargetSubmissions", "setDifficultyAdjustRatio"])
def test_a_factor_of_the_difficulty_is_bounded(mining: Mining, name: str) -> None:
    with pytest.raises(RevertedError) as failure:
        mining.storage.read(MINE.function(name).encode(10_001), to=mining.mine, by=mining.storage.admin)
    assert MINE.error("TooHigh").decode(failure.value.data) == (10_001, 10_000)


def test_nobody_sets_up_again(mining: Mining) -> None:
    with pytest.raises(RevertedError) as failure:
        mining.storage.read(PARAMS.initialize_call(mining.beneficiary, mining.beneficiary), to=mining.mine, by=mining.storage.admin)
    assert MINE.error("InvalidInitialization").decode(failure.value.data) == ()


@pytest.mark.parametrize("settings", range(8))
def test_what_a_deployment_leaves_out_is_left_out(fresh: Context, settings: int) -> None:
    """For tests of miners: 1 sealing, 2 the proof of data, 4 changes of the difficulty."""
    mining = deploy_mining(fresh, replace(PARAMS, difficulty=1, subtasks=1), settings)
    names = ("sealDataEnabled", "dataProofEnabled", "fixedDifficulty")
    assert [bool(mining.number(name)) for name in names] == [not settings & 1, not settings & 2, bool(settings & 4)]
    mining.store(random.Random(2).randbytes(1 << 18))
    mining.next_epoch()
    mining.open_window()
    sealed = next(mining.search().answers())
    data = mining.flow.data(sealed.recall_position)
    assert data is not None
    assert sealed.sealed_data == seal(data, mining.miner_id, sealed.sealed_context_digest, sealed.recall_position)
    plain, wrong = replace(sealed, sealed_data=data), replace(sealed, sealed_data=bytes(4096))
    expected: tuple[PoraAnswer, ...] = (plain, wrong, sealed) if settings & 2 else (plain,) if settings & 1 else (sealed,)
    for answer in (sealed, plain, wrong):
        assert mining.refusal(answer) == (None if answer in expected else MineRefusal.OTHER_DATA)


def test_a_fixed_difficulty_stays(fresh: Context) -> None:
    mining = begin_mining(fresh, settings=4)
    for _ in range(2):
        mining.submit(next(mining.search().answers()))
        mining.next_epoch()
        mining.open_window()
    assert mining.number("poraTarget") == mining.worker().pora_target == TARGET_MAX // PARAMS.difficulty
