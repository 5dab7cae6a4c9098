"""A key-value store that is killed, or whose disk fails, at the n-th write: what was acknowledged is there, and its end is the log's."""

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
from tests.crash.kv_plan import Plan, carry_out, make_plan, open_store, require_end
from tests.crash.striking import Undisturbed, acknowledged, strike
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record

ROOT = Path(__file__).parents[2]
POINTS = 160 if LONG else 5
RECOVERY_POINTS = 20 if LONG else 1
RECOVERY_CALLS = [Call(name, 1) for name in ("ftruncate", "fdatasync", "fsync")] + [Call("pwrite64", number) for number in (1, 2, 3)]
SEED = commit_seed()


@cache
def plan() -> Plan:
    return make_plan(SEED)


def drive(folder: Path, trace_file: Path, *, done: int = 0, files: Iterable[Path] = (), fault: Fault | None = None) -> Traced:
    """Run the driver on a store in `folder` that acknowledged `done` steps before."""
    command = [sys.executable, "-m", "tests.crash.kv_driver", str(folder), *map(str, (SEED, done))]
    return run_traced(command, trace_file, files=files, fault=fault, cwd=ROOT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    found = Undisturbed.of(drive, tmp_path_factory.mktemp("undisturbed-kv"))
    assert {call.name for call in found.calls} >= {"pwrite64", "fsync"}
    return found


@pytest.mark.parametrize("point", range(POINTS))
def test_nothing_acknowledged_is_lost(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    folder, traced, fault = strike(drive, tmp_path, undisturbed.files, undisturbed.fault(Random(f"kv point {SEED} {point}")))
    print(f"seed {SEED}, point {point}: {fault}")
    assert traced.status in {-signal.SIGKILL, FAILED_STATUS, 0}, traced.errors
    FAULTS_SEEN[fault.kind] += 1
    require_all_there(plan(), folder, acknowledged(traced))


@pytest.mark.parametrize("point", range(RECOVERY_POINTS))
def test_a_second_fault_while_the_store_opens_again_loses_nothing(undisturbed: Undisturbed, tmp_path: Path, point: int) -> None:
    dice = Random(f"kv recovery point {SEED} {point}")
    wanted = Fault(dice.choice([call for call in undisturbed.calls if call.name == "pwrite64"]), "KILL")
    folder, traced, first = strike(drive, tmp_path, undisturbed.files, wanted)
    done = acknowledged(traced)
    second = Fault(dice.choice(RECOVERY_CALLS), dice.choice(("EIO", "KILL")))
    print(f"seed {SEED}, recovery point {point}: {first}, then {second}")
    again = drive(folder, tmp_path / "trace-again", done=done, files={folder / name for name in undisturbed.files}, fault=second)
    assert again.status in {-signal.SIGKILL, FAILED_STATUS, 0}, again.errors
    FAULTS_SEEN["second"] += 1
    require_all_there(plan(), folder, max(done, acknowledged(again)))


def require_all_there(plan: Plan, folder: Path, done: int) -> None:
    """Open the store again: it stands where the last acknowledged step left it, or a step on, and can be led to the plan's end."""
    with open_store(folder) as store:
        for step in plan.steps[plan.reached(store, done) :]:
            carry_out(store, plan, step)
        plan.reached(store, len(plan.steps))
        require_end(store, plan, Random(f"looks {SEED}"))
    with open_store(folder) as store:
        require_end(store, plan, Random(f"looks {SEED}"))


LAST = {
    "items": "seq = (SELECT max(seq) FROM items)",
    "versions": "seq = (SELECT max(seq) FROM versions)",
    "controls": "seq = (SELECT max(seq) FROM controls)",
    "marks": "number = (SELECT max(number) FROM marks)",
    "data": "id = (SELECT data FROM items WHERE seq = (SELECT max(seq) FROM versions WHERE size > 0))",
}


@pytest.mark.parametrize("table", LAST)
def test_the_harness_finds_a_lost_row(tmp_path: Path, table: str) -> None:
    """The check that the other tests rely on fails when anything acknowledged is missing."""
    fixed = make_plan(1)
    with open_store(tmp_path) as store:
        for step in fixed.steps:
            carry_out(store, fixed, step)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)) as catalogue:
        lost = catalogue.execute(f"DELETE FROM {table} WHERE {LAST[table]}").rowcount  # noqa: S608 - our own names.
    assert lost
    with pytest.raises(AssertionError):
        require_all_there(fixed, tmp_path, len(fixed.steps))


FAULTS_SEEN: Counter[str] = Counter()


def test_both_kinds_of_fault_were_made() -> None:
    """Runs after the points."""
    assert FAULTS_SEEN["second"] == RECOVERY_POINTS
    assert FAULTS_SEEN["EIO"] + FAULTS_SEEN["KILL"] == POINTS
    record("crash_points_of_a_key_value_store", seed=SEED, points=POINTS + RECOVERY_POINTS, faults=dict(FAULTS_SEEN))
