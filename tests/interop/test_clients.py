"""Real programs, unmodified, against a running node: ethers 6, viem 2 and web3.py 8."""

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from eth_utils.address import to_checksum_address
from web3.utils.address import get_create_address

from tests.interop.node import run_client, running_node

HERE = Path(__file__).parent
COMMANDS = {
    "ethers": ["node", str(HERE / "scenario_ethers.mjs")],
    "viem": ["node", str(HERE / "scenario_viem.mjs")],
    "web3.py": [sys.executable, "-m", "tests.interop.scenario_web3"],
}
PINNED = json.loads((HERE / "package.json").read_text())["devDependencies"]
VERSIONS = {"ethers": PINNED["ethers"], "viem": PINNED["viem"], "web3.py": version("web3")}
FIRST_NONCE_OF_ACCOUNT_0 = 15
TWENTY = 20
MAIL_SIGNATURE = (
    "0x3150e449dbd3871581bbe8791a4e73fc9ae1e0319cdccd97b312082126a6e4927098e704042aeed8d0b2cce2593f29d5dc3443ca6efc195ef8514d77e8c009ee1c"
)
"""Over the typed data of the scenarios, by account 1. Signing is deterministic (RFC 6979), so all clients and the node must agree."""
TEXT_SIGNATURE = (
    "0xaa2ce0fdddb646f327a981b695b5aec32f07e3debee73f90d13689208d1a156d33c6de4ea61eccae020b16a2bf4fa467ee8df9615e20ec2eb3e22718296cf50c1b"
)

# What each chapter must have found, beside what it asserts by itself. Numbers are text where the client keeps them as big integers.
SHARED: Mapping[str, Mapping[str, object]] = {
    "multicall": {},
    "typedData": {"signature": MAIL_SIGNATURE, "text": TEXT_SIGNATURE},
}
ETHERS: Mapping[str, Mapping[str, object]] = {
    **SHARED,
    "failures": {"customError": ["StepTooLarge", "1001", "1000"], "reason": "Counter: this always fails", "panic": 0x11},
    "events": {"values": ["11", "13", "16"]},
    "filters": {"byFilter": ["5", "6"], "byPolling": ["8"]},
    "subscriptions": {"steps": ["5", "6"]},
    "transactionTypes": {"0": "67851", "1": "35951", "2": "35951"},
    "delegation": {"type": 4, "batches": "1"},
    "estimates": {"tooMuch": "INSUFFICIENT_FUNDS"},
    "fees": {"tip": "2000000000"},
    "pool": {"mined": 3},
    "poolErrors": {
        "nonceTooLow": "NONCE_EXPIRED",
        "insufficientFunds": "INSUFFICIENT_FUNDS",
        "insufficientValue": "INSUFFICIENT_FUNDS",
        "replacement": "REPLACEMENT_UNDERPRICED",
        "known": "already known",
    },
    "snapshots": {"value": "6"},
    "timeTravel": {"mined": 102},
    "impersonation": {"statuses": [1, 1]},
    "unknownMethod": {"code": "UNSUPPORTED_OPERATION"},
}
VIEM: Mapping[str, Mapping[str, object]] = {
    **SHARED,
    "failures": {"customError": ["StepTooLarge", "1001", "1000"], "reason": "Counter: this always fails", "panic": "17"},
    "events": {"values": ["11", "13", "16"]},
    "filters": {"steps": ["5", "6"]},
    "subscriptions": {"steps": ["5", "6"]},
    "transactionTypes": {"legacy": "67851", "eip2930": "35951", "eip1559": "35951"},
    "delegation": {"type": "eip7702", "batches": 1},
    "fees": {"tip": "2000000000"},
    "pool": {"mined": 3},
    "poolErrors": {
        "nonceTooLow": "NonceTooLowError",
        "insufficientFunds": "InsufficientFundsError",
        "intrinsicGas": "IntrinsicGasTooLowError",
        "known": "NonceTooLowError",
    },
    "callErrors": {"feeCapTooLow": "FeeCapTooLowError", "insufficientFunds": "InsufficientFundsError"},
    "snapshots": {"value": "6"},
    "stateFile": {"value": "1"},
    "timeTravel": {"mined": 12},
    "impersonation": {"from": "0x00000000000000000000000000000000deadbeef"},
    "blocks": {"safe": 0},
    "logRanges": {"backwards": "invalid block range params", "beyond": "block range extends beyond current head block"},
    "overrides": {"overridden": 99},
    "requestBatches": {"requests": 1},
    "simulatedBlocks": {"value": "6"},
    "simulatedCalls": {"changes": 2},
    "proofs": {"value": "77"},
    "storageValues": {"value": "9"},
    "accessLists": {"slots": 2},
    "filledTransactions": {"value": "2"},
    "synchronousSends": {"value": "9"},
    "feeHistory": {"reward": "3000000000"},
}
WEB3: Mapping[str, Mapping[str, object]] = {
    **SHARED,
    "failures": {"customError": ["StepTooLarge", [1001, 1000]], "reason": "execution reverted: Counter: this always fails"},
    "events": {"values": [11, 13, 16]},
    "filters": {"steps": [6]},
    "missing": {"head": True},
    "subscriptions": {"steps": [5, 6]},
    "transactionTypes": {"0": 67851, "1": 35951, "2": 35951},
    "delegation": {"type": 4, "batches": 1},
    "fees": {"tip": 2_000_000_000},
    "pool": {"mined": 3},
    "poolErrors": {
        "intrinsicGas": {"code": -32000, "message": "intrinsic gas too low: gas 20999, minimum needed 21000"},
        "replacement": {"code": -32000, "message": "replacement transaction underpriced"},
        "known": {"code": -32000, "message": "already known"},
        "wrongChain": {"code": -32000, "message": "invalid sender: invalid chain id for signer: have 1 want 31337"},
        "unknownType": {"code": -32000, "message": "transaction type not supported"},
        "unprotected": {"code": -32000, "message": "only replay-protected (EIP-155) transactions allowed over RPC"},
    },
    "unlocked": {"accounts": 10},
    "snapshots": {"value": 6},
    "timeTravel": {"mined": 102},
    "impersonation": {"from": "0x00000000000000000000000000000000DeaDBeef"},
    "overrides": {"overridden": 99},
    "simulations": {"values": [6, 6]},
    "proofs": {"values": [42, 0]},
    "poolContent": {"pending": 1, "queued": 1},
    "gethTraces": {"calls": 2, "reverts": 1},
    "treeTraces": {"traces": 1},
    "accessLists": {"slots": 2},
    "unknownMethod": {"message": "the method eth_noSuchMethod does not exist/is not available"},
}
EXPECTED = {"ethers": ETHERS, "viem": VIEM, "web3.py": WEB3}
DEPLOYMENTS = ("sequentialDeployments", "parallelDeployments", "deployment")

