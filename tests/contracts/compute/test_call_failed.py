"""`CallFailed()` stays the official error for who decodes by the ABI, and says why for who reads on."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import function_signature_to_4byte_selector

from tests.contracts.compute.market import ETHER, INFERENCE, LEDGER, SERVING, Market, RevertedError
from zerog._kernel import abi_decode
from zerog.contracts import load_artefact

HERE = Path(__file__).parent


def by_ethers(data: bytes) -> dict[str, Any]:
    request = {"abi": json.loads(load_artefact("compute", "LedgerManager").abi_json), "data": "0x" + data.hex()}
    ran = subprocess.run(
        ["node", str(HERE / "decode_error.mjs")], input=json.dumps(request), capture_output=True, text=True, timeout=60, check=True
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


@pytest.fixture
def refused(market: Market) -> bytes:
    """What a transfer to oneself reverts with."""
    market.send(market.user, LEDGER, "addLedger", "", value=3 * ETHER)
    with pytest.raises(RevertedError) as failure:
        market.send(market.user, LEDGER, "transferFund", market.user.address, INFERENCE, ETHER)
    return failure.value.data


def test_ethers_sees_the_official_error(refused: bytes) -> None:
    found = by_ethers(refused)
    assert found["parsed"] == ["CallFailed", "CallFailed()", 0]
    assert found["revert"] == {"signature": "CallFailed()", "name": "CallFailed", "args": []}
    assert found == by_ethers(refused[:4])  # Nothing tells it from the error as the official contract throws it.


def test_the_reason_stands_behind_the_selector(refused: bytes) -> None:
    assert refused[:4] == function_signature_to_4byte_selector("CallFailed()")
    assert len(refused) % 32 == 4  # What ethers takes for an error at all.
    assert abi_decode(["bytes"], refused[4:]) == (SERVING.interface.error("ProviderCannotBeUser").selector,)


def test_bare_bytes_behind_the_selector_would_not_do(refused: bytes) -> None:
    bare = refused[:4] + SERVING.interface.error("ProviderCannotBeUser").selector
    assert by_ethers(bare)["revert"] is None
