"""Rounds of sampling: however long nothing happened, the state is as if they had been made one by one, and nothing stands still."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.da.entrance import Da, root_of
from zerog._kernel import AccountOverride
from zerog.contracts.da import DA_ENTRANCE, SampleTask
from zerog.primitives import Hash32

MAX_TARGET = (2**256 - 1) // 128
ENTRANCE_SLOT = 0x1F01119F54CADDD4B5BCCE29799619F00BB427288E5C1C0713537061BD123800
SLOTS = {
    "sampleRound": 5,
    "nextSampleHeight": 6,
    "podasTarget": 7,
    "roundSubmissions": 8,
    "targetRoundSubmissions": 9,
    "targetRoundSubmissionsNext": 14,
    "samplePeriod": 19,
}
"""Members of the entrance's storage."""
IDLE_GAS_MAX = 1_500_000
"""The most that going on costs, whatever was before."""
HASH_BLOCKS = 256
"""So many blocks back a contract is told hashes."""


@dataclass
class Rounds:
    """The official contract's rounds, one by one."""

    number: int
    height: int
    target: int
    actual: int
    goal: int
    next_goal: int
    period: int

    def advance(self, block: int, times: int = 10**9) -> None:
        while block >= self.height and times:
            if self.number > 0:
                self.target = adjusted(self.target, self.actual, self.goal)
            self.number += 1
            self.height += self.period
            self.actual, self.goal = 0, self.next_goal
            times -= 1

    @property
    def as_told(self) -> dict[str, int]:
        return {
            "sampleRound": self.number,
            "nextSampleHeight": self.height,
            "podasTarget": self.target,
            "roundSubmissions": self.actual,
            "targetRoundSubmissions": self.goal,
        }


def adjusted(target: int, actual: int, goal: int) -> int:
    """The target after a round. Source: 0glabs/0g-da-contract, contracts/DAEntrance.sol."""
    scaled = target >> 32
    if actual > goal:
        scaled -= scaled * (actual - goal) // goal // 8
    else:
        scaled += scaled * (goal - actual) // goal // 8
    return MAX_TARGET if scaled >= MAX_TARGET >> 32 else scaled << 32


def overrides(da: Da, rounds: Rounds) -> AccountOverride:
    values = rounds.as_told | {"targetRoundSubmissionsNext": rounds.next_goal, "samplePeriod": rounds.period}
    slots = [((ENTRANCE_SLOT + SLOTS[name]).to_bytes(32), value.to_bytes(32)) for name, value in values.items()]
    return AccountOverride(da.entrance.address, state_diff=slots)


def told_after(da: Da, rounds: Rounds, block: int, data: bytes) -> dict[str, int]:
    """What the entrance says after a call at some height."""
    names = list(rounds.as_told)
    calls = [(da.entrance, data), *((da.entrance, DA_ENTRANCE.function(name).encode()) for name in names)]
    results = da.series(da.other.address, calls, [overrides(da, rounds)], block)
    assert [status for status, _ in results] == ["success"] * len(results)
    return {name: int.from_bytes(output) for name, (_, output) in zip(names, results[1:], strict=True)}


@pytest.fixture(scope="module")
def shared() -> Da:
    """For calls that leave no trace."""
    return Da()


goals = st.integers(1, 10_000)
targets = st.one_of(st.integers(0, MAX_TARGET), st.integers(0, 250).map(lambda bits: min(1 << bits, MAX_TARGET)))


@given(
    target=targets,
    goal=goals,
    next_goal=goals,
    share=st.floats(0, 2),
    number=st.integers(0, 3),
    period=st.integers(1, 300),
    idle=st.integers(0, 30_000),
    times=st.one_of(st.none(), st.integers(0, 500)),
)
def test_after_any_idle_time_all_is_as_if_rounds_had_been_made_one_by_one(
    shared: Da, target: int, goal: int, next_goal: int, share: float, number: int, period: int, idle: int, times: int | None
) -> None:
    rounds = Rounds(number, 1000, target, int(share * goal), goal, next_goal, period)
    sync = DA_ENTRANCE.function("sync").encode() if times is None else DA_ENTRANCE.function("syncFixedTimes").encode(times)
    told = told_after(shared, rounds, 990 + idle, sync)
    rounds.advance(990 + idle, 10**9 if times is None else times)
    assert told == rounds.as_told


@given(target=targets, goal=st.integers(1, 2**32 - 1), share=st.floats(0, 2))
def test_the_target_moves_by_the_formula(shared: Da, target: int, goal: int, share: float) -> None:
    rounds = Rounds(5, 1000, target, int(share * goal), goal, goal, 30)
    expected = adjusted(target, int(share * goal), goal)
    assert told_after(shared, rounds, 1000, DA_ENTRANCE.function("sync").encode())["podasTarget"] == expected
    if expected not in (0, MAX_TARGET) and target >> 32 > 100:
        assert (expected < target) == (int(share * goal) > goal) or int(share * goal) in (goal - 1, goal, goal + 1)