pytestmark = pytest.mark.timeout(300)  # Whatever test comes first runs all three clients.

Report: TypeAlias = Mapping[str, Any]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Report]:
    """What each client reports, all from one node and so from one chain."""
    with running_node(tmp_path_factory.mktemp("node")) as url:
        return {name: run_client([*command, url]) for name, command in COMMANDS.items()}


def found(report: Report, chapter: str) -> Mapping[str, Any]:
    """What a chapter found; it must not have failed."""
    outcome = report["chapters"][chapter]
    assert "failure" not in outcome, outcome["failure"]
    facts: Mapping[str, Any] = outcome["found"]
    return facts


@pytest.mark.parametrize("client", COMMANDS)
def test_the_client_is_the_pinned_one_and_ran_every_chapter(reports: Mapping[str, Report], client: str) -> None:
    assert reports[client]["client"] == f"{client} {VERSIONS[client]}"
    assert set(reports[client]["chapters"]) == {*EXPECTED[client], *DEPLOYMENTS}


@pytest.mark.parametrize(("client", "chapter"), [(client, chapter) for client in COMMANDS for chapter in EXPECTED[client]])
def test_a_chapter_finds_what_it_must(reports: Mapping[str, Report], client: str, chapter: str) -> None:
    facts = found(reports[client], chapter)
    assert {name: facts[name] for name in EXPECTED[client][chapter]} == EXPECTED[client][chapter]


@pytest.mark.parametrize("client", COMMANDS)
def test_a_contract_stands_where_its_sender_and_nonce_put_it(reports: Mapping[str, Report], client: str) -> None:
    facts = found(reports[client], "deployment")
    assert to_checksum_address(facts["address"]) == get_create_address(facts["deployer"], facts["nonce"])


@pytest.mark.parametrize("client", COMMANDS)
@pytest.mark.parametrize("style", ["sequentialDeployments", "parallelDeployments"])
def test_account_0_deploys_twenty_contracts_in_the_order_of_its_nonces(reports: Mapping[str, Report], client: str, style: str) -> None:
    facts = found(reports[client], style)
    addresses: Sequence[str] = [to_checksum_address(address) for address in facts["addresses"]]
    expected = [get_create_address(facts["deployer"], facts["nonce"] + offset) for offset in range(TWENTY)]
    if style == "sequentialDeployments":
        assert addresses == expected
    else:  # Which of them gets which nonce is up to the client.
        assert sorted(addresses) == sorted(expected)


def test_account_0_starts_behind_the_nonces_of_the_system_contracts(reports: Mapping[str, Report]) -> None:
    first = found(reports[next(iter(COMMANDS))], "sequentialDeployments")
    assert first["nonce"] == FIRST_NONCE_OF_ACCOUNT_0
