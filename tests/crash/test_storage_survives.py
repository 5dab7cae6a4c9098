"""A store that is killed, or whose disk fails, at the n-th write: all that was acknowledged is there, nothing else, and it goes on."""

import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.crash.driver import FAILED_STATUS
from tests.crash.faults import Call, Fault, Traced, run_traced
from tests.crash.storage_plan import Plan, carry_out, make_plan, open_store
from tests.crash.striking import Undisturbed, acknowledged, strike
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.unit.storage.node.store.audit import audit

ROOT = Path(__file__).parents[2]
STEPS = 40
POINTS = 360 if LONG else 36
RECOVERY_POINTS = 40 if LONG else 4
RECOVERY_CALLS = [Call(name, 1) for name in ("ftruncate", "fdatasync", "fsync")] + [Call("pwrite64", number) for number in (1, 2, 3)]
SEED = commit_seed()
FIXED = make_plan(1, STEPS)
"""For what must be there whatever the seed."""


@cache
def plan() -> Plan:
    return make_plan(SEED, STEPS)


def drive(folder: Path, trace_file: Path, *, done: int = 0, files: Iterable[Path] = (), fault: Fault | None = None) -> Traced:
    """Run the driver on a store in `folder` that acknowledged `done` steps before."""
    command = [sys.executable, "-m", "tests.crash.storage_driver", str(folder), *map(str, (SEED, STEPS, done))]
    return run_traced(command, trace_file, files=files, fault=fault, cwd=ROOT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    base = tmp_path_factory.mktemp("undisturbed-storage")
    found = Undisturbed.of(drive, base)
    audit(base / "kept")
    assert {call.name for call in found.calls} >= {"pwrite64", "pwritev2", "fdatasync"}
    return found


@pytest.mark.parametrize("point", range(POINTS))
def test_nothing_acknowledged_is_lost(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    folder, traced, fault = strike(drive, tmp_path, undisturbed.files, undisturbed.fault(Random(f"storage point {SEED} {point}")))
    print(f"seed {SEED}, point {point}: {fault}")
    assert traced.status in {-signal.SIGKILL, FAILED_STATUS, 0}, traced.errors
    FAULTS_SEEN[f"{fault.call.name} {fault.kind}"] += 1
    require_all_there(plan(), folder, acknowledged(traced), finished="closed" in traced.output)


@pytest.mark.parametrize("point", range(RECOVERY_POINTS))
def test_a_second_fault_while_the_store_opens_again_loses_nothing(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    dice = Random(f"storage recovery point {SEED} {point}")
    wanted = Fault(dice.choice([call for call in undisturbed.calls if call.name in ("pwritev2", "pwrite64")]), "KILL")
    folder, traced, first = strike(drive, tmp_path, undisturbed.files, wanted)
    done = acknowledged(traced)
    second = Fault(dice.choice(RECOVERY_CALLS), dice.choice(("EIO", "KILL")))
    print(f"seed {SEED}, recovery point {point}: {first}, then {second}")
    again = drive(folder, tmp_path / "trace-again", done=done, files={folder / name for name in undisturbed.files}, fault=second)
    assert again.status in {-signal.SIGKILL, FAILED_STATUS, 0}, again.errors
    FAULTS_SEEN["second"] += again.missing(second) is None
    require_all_there(plan(), folder, max(done, acknowledged(again)), finished="closed" in again.output)


def require_all_there(plan: Plan, folder: Path, done: int, *, finished: bool) -> None:
    """Open the store again: it stands where the last acknowledged step left it, or a step on, and can be led to the plan's end."""
    with open_store(folder) as store:
        reached = plan.reached(store, done)
        assert reached == done or not finished
        for number, step in enumerate(plan.steps[reached:], start=reached + 1):
            carry_out(store, plan, step)
            if number in (reached + 1, STEPS):
                assert plan.state_of(store) == plan.states[number]
    audit(folder)


@pytest.mark.parametrize("table", ["segments", "submissions", "marks"])
def test_the_harness_finds_a_lost_row(tmp_path: Path, table: str) -> None:
    """The check that the other tests rely on fails when anything acknowledged is missing."""
    with open_store(tmp_path) as store:
        for step in FIXED.steps:
            carry_out(store, FIXED, step)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        key = "rowid" if table != "segments" else "file"
        lost = catalogue.execute(f"DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})").rowcount  # noqa: S608 - our own names.
    assert lost
    with pytest.raises(AssertionError):
        require_all_there(FIXED, tmp_path, STEPS, finished=True)


def test_the_audit_finds_a_record_beyond_the_end(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for step in FIXED.steps:
            carry_out(store, FIXED, step)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        catalogue.execute("UPDATE data_files SET end = end - 1 WHERE sealed = 0")
    with pytest.raises(AssertionError):
        audit(tmp_path)


FAULTS_SEEN: Counter[str] = Counter()


def test_both_kinds_of_fault_were_made() -> None:
    """Runs after the points: writes and syncs were hit, by errors and by kills."""
    assert {name.rpartition(" ")[2] for name in FAULTS_SEEN} == {"EIO", "KILL", "second"}
    assert FAULTS_SEEN["second"] > 0
    assert any("write" in name for name in FAULTS_SEEN)
    assert any("sync" in name for name in FAULTS_SEEN)
    record("crash_points_of_a_store", seed=SEED, points=POINTS + RECOVERY_POINTS, faults=dict(FAULTS_SEEN))
