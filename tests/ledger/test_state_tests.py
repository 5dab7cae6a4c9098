"""Our ledger leaves the state roots that Ethereum's own state tests ask for."""

import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.results import record
from tests.ledger.state_tests import StateCase, load_cases
from zerog._kernel import BlockEnv, DecodeError, Ledger

CASES = 1_000_000 if LONG else 1_500
LEAST_CASES = 20_000 if LONG else 1_500


@pytest.mark.timeout(1800 if LONG else 180)
def test_state_tests_leave_the_right_roots() -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    run = refused = 0
    wrong = []
    for case in load_cases(CASES, seed):
        root, is_dropped = execute(case)
        run += 1
        refused += is_dropped
        if (root, is_dropped) != (case.state_root, case.is_refused):
            wrong.append(f"{case.name}: root {root.hex()}, dropped {is_dropped}")
    assert wrong == []
    assert run >= LEAST_CASES
    assert 0 < refused < run / 5
    record("state_tests", seed=seed, cases=run, refused=refused)


def execute(case: StateCase) -> tuple[bytes, bool]:
    """The state root after the case's transaction, and whether the ledger left it out or could not even read it."""
    ledger = Ledger.open(None, case.genesis, threads=1)
    env = BlockEnv(
        timestamp=case.timestamp,
        gas_limit=case.gas_limit,
        base_fee_per_gas=case.base_fee_per_gas,
        beneficiary=case.beneficiary,
        prev_randao=case.prev_randao,
        excess_blob_gas=case.excess_blob_gas,
    )
    try:
        executed = ledger.execute(env, [case.transaction])
    except DecodeError:
        return ledger.head().state_root, True
    return executed.summary.state_root, bool(executed.dropped)
