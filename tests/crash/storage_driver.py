"""The program that is killed: leads a storage node's store through a plan and says on standard output, at once, what is done.

Usage: `python -m tests.crash.storage_driver FOLDER SEED STEPS [DONE]`. After DONE acknowledged steps it goes on from where the store
stands. Ends with `FAILED_STATUS` when the disk failed.
"""

import re
import sys
from functools import partial
from pathlib import Path

import anyio

from tests.crash.driver import FAILED_STATUS, say
from tests.crash.storage_plan import Plan, carry_out, make_plan, open_store
from tests.unit.storage.node.store.samples import some_file
from zerog.storage.node.store import Store, StoreFailedError


def main(folder: str, seed: int, step_count: int, done: int = 0) -> int:
    plan = make_plan(seed, step_count)
    say("planned")
    status = 0
    try:
        with open_store(Path(folder)) as store:
            done = plan.reached(store, done)
            say(f"done {done}")
            try:
                for number, step in enumerate(plan.steps[done:], start=done + 1):
                    carry_out(store, plan, step)
                    done = number
                    say(f"done {done}")
            except* StoreFailedError:
                require_reading_only(store, plan, done)
                raise
    except* StoreFailedError as failures:
        say(f"failed {failures.exceptions}")
        status = FAILED_STATUS
    if status == 0:
        say("closed")
    return status


def require_reading_only(store: Store, plan: Plan, done: int) -> None:
    """After a failure of the disk a store answers what it can, and refuses what it cannot promise to keep."""
    import pytest  # Only here: every run pays for what is imported.

    plan.reached(store, done)
    assert store.failure is not None
    absent = some_file("of no plan", 300).segments
    for write in (partial(anyio.run, store.put, absent), partial(store.unwind, 0), partial(store.prune, 0)):
        with pytest.raises(StoreFailedError, match=re.escape(store.failure.cause)):
            write()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
