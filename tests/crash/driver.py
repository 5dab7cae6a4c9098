"""The program that is killed: leads a ledger through a plan and says on standard output, at once, what is done.

Usage: `python -m tests.crash.driver FOLDER SEED STEPS CHECKPOINT_BLOCKS [DONE]`. After DONE acknowledged steps it goes on from where
the ledger stands. Ends with `FAILED_STATUS` when the disk failed.
"""

import sys

from tests.crash.plan import carry_out, make_plan
from zerog._kernel import Ledger, LedgerFailedError

FAILED_STATUS = 75
"""An expected end after a disk error, as opposed to a crash of the program. (EX_TEMPFAIL of sysexits.h.)"""


def main(folder: str, seed: int, step_count: int, checkpoint_blocks: int, done: int = 0) -> int:
    plan = make_plan(seed, step_count)
    say("planned")
    try:
        ledger = Ledger.open(folder, plan.genesis, checkpoint_blocks=checkpoint_blocks, checkpoint_seconds=1e9)
        reached = plan.reached(ledger, done)
        say(f"done {reached}")
        for number, step in enumerate(plan.steps[reached:], start=reached + 1):
            carry_out(ledger, step.change)
            say(f"done {number}")
        ledger.close()
        say("closed")
    except LedgerFailedError as error:
        say(f"failed {error}")
        return FAILED_STATUS
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
