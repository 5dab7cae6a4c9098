"""Whatever stands in the place of parameters, the answer is a result or an expected error, and the node goes on."""

from itertools import chain as concatenate
from random import Random

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, run_node, text
from tests.unit.chain.node.test_every_method import METHODS
from zerog.chain.node.settings import ChainNodeSettings

ODD: list[object] = [
    None,
    True,
    0,
    1,
    -1,
    1.5,
    2**63,
    2**64,
    2**256,
    10**80,
    "",
    "0x",
    "0x0",
    "0x1",
    "0x01",
    "zz",
    "latest",
    "pending",
    "safe",
    [],
    [[]],
    [None],
    ["0x"],
    {},
    {"blocks": 0},
    {"blocks": 2, "timestamp": 2**63},
    {"to": "0x" + "ff" * 20, "value": hex(2**256 - 1), "gas": hex(2**64 - 1), "gasPrice": hex(2**128 - 1)},
    {"from": "0x" + "ff" * 20, "nonce": hex(2**64 - 1), "maxFeePerGas": hex(2**128 - 1), "maxPriorityFeePerGas": hex(2**128 - 1)},
    {"from": text(ACCOUNTS[4].address), "to": text(ACCOUNTS[5].address), "gas": hex(2**64 - 1), "type": "0x2"},
    {"from": text(ACCOUNTS[4].address), "data": "0x", "accessList": [{"address": "0x" + "00" * 20}], "type": "0x1"},
    {"from": text(ACCOUNTS[4].address), "to": text(ACCOUNTS[5].address), "authorizationList": [], "type": "0x4"},
    {"from": text(ACCOUNTS[4].address), "to": text(ACCOUNTS[5].address), "type": "0x3"},
    {"0x" + "ff" * 20: {"balance": hex(2**256 - 1), "nonce": hex(2**64 - 1), "code": "0xef0100" + "ff" * 20}},
    {"time": hex(2**64 - 1), "number": hex(2**64 - 1), "gasLimit": "0x0", "baseFeePerGas": hex(2**64 - 1)},
    {"fromBlock": "earliest", "toBlock": "pending"},
    {"blockHash": "0x" + "00" * 32},
    "0x" + "ff" * 20,
    "0x" + "ff" * 32,
    "0x" + "ff" * 33,
    "0x" + "f" * 65,
    "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
]
SEEDS = range(4)
CALLS_A_METHOD = 40
NEVER = -32603
"""Internal error: a bug."""


@pytest.mark.parametrize("seed", SEEDS)
def test_odd_parameters_are_answered_and_harm_nothing(seed: int) -> None:
    dice = Random(seed)
    print(f"seed {seed}")
    calls = [
        {"jsonrpc": "2.0", "id": method, "method": method, "params": [dice.choice(ODD) for _ in range(dice.randrange(5))]}
        for method in concatenate.from_iterable([method] * CALLS_A_METHOD for method in sorted(METHODS))
    ]
    dice.shuffle(calls)
    for node in run_node(ChainNodeSettings(rpc_port=0)):
        for begin in range(0, len(calls), 100):
            batch = calls[begin : begin + 100]
            bugs = [
                (call["method"], call["params"], answer["error"]["message"])
                for call, answer in zip(batch, node.post(batch), strict=True)
                if answer.get("error", {}).get("code") == NEVER
            ]
            assert bugs == []
        for method, value in (
            ("anvil_reset", None),
            ("evm_setAutomine", True),
            ("evm_setIntervalMining", 0),
            ("anvil_setMinGasPrice", "0x0"),
        ):
            node.rpc(method, value)
        assert node.rpc("eth_getTransactionReceipt", node.send())["status"] == "0x1"
