"""The ABI of the compute contracts is the official one: every function, event and error with its selector, layout and mutability."""

import json
from pathlib import Path
from typing import Any

import pytest

from zerog._kernel import keccak256
from zerog.contracts import load_artefact, load_interface

VECTORS = json.loads((Path(__file__).parent / "interface.json").read_bytes())
CONTRACTS: dict[str, dict[str, Any]] = VECTORS["contracts"]
OWN: dict[str, set[str]] = {
    "LedgerManager": set(),
    "InferenceServing": {"ReentrancyGuardReentrantCall()", "InsufficientBalance(address,address)"},
    "FineTuningServing": {"ReentrancyGuardReentrantCall()"},
}
"""Errors beyond those of the official ABI: that of the lock against calls from within, and one that the official account library has."""


@pytest.mark.parametrize("name", OWN)
def test_functions_are_the_official_ones(name: str) -> None:
    found = load_interface("compute", name).functions
    official = CONTRACTS[name]["functions"]
    assert found.keys() == official.keys()
    assert {signature: "0x" + function.selector.hex() for signature, function in found.items()} == {
        signature: entry["selector"] for signature, entry in official.items()
    }
    assert {signature: list(function.outputs) for signature, function in found.items()} == {
        signature: entry["outputs"] for signature, entry in official.items()
    }


@pytest.mark.parametrize("name", OWN)
def test_functions_take_money_or_leave_no_trace_as_the_official_ones(name: str) -> None:
    abi = json.loads((Path("contracts") / "compute" / f"{name}.json").read_bytes())["abi"]
    found = {entry["name"]: entry["stateMutability"].replace("pure", "view") for entry in abi if entry["type"] == "function"}
    assert found == {signature.split("(")[0]: entry["mutability"] for signature, entry in CONTRACTS[name]["functions"].items()}


@pytest.mark.parametrize("name", OWN)
def test_events_are_the_official_ones(name: str) -> None:
    found = load_interface("compute", name).events
    official = CONTRACTS[name]["events"]
    assert found.keys() == official.keys()
    for signature, event in found.items():
        assert "0x" + event.topic.hex() == official[signature]["topic"]
        assert [index for index, (_, is_indexed) in enumerate(event.inputs) if is_indexed] == official[signature]["indexed"]


@pytest.mark.parametrize("name", OWN)
def test_errors_are_the_official_ones(name: str) -> None:
    found = {signature: "0x" + error.selector.hex() for signature, error in load_interface("compute", name).errors.items()}
    assert {signature: selector for signature, selector in found.items() if signature not in OWN[name]} == CONTRACTS[name]["errors"]


def test_the_vectors_are_hashes_of_their_signatures() -> None:
    for contract in CONTRACTS.values():
        for signature, entry in contract["functions"].items():
            assert "0x" + keccak256(signature.encode())[:4].hex() == entry["selector"]
        for signature, entry in contract["events"].items():
            assert "0x" + keccak256(signature.encode()).hex() == entry["topic"]
        for signature, selector in contract["errors"].items():
            assert "0x" + keccak256(signature.encode())[:4].hex() == selector


def test_the_interface_of_serving_contracts_is_the_exclusive_or_of_its_selectors() -> None:
    interface = load_interface("compute", "IServing")
    together = 0
    for function in interface.functions.values():
        together ^= int.from_bytes(function.selector)
    assert f"0x{together:08x}" == VECTORS["serving_interface_id"] == "0x160841b1"


@pytest.mark.parametrize("name", OWN)
def test_the_code_fits_a_chain_and_does_not_know_where_it_lies(name: str) -> None:
    artefact = load_artefact("compute", name)
    assert len(artefact.runtime_code) <= 24_576  # EIP-170.
    assert artefact.creation_code.endswith(artefact.runtime_code)  # Nothing is filled in when it is created, such as a chain's id.
