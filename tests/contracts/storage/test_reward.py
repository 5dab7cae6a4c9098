"""Market and reward: where fees go, how they are released, who may change what, and that sums always agree."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from web3.contract import Contract

from tests.contracts.storage.deployment import PRICE_WEI, RELEASE_S, RevertedError, Storage, deploy_storage, pattern_file, submission_of
from tests.contracts.storage.deployment import PRICING_CHUNK_SECTORS as CHUNK
from tests.interop.web3py.common import Context, artefact, deploy, write
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts.storage import FIXED_PRICE, REWARD, DistributeReward, RewardState
from zerog.primitives import Address, Hash32, Wei, decode_data

MINER_ID = Hash32(b"\x33" * 32)
BENEFICIARY = Address(b"\x44" * 20)
TREASURY = Address(b"\x55" * 20)
DENIED = "Sender does not have permission"


@pytest.fixture
def wallet(fresh: Context) -> Storage:
    """Contracts whose market is the admin's own account, which so fills rewards as it likes."""
    return market_of(deploy_storage(fresh))


def market_of(storage: Storage) -> Storage:
    reward = deploy(storage.context, storage.admin, artefact("storage/ChunkLinearReward"), RELEASE_S, CHUNK)
    accounts = (storage.admin.address, storage.miner.address, storage.foundation.address)
    write(storage.context, storage.admin, reward, "initialize", *accounts)
    return Storage(storage.context, storage.flow, storage.market, reward, storage.admin, storage.miner, storage.foundation, storage.user)


def fill(storage: Storage, before: int, sectors: int, value: int) -> None:
    storage.send(storage.admin, storage.reward, REWARD.function("fillReward").encode(before, sectors), value)


