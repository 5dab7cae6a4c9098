"""Ethereum's own state tests as cases for our ledger. Source: ethereum/tests (MIT), the newest fork of each test.

Its cases of Prague were written for a draft of it: EIP-2537 had nine precompiled contracts at other addresses and prices, and EOF was to be
part of the fork. What the final rules make of those cases was computed by the executable specification of Ethereum; see `FINAL_RULES`.
"""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

__all__ = ["ARCHIVE", "CASES", "FINAL_RULES", "StateCase", "final_rules", "find_cases"]

Json = dict[str, Any]
DATA_FOLDER: Final = Path(os.environ.get("ZEROG_TEST_DATA", Path(__file__).parents[3] / "shared" / "vectors"))
"""Where test data lies that is too large for the repository."""
ARCHIVE: Final = DATA_FOLDER / "ethereum-statetests.tar.xz"
CASES: Final = 22_408
"""How many cases the archive holds: 20,970 of Cancun and 1,438 of Prague."""
FINAL_RULES: Final = Path(__file__).parent / "vectors" / "prague_state_tests.json"
"""Outcomes under the final Prague of the cases that a draft of it decided. Made by tests/ledger/make_final_rules.py with EELS."""
BLOCK_FORKS: Final = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "berlinBlock",
    "londonBlock",
    "mergeNetsplitBlock",
)
TIME_FORKS: Final = {"Cancun": ("shanghaiTime", "cancunTime"), "Prague": ("shanghaiTime", "cancunTime", "pragueTime")}


class Outcome(msgspec.Struct, frozen=True):
    """What a transaction leaves."""

    root: str
    """State root."""
    logs: str
    """Keccak-256 of the RLP of the logs."""
    is_refused: bool = False
    """Whether no block may include the transaction."""


@dataclass(frozen=True, slots=True)
class StateCase:
    """One transaction on a state, and what it must leave."""

    name: str
    fork: str
    number: int
    genesis: bytes
    timestamp: int
    gas_limit: int
    base_fee_per_gas: int
    beneficiary: bytes
    prev_randao: bytes
    excess_blob_gas: int
    transaction: bytes
    outcome: Outcome
    """As the archive says it."""


def find_cases() -> Iterator[StateCase]:
    """Every case, in the order of the archive."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            data = archive.extractfile(member) if "StateTests/" in member.name and member.name.endswith(".json") else None
            if data is None:
                continue
            for name, test in json.load(data).items():
                for fork, outcomes in test["post"].items():
                    for outcome in outcomes:
                        indexes = " ".join(str(outcome["indexes"][key]) for key in ("data", "gas", "value"))
                        yield state_case(f"{member.name} {name} {fork} {indexes}", test, fork, outcome)


@cache
def final_rules() -> Mapping[str, Outcome]:
    """Outcomes by the name of the case."""
    return msgspec.json.decode(FINAL_RULES.read_bytes(), type=dict[str, Outcome])


def state_case(name: str, test: Json, fork: str, post: Json) -> StateCase:
    """One case with its numbers and bytes decoded."""
    env = test["env"]
    gas_limit = min(int(env["currentGasLimit"], 16), 2**63 - 1)
    return StateCase(
        name=name,
        fork=fork,
        number=int(env["currentNumber"], 16),
        genesis=genesis_of(test, fork, gas_limit),
        timestamp=int(env["currentTimestamp"], 16),
        gas_limit=gas_limit,
        base_fee_per_gas=int(env["currentBaseFee"], 16),
        beneficiary=bytes.fromhex(env["currentCoinbase"][2:]),
        prev_randao=bytes.fromhex(env["currentRandom"][2:].rjust(64, "0")),
        excess_blob_gas=int(env.get("currentExcessBlobGas", "0x0"), 16),
        transaction=bytes.fromhex(post["txbytes"][2:]),
        outcome=Outcome(root=post["hash"], logs=post["logs"], is_refused="expectException" in post),
    )


def genesis_of(test: Json, fork: str, gas_limit: int) -> bytes:
    """A genesis that holds the state before, one block and one second earlier."""
    env, alloc = test["env"], {}
    for address, account in test["pre"].items():
        storage = {word(slot): word(value) for slot, value in account["storage"].items()}
        alloc[address] = {**account, "storage": storage}
    merged = {"terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True}
    document = {
        "config": {"chainId": 1, **dict.fromkeys(BLOCK_FORKS, 0), **merged, **dict.fromkeys(TIME_FORKS[fork], 0)},
        "number": hex(int(env["currentNumber"], 16) - 1),
        "nonce": "0x0",
        "timestamp": hex(max(int(env["currentTimestamp"], 16) - 1, 0)),
        "extraData": "0x",
        "gasLimit": hex(gas_limit),
        "difficulty": "0x0",
        "mixHash": word("0x0"),
        "coinbase": "0x" + "00" * 20,
        "baseFeePerGas": env["currentBaseFee"],
        "excessBlobGas": "0x0",
        "blobGasUsed": "0x0",
        "alloc": alloc,
    }
    return json.dumps(document).encode()


def word(text: str) -> str:
    """A number in hex, filled up to 32 bytes."""
    return "0x" + text[2:].rjust(64, "0")
