"""What to pay."""

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running

SENDER = ACCOUNTS[1]


def test_the_suggested_price_is_mined_at_once(chain: Running) -> None:
    price = int(chain.rpc("eth_gasPrice"), 16)
    sent = chain.send(SENDER, kind=0, max_fee_per_gas=price, max_priority_fee_per_gas=None)
    assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_the_suggested_tip_follows_what_was_paid(chain: Running) -> None:
    assert int(chain.rpc("eth_maxPriorityFeePerGas"), 16) == GWEI
    for _ in range(20):
        chain.send(SENDER, max_priority_fee_per_gas=3 * GWEI)
    assert int(chain.rpc("eth_maxPriorityFeePerGas"), 16) == 3 * GWEI


def test_the_base_fee_follows_the_standard(chain: Running) -> None:
    chain.rpc("evm_mine")
    parent = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert parent["gasUsed"] == "0x0"
    chain.rpc("evm_mine")
    base_fee = int(parent["baseFeePerGas"], 16)
    assert int(chain.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) == base_fee - base_fee // 8


def test_fee_history_has_one_more_base_fee_than_blocks(chain: Running) -> None:
    for index in range(3):
        chain.send(SENDER, max_priority_fee_per_gas=(index + 1) * GWEI)
    chain.rpc("evm_mine")
    history = chain.rpc("eth_feeHistory", "0x4", "latest", [0, 50, 100])
    height = chain.number()
    assert int(history["oldestBlock"], 16) == height - 3
    assert len(history["baseFeePerGas"]) == len(history["baseFeePerBlobGas"]) == 5
    assert len(history["gasUsedRatio"]) == len(history["blobGasUsedRatio"]) == 4
    assert history["reward"] == [[hex(tip * GWEI)] * 3 for tip in (1, 2, 3)] + [["0x0"] * 3]
    assert history["gasUsedRatio"][-1] == 0
    blocks = [chain.rpc("eth_getBlockByNumber", hex(number), False) for number in range(height - 3, height + 1)]
    assert history["baseFeePerGas"][:4] == [block["baseFeePerGas"] for block in blocks]
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"] == history["baseFeePerGas"][4]


def test_fee_history_without_percentiles_has_no_rewards(chain: Running) -> None:
    assert "reward" not in chain.rpc("eth_feeHistory", "0x1", "latest")
    assert "reward" not in chain.rpc("eth_feeHistory", 1, "latest", [])


def test_fee_history_of_no_blocks_is_empty(chain: Running) -> None:
    history = chain.rpc("eth_feeHistory", "0x0", "latest", [50])
    arrays = ("baseFeePerGas", "gasUsedRatio", "baseFeePerBlobGas", "blobGasUsedRatio")
    assert history == {"oldestBlock": "0x0"} | {name: [] for name in arrays}


def test_fee_history_ends_at_the_first_block(chain: Running) -> None:
    chain.rpc("anvil_mine", 3)
    history = chain.rpc("eth_feeHistory", "0x400", "0x2", [])
    assert history["oldestBlock"] == "0x0"
    assert len(history["gasUsedRatio"]) == 3


@pytest.mark.parametrize(
    ("percentiles", "part"),
    [
        ([101], "invalid reward percentile: 101"),
        ([50, 10], "invalid reward percentile: #0:50"),
        ([-1], "invalid"),
        ([1] * 101, "limit 100"),
    ],
)
def test_percentiles_that_make_no_sense_are_refused(chain: Running, percentiles: list[float], part: str) -> None:
    refused = chain.refusal("eth_feeHistory", "0x1", "latest", percentiles)
    assert refused.code == -32602
    assert part in refused.message


def test_fee_history_beyond_the_head_is_refused(chain: Running) -> None:
    refused = chain.refusal("eth_feeHistory", "0x1", hex(chain.number() + 1), [])
    assert refused.code == -32000
    assert refused.message == f"request beyond head block: requested {chain.number() + 1}, head {chain.number()}"
