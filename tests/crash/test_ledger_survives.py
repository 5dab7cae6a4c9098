"""A ledger that is killed, or whose disk fails, at the n-th write: all that was acknowledged is there, and it goes on."""

import signal
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.crash.driver import FAILED_STATUS
from tests.crash.faults import Call, Fault, Traced, run_traced
from tests.crash.plan import Plan, carry_out, make_plan, state_of
from tests.crash.striking import Undisturbed, acknowledged, strike
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.ledger.scenario import Block
from zerog._kernel import Ledger

ROOT = Path(__file__).parents[2]
STEPS = 48
CHECKPOINT_BLOCKS = 8
"""Small, so that checkpoints are hit as often as the log."""
POINTS = 380 if LONG else 36
"""The other points of 400 and 40 hit a whole node (`test_node_survives.py`)."""
RECOVERY_POINTS = 40 if LONG else 4
RECOVERY_CALLS = [Call("pwrite64", number) for number in range(1, 7)] + [Call("fdatasync", number) for number in (1, 2)]
SEED = commit_seed()


@cache
def plan() -> Plan:
    return make_plan(SEED, STEPS)


def drive(folder: Path, trace_file: Path, *, done: int = 0, files: Iterable[Path] = (), fault: Fault | None = None) -> Traced:
    """Run the driver on a ledger in `folder` that acknowledged `done` steps before."""
    command = [sys.executable, "-m", "tests.crash.driver", str(folder), *map(str, (SEED, STEPS, CHECKPOINT_BLOCKS, done))]
    return run_traced(command, trace_file, files=files, fault=fault, cwd=ROOT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    found = Undisturbed.of(drive, tmp_path_factory.mktemp("undisturbed"))
    assert {call.name for call in found.calls} & {"fdatasync", "fsync"}
    return found


@pytest.mark.parametrize("point", range(POINTS))
def test_nothing_acknowledged_is_lost(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    folder, traced, fault = strike(drive, tmp_path, undisturbed.files, undisturbed.fault(Random(f"point {SEED} {point}")))
    print(f"seed {SEED}, point {point}: {fault}")
    assert traced.status in {-signal.SIGKILL, FAILED_STATUS, 0}, traced.errors
    FAULTS_SEEN[f"{fault.call.name} {fault.kind}"] += 1
    require_all_there(plan(), folder, acknowledged(traced), finished="closed" in traced.output)


@pytest.mark.parametrize("point", range(RECOVERY_POINTS))
def test_a_second_fault_while_the_first_is_repaired_loses_nothing(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    """The first writes and syncs after a kill are those of the recovery, or come right after it."""
    dice = Random(f"recovery point {SEED} {point}")
    wanted = Fault(dice.choice([call for call in undisturbed.calls if call.name == "pwrite64"]), "KILL")
    folder, traced, first = strike(drive, tmp_path, undisturbed.files, wanted)
    files = {folder / name for name in undisturbed.files}
    done = acknowledged(traced)
    second = Fault(dice.choice(RECOVERY_CALLS), dice.choice(("EIO", "KILL")))
    print(f"seed {SEED}, recovery point {point}: {first}, then {second}")
    again = drive(folder, tmp_path / "trace-again", done=done, files=files, fault=second)
    again.require(second)
    assert again.status in {-signal.SIGKILL, FAILED_STATUS, 0}, again.errors
    require_all_there(plan(), folder, max(done, acknowledged(again)), finished="closed" in again.output)


def require_all_there(plan: Plan, folder: Path, done: int, *, finished: bool) -> None:
    """Open the ledger again: it stands where the last acknowledged step left it, or one step on, and can be led to the plan's end."""
    ledger = Ledger.open(str(folder), plan.genesis, checkpoint_blocks=CHECKPOINT_BLOCKS, checkpoint_seconds=1e9)
    reached = plan.reached(ledger, done)
    assert reached == done or not finished
    for number, expected in enumerate(plan.hashes(reached), start=1):
        summary = ledger.block(number)
        assert summary is not None
        assert summary.hash == expected
    if ledger.edit_count == 0:
        assert ledger.recompute_root() == ledger.head().state_root
    for step in plan.steps[reached:]:
        carry_out(ledger, step.change)
        assert state_of(ledger) == step.state
        if isinstance(step.change, Block):
            assert ledger.recompute_root() == ledger.head().state_root
    ledger.close()


FAULTS_SEEN: Counter[str] = Counter()


def test_both_kinds_of_fault_were_made() -> None:
    """Runs after the points: the log's writes and its syncs were hit, by errors and by kills."""
    kinds = {kind for name in FAULTS_SEEN for kind in ("EIO", "KILL") if name.endswith(kind)}
    assert kinds == {"EIO", "KILL"}
    assert any("write" in name for name in FAULTS_SEEN)
    assert any("sync" in name for name in FAULTS_SEEN)
    record("crash_points_of_the_ledger", seed=SEED, points=sum(FAULTS_SEEN.values()), faults=dict(FAULTS_SEEN))
