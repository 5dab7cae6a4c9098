"""The program that is killed: leads a key-value node's store through a plan and says on standard output, at once, what is done.

Usage: `python -m tests.crash.kv_driver FOLDER SEED [DONE]`. After DONE acknowledged steps it goes on from where the store stands. Ends with
`FAILED_STATUS` when the disk failed.
"""

import sys
from pathlib import Path

from tests.crash.driver import FAILED_STATUS, say
from tests.crash.kv_plan import carry_out, make_plan, open_store
from zerog.storage.kv.store import StoreFailedError


def main(folder: str, seed: int, done: int = 0) -> int:
    plan = make_plan(seed)
    say("planned")
    try:
        with open_store(Path(folder)) as store:
            done = plan.reached(store, done)
            say(f"done {done}")
            try:
                for number, step in enumerate(plan.steps[done:], start=done + 1):
                    carry_out(store, plan, step)
                    done = number
                    say(f"done {done}")
            except StoreFailedError:
                plan.reached(store, done)  # After a failure of the disk a store answers what it can.
                raise
    except (StoreFailedError, OSError) as error:  # The download of a large item, which is not the store's, may fail too.
        say(f"failed {error}")
        return FAILED_STATUS
    say("closed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