def claim(storage: Storage, pricing_index: int) -> list[DistributeReward]:
    """A proof of storage, credited to the beneficiary."""
    data = REWARD.function("claimMineReward").encode(pricing_index, BENEFICIARY, MINER_ID)
    receipt = storage.send(storage.miner, storage.reward, data)
    return [DistributeReward.decode([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) for log in receipt["logs"]]


def state(storage: Storage, pricing_index: int) -> RewardState:
    return RewardState.decode(storage.read(REWARD.function("rewards").encode(pricing_index), to=storage.reward))


def number(storage: Storage, name: str, *arguments: int | bytes) -> int:
    return int.from_bytes(storage.read(REWARD.function(name).encode(*arguments), to=storage.reward))


def now(storage: Storage) -> int:
    return storage.context.w3.eth.get_block("latest")["timestamp"]


def pass_time(storage: Storage, seconds: int) -> None:
    """Let the next block be so many seconds after the latest."""
    storage.context.send("evm_setNextBlockTimestamp", now(storage) + seconds)


def refused(storage: Storage, to: Contract, data: bytes, value: int = 0) -> str | None:
    """The text by which a contract refuses a call of the user."""
    with pytest.raises(RevertedError) as failure:
        storage.read(data, to=to, value=value)
    return revert_reason(failure.value.data)


def test_a_fee_is_kept_for_the_sectors_it_covers_and_the_padding_before_them(storage: Storage) -> None:
    total = 0
    for size in (513, 262145, 1):
        file = pattern_file(size)
        storage.submit(file, file.sectors * PRICE_WEI + 7)
        total += file.sectors * PRICE_WEI
        found = state(storage, 0)
        assert (found.locked_wei, found.start_time) == (total, 0)
        assert [storage.balance(holder) for holder in (storage.flow, storage.market, storage.reward)] == [0, 0, total]


def test_a_file_pays_each_chunk_its_part_and_closes_those_it_fills(storage: Storage) -> None:
    storage.submit(submission_of(1 << 32, [(b"\1" * 32, 24)]))
    # Padding before the file is the first half of chunk 0, the file its second.
    assert (state(storage, 0).locked_wei, state(storage, 0).start_time) == (PRICE_WEI << 24, now(storage))
    file = submission_of((9 << 22) * 256, [(b"\2" * 32, 25), (b"\3" * 32, 22)])
    assert storage.submit(file).placement.start == 1 << 25
    assert (state(storage, 1).locked_wei, state(storage, 1).start_time) == (PRICE_WEI << 25, now(storage))
    assert (state(storage, 2).locked_wei, state(storage, 2).start_time) == (PRICE_WEI << 22, 0)


def test_padding_that_ends_a_chunk_closes_it(storage: Storage) -> None:
    storage.submit(pattern_file(513))
    file = submission_of(1 << 33, [(b"\2" * 32, 25)])
    padding = CHUNK - 5
    storage.submit(file)
    fee = file.sectors * PRICE_WEI
    padding_part = fee * padding // (file.sectors + padding)
    assert state(storage, 0).locked_wei == 30 + padding_part
    assert state(storage, 1).locked_wei == fee - padding_part
    assert state(storage, 0).start_time == state(storage, 1).start_time == now(storage)


def test_a_new_price_holds_from_then_on(storage: Storage) -> None:
    set_price = FIXED_PRICE.function("setPricePerSector")
    with pytest.raises(RevertedError) as failure:
        storage.read(set_price.encode(7), to=storage.market)
    assert FIXED_PRICE.error("AccessControlUnauthorizedAccount").decode(failure.value.data)[0] == decode_data(storage.user.address)
    storage.send(storage.admin, storage.market, set_price.encode(7))
    storage.submit(pattern_file(513), 21)
    storage.send(storage.admin, storage.market, set_price.encode(0))
    storage.submit(pattern_file(513), 0)
    assert storage.balance(storage.reward) == 21


def test_the_market_charges_for_its_flow_alone_and_only_what_it_has(storage: Storage) -> None:
    charge = FIXED_PRICE.function("chargeFee").encode(1, 3, 0)
    assert refused(storage, storage.market, charge) == DENIED
    market = deploy(storage.context, storage.admin, artefact("storage/FixedPrice"))
    write(storage.context, storage.admin, market, "initialize", PRICE_WEI, storage.user.address, storage.reward.address)
    assert refused(storage, market, charge) == "Not enough paid fee"


def test_what_is_sent_to_the_market_beyond_fees_goes_with_the_next(storage: Storage) -> None:
    storage.send(storage.user, storage.market, b"", 1000)
    storage.submit(pattern_file(513))
    assert [storage.balance(holder) for holder in (storage.market, storage.reward)] == [0, 1030]
    assert state(storage, 0).locked_wei == 1030


def test_a_closed_chunk_takes_no_more(wallet: Storage) -> None:
    fill(wallet, 0, CHUNK, 100)
    data = REWARD.function("fillReward").encode(CHUNK - 1, 1)
    with pytest.raises(RevertedError) as failure:
        wallet.read(data, to=wallet.reward, by=wallet.admin, value=1)
    assert revert_reason(failure.value.data) == "Reward has been finalized"
    fill(wallet, CHUNK, 5 * CHUNK, 100)
    for index in range(1, 6):
        with pytest.raises(RevertedError) as failure:
            wallet.read(REWARD.function("fillReward").encode(index * CHUNK, 1), to=wallet.reward, by=wallet.admin, value=1)
        assert revert_reason(failure.value.data) == "Reward has been finalized"
    with pytest.raises(RevertedError) as failure:
        wallet.read(REWARD.function("fillReward").encode(0, 0), to=wallet.reward, by=wallet.admin, value=1)
    assert REWARD.error("NoSectors").decode(failure.value.data) == ()


def test_only_those_who_may_fill_claim_and_set(storage: Storage) -> None:
    reward = storage.reward
    foundation = [REWARD.function("setServiceFeeRate").encode(1)]
    foundation += [REWARD.function(name).encode(TREASURY) for name in ("setTreasury", "setFoundationAdmin")]
    fills = [REWARD.function("fillReward").encode(0, 1), REWARD.function("claimMineReward").encode(0, BENEFICIARY, MINER_ID)]
    assert {refused(storage, reward, data) for data in fills + foundation} == {DENIED}
    with pytest.raises(RevertedError) as failure:
        storage.read(REWARD.function("setBaseReward").encode(1), to=reward)
    assert REWARD.error("AccessControlUnauthorizedAccount").decode(failure.value.data)[0] == decode_data(storage.user.address)
    with pytest.raises(RevertedError) as failure:
        storage.read(REWARD.function("setServiceFeeRate").encode(10001), to=reward, by=storage.foundation)
    assert REWARD.error("ServiceFeeTooHigh").decode(failure.value.data) == (10001,)
    storage.send(storage.foundation, reward, REWARD.function("setFoundationAdmin").encode(storage.user.address))
    storage.send(storage.user, reward, foundation[0])
    assert number(storage, "serviceFeeRateBps") == 1
    with pytest.raises(RevertedError):
        storage.read(foundation[0], to=reward, by=storage.foundation)
    with pytest.raises(RevertedError) as failure:
        storage.read(REWARD.function("initialize").encode(TREASURY, TREASURY, TREASURY), to=reward, by=storage.admin)
    assert REWARD.error("InvalidInitialization").decode(failure.value.data) == ()


def test_the_service_fee_goes_to_the_treasury(wallet: Storage) -> None:
    wallet.send(wallet.foundation, wallet.reward, REWARD.function("setServiceFeeRate").encode(2500))
    fill(wallet, 0, 10, 1001)
    assert (state(wallet, 0).locked_wei, number(wallet, "payments", bytes(20))) == (1001, 0)
    wallet.send(wallet.foundation, wallet.reward, REWARD.function("setTreasury").encode(TREASURY))
    fill(wallet, 10, 10, 1001)
    assert (state(wallet, 0).locked_wei, number(wallet, "payments", TREASURY)) == (1001 + 751, 250)
    wallet.send(wallet.user, wallet.reward, REWARD.function("withdrawPayments").encode(TREASURY))
    assert wallet.context.w3.eth.get_balance(wallet.context.w3.to_checksum_address(TREASURY)) == 250
    assert number(wallet, "payments", TREASURY) == 0


def test_a_chunk_that_is_not_full_releases_nothing(wallet: Storage) -> None:
    fill(wallet, 0, CHUNK - 1, 10**18)
    pass_time(wallet, RELEASE_S)
    assert claim(wallet, 0) == []
    assert (number(wallet, "rewardDeadline", 0), state(wallet, 0).locked_wei) == (0, 10**18)


def test_half_of_what_is_released_is_paid_each_time(wallet: Storage) -> None:
    fill(wallet, 0, CHUNK, 4 * 10**18)
    start = now(wallet)
    assert number(wallet, "rewardDeadline", 0) == start + RELEASE_S
    pass_time(wallet, RELEASE_S // 4)
    assert claim(wallet, 0) == [DistributeReward(0, BENEFICIARY, MINER_ID, Wei(5 * 10**17))]
    assert state(wallet, 0) == RewardState(Wei(3 * 10**18), Wei(5 * 10**17), Wei(5 * 10**17), start, start + RELEASE_S // 4)
    pass_time(wallet, RELEASE_S)
    assert claim(wallet, 0) == [DistributeReward(0, BENEFICIARY, MINER_ID, Wei(175 * 10**16))]
    assert claim(wallet, 0) == [DistributeReward(0, BENEFICIARY, MINER_ID, Wei(875 * 10**15))]
    assert number(wallet, "payments", BENEFICIARY) == 3125 * 10**15


def test_the_base_reward_is_paid_while_a_chunk_is_released_and_the_pot_has_it(wallet: Storage) -> None:
    wallet.send(wallet.admin, wallet.reward, REWARD.function("setBaseReward").encode(100))
    wallet.send(wallet.user, wallet.reward, REWARD.function("donate").encode(), 250)
    fill(wallet, 0, CHUNK, 0)
    assert [sum(event.amount_wei for event in claim(wallet, 0)) for _ in range(4)] == [100, 100, 50, 0]
    wallet.send(wallet.user, wallet.reward, REWARD.function("donate").encode(), 100)
    pass_time(wallet, RELEASE_S)
    assert claim(wallet, 0) == []
    assert number(wallet, "totalBaseReward") == 100


def test_a_payment_that_its_account_refuses_stays_its_own(wallet: Storage) -> None:
    wallet.send(wallet.foundation, wallet.reward, REWARD.function("setTreasury").encode(wallet.flow.address))
    wallet.send(wallet.foundation, wallet.reward, REWARD.function("setServiceFeeRate").encode(10000))
    fill(wallet, 0, 1, 70)
    withdraw = REWARD.function("withdrawPayments").encode(wallet.flow.address)
    with pytest.raises(RevertedError) as failure:
        wallet.read(withdraw, to=wallet.reward)
    assert REWARD.error("FailedCall").decode(failure.value.data) == ()
    wallet.send(wallet.user, wallet.reward, withdraw, succeeds=False)
    assert number(wallet, "payments", decode_data(wallet.flow.address)) == 70


@pytest.mark.parametrize("chunks", [1, 3, 40])
def test_the_first_rewardable_chunk_is_the_first_that_is_not_wholly_released(wallet: Storage, chunks: int) -> None:
    answer = REWARD.function("firstRewardableChunk")

    def first() -> tuple[int, int]:
        index, timestamp = answer.decode_result(wallet.read(answer.encode(), to=wallet.reward))
        return index, timestamp

    assert first()[0] == 0
    fill(wallet, 0, chunks * CHUNK, 100)
    closed = now(wallet)
    pass_time(wallet, 100)
    fill(wallet, chunks * CHUNK, CHUNK, 100)
    for moment, expected in ((closed + RELEASE_S, 0), (closed + RELEASE_S + 1, chunks), (closed + RELEASE_S + 101, chunks + 1)):
        pass_time(wallet, moment - now(wallet))
        wallet.context.send("evm_mine")
        assert first() == (expected, moment)


def test_more_than_1024_released_chunks_are_passed(wallet: Storage) -> None:
    for start in range(0, 1100, 100):
        fill(wallet, start * CHUNK, 100 * CHUNK, 0)
    pass_time(wallet, RELEASE_S + 1)
    wallet.context.send("evm_mine")
    answer = REWARD.function("firstRewardableChunk")
    assert answer.decode_result(wallet.read(answer.encode(), to=wallet.reward))[0] == 1100


def test_a_release_takes_time_and_a_chunk_has_sectors(fresh: Context) -> None:
    for arguments, error in (((0, CHUNK), "NoReleaseTime"), ((1, 0), "NoSectors")):
        with pytest.raises(Exception, match=REWARD.error(error).selector.hex()):
            deploy(fresh, fresh.accounts[1], artefact("storage/ChunkLinearReward"), *arguments)


@dataclass
class Chunk:
    """The reward of one chunk, counted anew from what was paid in and out."""

    paid_in: int = 0
    paid_out: int = 0
    start: int | None = None

    def claim(self, time: int) -> int:
        """What a proof takes at a time."""
        assert self.start is not None
        released = self.paid_in * min(time - self.start, RELEASE_S) // RELEASE_S
        amount = (released - self.paid_out) // 2
        self.paid_out += amount
        return amount


@dataclass
class Books:
    """All that the reward contract should know."""

    length: int = 0
    chunks: dict[int, Chunk] = field(default_factory=dict)
    pot: int = 0
    owed: int = 0
    treasury: int = 0

    def fill(self, sectors: int, value: int, time: int) -> None:
        """Sectors at the end of the flow, one chunk after the other. What rounding leaves goes to the first."""
        first, end, left = self.length // CHUNK, self.length + sectors, value
        while self.length < end:
            index = self.length // CHUNK
            covered = min(end, (index + 1) * CHUNK) - self.length
            part = value * covered // sectors
            chunk = self.chunks.setdefault(index, Chunk())
            chunk.paid_in += part
            left -= part
            self.length += covered
            if self.length % CHUNK == 0:
                chunk.start = time
        self.chunks[first].paid_in += left


class Sequences(RuleBasedStateMachine):
    """Random fills, claims, donations, withdrawals and waits beside the books."""

    context: Context
    BASE = 1000

    @initialize(bps=st.sampled_from([0, 1, 3333, 10000]))
    def begin(self, bps: int) -> None:
        self.snapshot = self.context.send("evm_snapshot")
        self.storage, self.books, self.bps = market_of(deploy_storage(self.context)), Books(), bps
        for data in (REWARD.function("setTreasury").encode(TREASURY), REWARD.function("setServiceFeeRate").encode(bps)):
            self.storage.send(self.storage.foundation, self.storage.reward, data)
        self.storage.send(self.storage.admin, self.storage.reward, REWARD.function("setBaseReward").encode(self.BASE))

    def teardown(self) -> None:
        assert self.context.send("evm_revert", self.snapshot) is True

    @rule(
        sectors=st.one_of(st.integers(1, 5 * CHUNK), st.integers(1, 9).map(lambda count: count * CHUNK // 2)),
        value=st.one_of(st.integers(0, 50), st.integers(0, 10**20)),
    )
    def fill(self, sectors: int, value: int) -> None:
        fill(self.storage, self.books.length, sectors, value)
        fee = value * self.bps // 10000
        self.books.treasury += fee
        self.books.fill(sectors, value - fee, now(self.storage))

    @rule(index=st.integers(0, 9))
    def claim(self, index: int) -> None:
        events = claim(self.storage, index)
        chunk, time = self.books.chunks.get(index, Chunk()), now(self.storage)
        amount = 0
        if chunk.start is not None:
            base = min(self.BASE, self.books.pot) if time < chunk.start + RELEASE_S else 0
            self.books.pot -= base
            amount = chunk.claim(time) + base
        self.books.owed += amount
        assert events == [DistributeReward(index, BENEFICIARY, MINER_ID, Wei(amount))] * (amount > 0)

    @rule(value=st.integers(0, 3000))
    def donate(self, value: int) -> None:
        self.storage.send(self.storage.user, self.storage.reward, REWARD.function("donate").encode(), value)
        self.books.pot += value

    @rule()
    def withdraw(self) -> None:
        self.storage.send(self.storage.user, self.storage.reward, REWARD.function("withdrawPayments").encode(BENEFICIARY))
        self.books.owed = 0

    @rule(seconds=st.integers(1, RELEASE_S // 2))
    def wait(self, seconds: int) -> None:
        pass_time(self.storage, seconds)
        self.context.send("evm_mine")

    @invariant()
    def all_that_it_holds_is_owed_to_somebody(self) -> None:
        kept = 0
        for index, chunk in self.books.chunks.items():
            found = state(self.storage, index)
            assert (found.distributed_wei, found.start_time) == (chunk.paid_out, chunk.start or 0)
            assert found.locked_wei + found.claimable_wei == chunk.paid_in - chunk.paid_out
            kept += chunk.paid_in - chunk.paid_out
        owed = [number(self.storage, "totalBaseReward"), *(number(self.storage, "payments", payee) for payee in (BENEFICIARY, TREASURY))]
        assert owed == [self.books.pot, self.books.owed, self.books.treasury]
        assert self.storage.balance(self.storage.reward) == kept + sum(owed)


def test_no_sequence_of_calls_loses_or_makes_a_wei(context: Context) -> None:
    machine = type("SequencesOnThisChain", (Sequences,), {"context": context})
    run_state_machine_as_test(machine, settings=settings(max_examples=10, stateful_step_count=15, deadline=None))