def test_twenty_samples_aimed_at_move_the_target_by_at_most_an_eighth() -> None:
    assert adjusted(2**200, 40, 20) == 2**200 - 2**197
    assert adjusted(2**200, 0, 20) == 2**200 + 2**197
    assert adjusted(2**200, 20, 20) == 2**200
    assert adjusted(MAX_TARGET, 0, 20) == MAX_TARGET


def test_the_first_round_begins_at_the_first_multiple_of_the_period(da: Da) -> None:
    da.mine(28)
    assert da.send(da.other, da.entrance, "sync").named("NewSampleRound") == []
    task = SampleTask.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleTask").encode()))
    assert (da.height, task) == (29, SampleTask(Hash32(bytes(32)), MAX_TARGET, 0))
    before = da.chain.head().hash
    [event] = da.send(da.other, da.entrance, "sync").named("NewSampleRound")
    assert event == (1, 30, before, MAX_TARGET)
    assert da.read(da.entrance, "currentSampleSeed") == before
    task = SampleTask.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleTask").encode()))
    assert task == SampleTask(Hash32(before), MAX_TARGET, 40)


def test_after_10000_idle_blocks_every_entry_point_works_within_ordinary_gas(da: Da) -> None:
    """Rounds that were over for 256 blocks when somebody came are counted and not told; the current one has its seed."""
    da.announce(root_of(1))
    submission = da.submission(root_of(2))
    da.next_epoch()
    da.register_all()
    da.mine_to(10_000)
    price = da.number("blobPrice")
    entries: list[tuple[str, tuple[object, ...], int]] = [
        ("sync", (), 0),
        ("sampleTask", (), 0),
        ("sampleRange", (), 0),
        ("donate", (), 5),
        ("submitOriginalData", ([root_of(3)],), price),
        ("setBlobPrice", (price,), 0),
        ("setTreasury", (da.treasury.address,), 0),
    ]
    height = da.height
    for name, arguments, value in entries:
        by = da.admin if name.startswith("set") else da.other
        receipt = da.send(by, da.entrance, name, *arguments, value=value)
        assert receipt.gas_used < 500_000, (name, receipt.gas_used)
        events = receipt.named("NewSampleRound")
        assert len(events) <= HASH_BLOCKS // 30 + 1
        assert events[-1][:2] == (333, 9990)
        assert events[-1][2] == da.chain.block(9989).hash  # type: ignore[union-attr]
        assert (da.number("sampleRound"), da.number("nextSampleHeight")) == (333, 10_020)
        da.chain.unwind(height)
    da.confirm([submission])
    assert da.is_confirmed(root_of(2))


def test_rounds_are_told_whose_seed_a_contract_could_learn_and_no_others(da: Da) -> None:
    da.send(da.admin, da.entrance, "setSamplePeriod", 1)
    da.mine(600)
    receipt = da.send(da.other, da.entrance, "sync")
    events, height = receipt.named("NewSampleRound"), da.height
    assert [event[1] for event in events] == list(range(height - HASH_BLOCKS + 1, height + 1))
    assert [event[0] for event in events] == [event[1] - 1 for event in events]
    seeds = [da.chain.block(event[1] - 1) for event in events]
    assert [event[2] for event in events] == [block.hash for block in seeds if block is not None]


@pytest.mark.parametrize("period", [1, 2, 30, 255, 256, 257, 10_000])
def test_whatever_the_target_going_on_costs_bounded_gas(shared: Da, period: int) -> None:
    for target in (0, 1 << 32, 9 << 32, 1 << 60, 1 << 200, MAX_TARGET):
        rounds = Rounds(7, 1000, target, 0, 20, 20, period)
        call = (shared.entrance, DA_ENTRANCE.function("sync").encode())
        [(status, _)] = shared.series(shared.other.address, [call], [overrides(shared, rounds)], 50_000_000, gas=IDLE_GAS_MAX)
        assert status == "success", target


def test_sync_can_go_on_by_single_rounds(da: Da) -> None:
    da.mine_to(200)
    for number in (1, 2, 3):
        [event] = da.send(da.other, da.entrance, "syncFixedTimes", 1).named("NewSampleRound")
        assert event[:2] == (number, 30 * number)
    assert da.send(da.other, da.entrance, "syncFixedTimes", 0).events == []
    events = da.send(da.other, da.entrance, "syncFixedTimes", 100).named("NewSampleRound")
    assert [event[0] for event in events] == [4, 5, 6]
    assert da.send(da.other, da.entrance, "syncFixedTimes", 100).events == []


def test_a_new_period_holds_from_the_next_round_on(da: Da) -> None:
    da.send(da.admin, da.entrance, "setSamplePeriod", 7)
    assert da.number("nextSampleHeight") == 7
    da.next_round()
    da.send(da.admin, da.entrance, "setSamplePeriod", 11)
    assert (da.number("nextSampleHeight"), da.number("samplePeriod")) == (14, 11)
    da.next_round()
    assert da.number("nextSampleHeight") == 25
    assert da.refusal(da.admin, da.entrance, "setSamplePeriod", 0) == "NoSamplePeriod"
