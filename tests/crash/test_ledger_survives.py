"""A ledger that is killed, or whose disk fails, at the n-th write: all that was acknowledged is there, and it goes on."""

import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.crash.driver import FAILED_STATUS
from tests.crash.faults import Call, Fault, Traced, calls_on, run_traced
from tests.crash.plan import Plan, carry_out, make_plan, state_of
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
ATTEMPTS = 12
"""By then any number has come down to 1."""
RECOVERY_POINTS = 40 if LONG else 4
RECOVERY_CALLS = [Call("pwrite64", number) for number in range(1, 7)] + [Call("fdatasync", number) for number in (1, 2)]
SEED = commit_seed()


@cache
def plan() -> Plan:
    return make_plan(SEED, STEPS)


def drive(folder: Path, trace_file: Path, *, done: int = 0, files: set[Path] | None = None, fault: Fault | None = None) -> Traced:
    """Run the driver on a ledger in `folder` that acknowledged `done` steps before."""
    command = [sys.executable, "-m", "tests.crash.driver", str(folder), *map(str, (SEED, STEPS, CHECKPOINT_BLOCKS, done))]
    return run_traced(command, trace_file, files=files or (), fault=fault, cwd=ROOT)


def strike(base: Path, names: Iterable[str], fault: Fault) -> tuple[Path, Traced, Fault]:
    """Run until the fault happens; returns the ledger's folder, the run, and the fault as it was.

    Checkpoints are written beside the blocks, so how many calls a thread makes differs from run to run: fewer are met earlier.
    """
    missing: str | None = None
    for attempt in range(ATTEMPTS):
        folder = base / f"ledger-{attempt}"
        traced = drive(folder, base / f"trace-{attempt}", files={folder / name for name in names}, fault=fault)
        missing = traced.missing(fault)
        if missing is None:
            return folder, traced, fault
        fault = Fault(Call(fault.call.name, max(1, fault.call.number * 2 // 3)), fault.kind)
    raise AssertionError(missing)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a run without faults does: the files it writes, as names in the ledger's folder, and its calls on them."""

    files: frozenset[str]
    calls: tuple[Call, ...]

    def fault(self, point: int) -> Fault:
        """The fault of a point: each kind of call comes up as often as any other, however rare it is."""
        dice = Random(f"point {SEED} {point}")
        name = dice.choice(sorted({call.name for call in self.calls}))
        return Fault(dice.choice([call for call in self.calls if call.name == name]), dice.choice(("EIO", "KILL")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    base = tmp_path_factory.mktemp("undisturbed")
    traced = drive(base / "ledger", base / "trace")
    assert traced.output.splitlines()[-1:] == ["closed"], traced.errors
    files, calls = calls_on(base / "ledger", traced.trace)
    assert {call.name for call in calls} & {"fdatasync", "fsync"}
    return Undisturbed(frozenset(str(file.relative_to(base / "ledger")) for file in files), tuple(calls))


@pytest.mark.parametrize("point", range(POINTS))
def test_nothing_acknowledged_is_lost(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    folder, traced, fault = strike(tmp_path, undisturbed.files, undisturbed.fault(point))
    print(f"seed {SEED}, point {point}: {fault}")
    assert traced.status in {-signal.SIGKILL, FAILED_STATUS, 0}, traced.errors
    FAULTS_SEEN[f"{fault.call.name} {fault.kind}"] += 1
    require_all_there(plan(), folder, acknowledged(traced), finished="closed" in traced.output)


@pytest.mark.parametrize("point", range(RECOVERY_POINTS))
def test_a_second_fault_while_the_first_is_repaired_loses_nothing(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    """The first writes and syncs after a kill are those of the recovery, or come right after it."""
    dice = Random(f"recovery point {SEED} {point}")
    wanted = Fault(dice.choice([call for call in undisturbed.calls if call.name == "pwrite64"]), "KILL")
    folder, traced, first = strike(tmp_path, undisturbed.files, wanted)
    files = {folder / name for name in undisturbed.files}
    done = acknowledged(traced)
    second = Fault(dice.choice(RECOVERY_CALLS), dice.choice(("EIO", "KILL")))
    print(f"seed {SEED}, recovery point {point}: {first}, then {second}")
    again = drive(folder, tmp_path / "trace-again", done=done, files=files, fault=second)
    again.require(second)
    assert again.status in {-signal.SIGKILL, FAILED_STATUS, 0}, again.errors
    require_all_there(plan(), folder, max(done, acknowledged(again)), finished="closed" in again.output)


def acknowledged(traced: Traced) -> int:
    """The last step that the driver said was done."""
    return max((int(line.removeprefix("done ")) for line in traced.output.splitlines() if line.startswith("done ")), default=0)


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
