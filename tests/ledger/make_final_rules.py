"""Computes what the final rules of Prague make of the state tests that were written for a draft, with the specification of Ethereum.

Usage: `python -m tests.ledger.make_final_rules`, after `make setup`, with the archive of state tests in place. Takes about ten minutes.
"""

import json
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from tests.ledger.oracle import ask, eels_python
from tests.ledger.state_tests import FINAL_RULES, Outcome, StateCase, find_cases

PROGRAM: Final = Path(__file__).parent / "eels" / "execute_cases.py"


def main() -> None:
    """Write the outcomes that differ from the archive's."""
    process = subprocess.Popen([eels_python(), PROGRAM, "prague"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    decided: dict[str, Outcome] = {}
    cases = [case for case in find_cases() if case.fork == "Prague"]
    for index, case in enumerate(cases):
        ask(process, request(case))
        outcome = msgspec.json.decode(process.stdout.readline(), type=Outcome)
        if outcome != case.outcome:
            decided[case.name] = outcome
        if index % 100 == 0:
            print(f"{index} of {len(cases)}, {len(decided)} differ", flush=True)
    process.communicate(timeout=30)
    print(f"{len(decided)} of {len(cases)} cases come out otherwise under the final rules")
    lines = ",\n".join(f"{json.dumps(name)}: {msgspec.json.encode(outcome).decode()}" for name, outcome in sorted(decided.items()))
    FINAL_RULES.parent.mkdir(exist_ok=True)
    FINAL_RULES.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def request(case: StateCase) -> dict[str, object]:
    """The case for the specification's program."""
    return {
        "genesis": json.loads(case.genesis),
        "number": case.number,
        "timestamp": case.timestamp,
        "gas_limit": case.gas_limit,
        "base_fee_per_gas": case.base_fee_per_gas,
        "beneficiary": "0x" + case.beneficiary.hex(),
        "prev_randao": "0x" + case.prev_randao.hex(),
        "excess_blob_gas": case.excess_blob_gas,
        "transaction": "0x" + case.transaction.hex(),
    }


if __name__ == "__main__":
    main()
