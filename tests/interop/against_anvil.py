"""The same scenarios against anvil, which shows that they ask for what others do too: `python -m tests.interop.against_anvil`.

Prints how each chapter that fails there fails, and exits 1 when one fails that `DEVIATIONS` does not explain. It is no part of
`make test`: anvil 1.7.1 now and then leaves a transaction pending for ever, which must not make our own tests fail.
"""

import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.node import run_client
from tests.interop.test_clients import COMMANDS
from tests.interop.web3py.common import MULTICALL3, artefact, connect

DEVIATIONS = {
    ("ethers", "estimates"): "eth_estimateGas does not look at the balance",
    ("ethers", "poolErrors"): "says 'transaction already imported' where geth says 'already known'",
    ("ethers", "unknownMethod"): "says 'Method not found', which ethers does not recognise",
    ("viem", "blocks"): "safe and finalized trail the head by 32 and 64 blocks",
    ("viem", "callErrors"): "eth_call and eth_estimateGas look at neither balance nor fee cap",
    ("viem", "fees"): "eth_feeHistory has a reward when no percentiles were asked for",
    ("viem", "logRanges"): "eth_getLogs answers an empty list for ranges that cannot be",
    ("viem", "requestBatches"): "says 'Method not found'",
    ("web3.py", "missing"): "names blocks that are not there in its own words",
    ("web3.py", "poolErrors"): "accepts a transaction without a chain id",
}


@contextmanager
def running_anvil(*arguments: str) -> Iterator[str]:
    """URL of an anvil by the rules that our chain has."""
    command = [str(Path(__file__).parent / "node_modules" / ".bin" / "anvil"), "--port", "0", "--hardfork", "prague", *arguments]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process,
        ThreadPoolExecutor(1) as reader,  # Ends with the output, before that is closed.
    ):
        assert process.stdout is not None
        try:
            addresses = (found[1] for line in process.stdout if (found := re.match(r"Listening on (\S+)", line)))
            url = f"http://{next(addresses)}"
            # It writes a line a request and stops when nobody reads them.
            reader.submit(deque, addresses, 0)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # The command is a wrapper; both are in a session of their own.


def main() -> int:
    unexplained = 0
    with running_anvil() as url:
        connect(url).send("anvil_setCode", MULTICALL3, artefact("chain/Multicall3")["deployedBytecode"])
        for client, command in COMMANDS.items():
            report: Any = run_client([*command, url])
            for chapter, outcome in report["chapters"].items():
                if "failure" in outcome:
                    reason = DEVIATIONS.get((client, chapter))
                    unexplained += reason is None
                    sys.stdout.write(f"{report['client']} {chapter}: {reason or outcome['failure']}\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
