"""Our ledger leaves the state roots and logs that Ethereum's own state tests ask for: every case but one in `make test` too."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from tests.ledger.counts import LONG
from tests.ledger.results import record
from tests.ledger.state_tests import CASES, Outcome, StateCase, final_rules, find_cases
from zerog._kernel import BlockEnv, DecodeError, Ledger, keccak256

LEFT_TO_LONG: Final = {"GeneralStateTests/stTimeConsuming/CALLBlake2f_MaxRounds.json CALLBlake2f_MaxRounds Cancun 0 0 0"}
"""2^32 - 1 rounds of one hash take longer than all other cases together; a neighbour has 8,000,000 rounds."""
LISTS_BEFORE_LOGS = 3
"""Success, gas and bloom come first in a receipt."""


@pytest.mark.timeout(600)
def test_state_tests_leave_the_right_roots_and_logs() -> None:
    expected_otherwise = final_rules()
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in find_cases():
        if case.name in LEFT_TO_LONG and not LONG:
            counts["left_to_long"] += 1
            continue
        final = expected_otherwise.get(case.name)
        expected, rules = (case.outcome, "as_filled") if final is None else (final, "by_final_rules")
        outcome = execute(case)
        counts["refused"] += outcome.is_refused
        if outcome == expected:
            counts[rules] += 1
        else:
            wrong.append(f"{case.name}: {outcome}, not {expected}")
    as_filled, by_final_rules = counts["as_filled"], counts["by_final_rules"]
    print(f"{as_filled + by_final_rules} of {CASES} ({as_filled} as filled, {by_final_rules} by the final rules of Prague)")
    assert wrong == []
    assert counts["left_to_long"] == (0 if LONG else len(LEFT_TO_LONG))
    assert as_filled + by_final_rules + counts["left_to_long"] == CASES
    assert by_final_rules == len(expected_otherwise)
    assert 0 < counts["refused"] < CASES / 5
    record("state_tests", cases=CASES, as_filled=as_filled, by_final_rules=by_final_rules, refused=counts["refused"])


def execute(case: StateCase) -> Outcome:
    """What the case's transaction leaves; the state before where no block may include it."""
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
        return Outcome(root=hex_of(ledger.head().state_root), logs=hex_of(keccak256(b"\xc0")), is_refused=True)
    head = ledger.commit(executed)
    receipts = ledger.raw_receipts(head.number) or []
    logs = [logs_of(receipt) for receipt in receipts] or [b"\xc0"]
    return Outcome(root=hex_of(head.state_root), logs=hex_of(keccak256(logs[0])), is_refused=bool(executed.dropped))


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


def logs_of(receipt: bytes) -> bytes:
    """RLP of the logs of an encoded receipt: its last item."""
    typed = receipt[0] < 0xC0
    _, content = split(receipt[1:] if typed else receipt)
    items = list(items_of(content))
    assert len(items) == LISTS_BEFORE_LOGS + 1
    return items[-1]


def items_of(content: bytes) -> Iterator[bytes]:
    """The items of a list, each with its own prefix."""
    while content:
        size, _ = split(content)
        yield content[:size]
        content = content[size:]


def split(data: bytes) -> tuple[int, bytes]:
    """Length of the first RLP item of `data`, and its content."""
    first = data[0]
    if first < 0x80:
        return 1, data[:1]
    kind = 0xC0 if first >= 0xC0 else 0x80
    if first - kind <= 55:
        begin, size = 1, first - kind
    else:
        begin = 1 + first - kind - 55
        size = int.from_bytes(data[1:begin], "big")
    return begin + size, data[begin : begin + size]
