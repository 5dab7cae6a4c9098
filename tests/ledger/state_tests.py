"""Ethereum's own state tests as cases for our ledger. Source: ethereum/tests (MIT), the newest fork of each test."""

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

__all__ = ["ARCHIVE", "StateCase", "load_cases"]

Json = dict[str, Any]
DATA_FOLDER: Final = Path(os.environ.get("ZEROG_TEST_DATA", Path(__file__).parents[3] / "shared" / "vectors"))
"""Where test data lies that is too large for the repository."""
ARCHIVE: Final = DATA_FOLDER / "ethereum-statetests.tar.xz"
DRAFT_TESTS: Final = ("stEIP2537", "stEOF")
"""Written for a draft of Prague: EIP-2537 has other gas prices since then, and EOF is not part of it."""
STORAGE_WITHOUT_CODE: Final = (
    "InitCollisionParis",
    "RevertInCreateInInit_Paris",
    "RevertInCreateInInitCreate2Paris",
    "create2collisionStorageParis",
    "dynamicAccountOverwriteEmpty_Paris",
)
"""Tests of EIP-7610, which refuses a creation where an account has storage but neither code nor nonce.

The EVM that we build on does not know it. No transaction can bring about such an account.
"""
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


@dataclass(frozen=True, slots=True)
class StateCase:
    """One transaction on a state, and the state root that it must leave."""

    name: str
    genesis: bytes
    timestamp: int
    gas_limit: int
    base_fee_per_gas: int
    beneficiary: bytes
    prev_randao: bytes
    excess_blob_gas: int
    transaction: bytes
    state_root: bytes
    is_refused: bool
    """Whether no block may include the transaction."""


def load_cases(count: int, seed: int) -> Iterator[StateCase]:
    """`count` cases drawn by `seed`, or all when there are not so many."""
    found = list(find_cases())
    for test_name, test, fork, post in Random(f"state tests {seed}").sample(found, min(count, len(found))):
        yield state_case(f"{test_name} {fork} {post['indexes']}", test, fork, post)


def find_cases() -> Iterator[tuple[str, Json, str, Json]]:
    """Every case as (test, its document, fork, outcome): those of a block with number 1, which are nearly all."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            data = archive.extractfile(member) if "StateTests/" in member.name and member.name.endswith(".json") else None
            if data is None or any(draft in member.name for draft in DRAFT_TESTS):
                continue
            for name, test in json.load(data).items():
                if name in STORAGE_WITHOUT_CODE:
                    continue
                for fork, outcomes in test["post"].items():
                    if int(test["env"]["currentNumber"], 16) == 1:
                        yield from ((name, test, fork, outcome) for outcome in outcomes)


def state_case(name: str, test: Json, fork: str, post: Json) -> StateCase:
    """One case with its numbers and bytes decoded."""
    env = test["env"]
    gas_limit = min(int(env["currentGasLimit"], 16), 2**63 - 1)
    return StateCase(
        name=name,
        genesis=genesis_of(test, fork, gas_limit),
        timestamp=int(env["currentTimestamp"], 16),
        gas_limit=gas_limit,
        base_fee_per_gas=int(env["currentBaseFee"], 16),
        beneficiary=bytes.fromhex(env["currentCoinbase"][2:]),
        prev_randao=bytes.fromhex(env["currentRandom"][2:].rjust(64, "0")),
        excess_blob_gas=int(env.get("currentExcessBlobGas", "0x0"), 16),
        transaction=bytes.fromhex(post["txbytes"][2:]),
        state_root=bytes.fromhex(post["hash"][2:]),
        is_refused="expectException" in post,
    )


def genesis_of(test: Json, fork: str, gas_limit: int) -> bytes:
    """A genesis that holds the state before, one second earlier."""
    env, alloc = test["env"], {}
    for address, account in test["pre"].items():
        storage = {word(slot): word(value) for slot, value in account["storage"].items()}
        alloc[address] = {**account, "storage": storage}
    merged = {"terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True}
    document = {
        "config": {"chainId": 1, **dict.fromkeys(BLOCK_FORKS, 0), **merged, **dict.fromkeys(TIME_FORKS[fork], 0)},
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
