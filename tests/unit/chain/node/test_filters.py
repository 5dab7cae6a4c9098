"""Logs, and filters that are polled."""

from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running
from tests.unit.chain.node.programs import LOGGER, word
from zerog.chain.protocol.constants import FILTER_EXPIRY_S

SENDER = ACCOUNTS[1]
LOGS = "0x" + "d0" * 20
OTHER_LOGS = "0x" + "d1" * 20


def emit(chain: Running, topic: int, contract: str = LOGS) -> str:
    return chain.send(SENDER, to=bytes.fromhex(contract[2:]), value=0, data=topic.to_bytes(32, "big"), gas_limit=60_000)


def topics(logs: list[dict[str, Any]]) -> list[int]:
    return [int(log["topics"][0], 16) for log in logs]


@pytest.fixture(autouse=True)
def contracts(chain: Running) -> None:
    chain.place(LOGGER, LOGS)
    chain.place(LOGGER, OTHER_LOGS)


def test_a_log_says_where_it_is(chain: Running) -> None:
    sent = emit(chain, 5)
    receipt = chain.rpc("eth_getTransactionReceipt", sent)
    (log,) = chain.rpc("eth_getLogs", {"fromBlock": receipt["blockNumber"]})
    assert log == {
        "address": LOGS,
        "topics": [word(5)],
        "data": "0x",
        "blockNumber": receipt["blockNumber"],
        "blockHash": receipt["blockHash"],
        "blockTimestamp": hex(chain.timestamp()),
        "transactionHash": sent,
        "transactionIndex": "0x0",
        "logIndex": "0x0",
        "removed": False,
    }
    assert receipt["logs"] == [log]
    assert chain.rpc("eth_getLogs", {"blockHash": receipt["blockHash"]}) == [log]


def test_queries_select_by_range_address_and_topic(chain: Running) -> None:
    start = chain.number()
    for topic, contract in ((1, LOGS), (2, OTHER_LOGS), (3, LOGS), (1, OTHER_LOGS)):
        emit(chain, topic, contract)
    everything = {"fromBlock": hex(start + 1), "toBlock": "latest"}
    assert topics(chain.rpc("eth_getLogs", everything)) == [1, 2, 3, 1]
    assert topics(chain.rpc("eth_getLogs", {**everything, "address": LOGS})) == [1, 3]
    assert topics(chain.rpc("eth_getLogs", {**everything, "address": [LOGS, OTHER_LOGS]})) == [1, 2, 3, 1]
    assert topics(chain.rpc("eth_getLogs", {**everything, "topics": [word(1)]})) == [1, 1]
    assert topics(chain.rpc("eth_getLogs", {**everything, "topics": [[word(2), word(3)]]})) == [2, 3]
    assert topics(chain.rpc("eth_getLogs", {**everything, "topics": [None]})) == [1, 2, 3, 1]
    assert topics(chain.rpc("eth_getLogs", {**everything, "topics": [None, word(1)]})) == []
    assert topics(chain.rpc("eth_getLogs", {"fromBlock": hex(start + 2), "toBlock": hex(start + 3)})) == [2, 3]
    assert topics(chain.rpc("eth_getLogs", {})) == [1]


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"fromBlock": "0x1", "toBlock": "0x0"}, -32602, "invalid block range params"),
        ({"fromBlock": "0x0", "toBlock": "0xffffff"}, -32602, "block range extends beyond current head block"),
        ({"fromBlock": "0xffffff"}, -32602, "invalid block range params"),
        ({"blockHash": word(1)}, -32000, "unknown block"),
        ({"fromBlock": "pending"}, -32000, "pending logs are not supported"),
    ],
)
def test_ranges_outside_the_chain_are_refused(chain: Running, query: dict[str, object], code: int, message: str) -> None:
    refused = chain.refusal("eth_getLogs", query)
    assert (refused.code, refused.message) == (code, message)


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"blockHash": word(1), "fromBlock": "0x0"}, "cannot specify both BlockHash and FromBlock/ToBlock"),
        ({"address": [LOGS] * 1001}, "exceed max addresses"),
        ({"topics": [[word(1)] * 1001]}, "exceed max addresses or topics"),
        ({"topics": [word(1)] * 5}, "exceed max topics"),
    ],
)
def test_queries_that_ask_too_much_are_refused(chain: Running, query: dict[str, object], part: str) -> None:
    for method in ("eth_getLogs", "eth_newFilter"):
        refused = chain.refusal(method, query)
        assert refused.code == -32602
        assert part in refused.message


def test_a_log_filter_reports_what_is_new(chain: Running) -> None:
    emit(chain, 1)
    filter_id = chain.rpc("eth_newFilter", {"address": LOGS})
    assert chain.rpc("eth_getFilterChanges", filter_id) == []
    emit(chain, 2)
    emit(chain, 3)
    emit(chain, 4, OTHER_LOGS)
    assert topics(chain.rpc("eth_getFilterChanges", filter_id)) == [2, 3]
    assert chain.rpc("eth_getFilterChanges", filter_id) == []


def test_a_log_filter_knows_its_whole_range(chain: Running) -> None:
    start = chain.number()
    emit(chain, 1)
    filter_id = chain.rpc("eth_newFilter", {"fromBlock": hex(start + 1), "address": LOGS})
    emit(chain, 2)
    assert topics(chain.rpc("eth_getFilterLogs", filter_id)) == [1, 2]
    assert topics(chain.rpc("eth_getFilterChanges", filter_id)) == [2]
    bounded = chain.rpc("eth_newFilter", {"fromBlock": "0x0", "toBlock": hex(chain.number())})
    emit(chain, 3)
    assert chain.rpc("eth_getFilterChanges", bounded) == []


def test_a_block_filter_reports_hashes(chain: Running) -> None:
    filter_id = chain.rpc("eth_newBlockFilter")
    chain.rpc("anvil_mine", 3)
    height = chain.number()
    hashes = [chain.rpc("eth_getBlockByNumber", hex(number), False)["hash"] for number in range(height - 2, height + 1)]
    assert chain.rpc("eth_getFilterChanges", filter_id) == hashes
    assert chain.rpc("eth_getFilterChanges", filter_id) == []


def test_a_pending_filter_reports_arrivals(chain: Running) -> None:
    hashes = chain.rpc("eth_newPendingTransactionFilter")
    whole = chain.rpc("eth_newPendingTransactionFilter", True)
    sent = chain.send(SENDER)
    assert chain.rpc("eth_getFilterChanges", hashes) == [sent]
    assert [transaction["hash"] for transaction in chain.rpc("eth_getFilterChanges", whole)] == [sent]
    assert chain.rpc("eth_getFilterChanges", hashes) == []


@pytest.mark.parametrize("filter_id", ["0x0", "0xffffffffffffffffffffffff", "nonsense", ""])
def test_an_unknown_filter_is_not_found(chain: Running, filter_id: str) -> None:
    for method in ("eth_getFilterChanges", "eth_getFilterLogs"):
        refused = chain.refusal(method, filter_id)
        assert (refused.code, refused.message) == (-32000, "filter not found")


def test_only_log_filters_have_logs(chain: Running) -> None:
    refused = chain.refusal("eth_getFilterLogs", chain.rpc("eth_newBlockFilter"))
    assert (refused.code, refused.message) == (-32000, "filter not found")


def test_an_uninstalled_filter_is_not_found(chain: Running) -> None:
    filter_id = chain.rpc("eth_newBlockFilter")
    assert chain.rpc("eth_uninstallFilter", filter_id) is True
    assert chain.rpc("eth_uninstallFilter", filter_id) is False
    assert chain.refusal("eth_getFilterChanges", filter_id).message == "filter not found"


def test_a_filter_that_nobody_polls_is_forgotten(chain: Running) -> None:
    polled, forgotten = chain.rpc("eth_newBlockFilter"), chain.rpc("eth_newBlockFilter")
    chain.clock.advance(FILTER_EXPIRY_S - 1)
    chain.rpc("eth_getFilterChanges", polled)
    chain.clock.advance(2)
    assert chain.rpc("eth_getFilterChanges", polled) == []
    assert chain.refusal("eth_getFilterChanges", forgotten).message == "filter not found"


def test_going_back_puts_filters_back(chain: Running) -> None:
    filter_id = chain.rpc("eth_newFilter", {"address": LOGS})
    emit(chain, 1)
    snapshot = chain.rpc("evm_snapshot")
    emit(chain, 2)
    assert topics(chain.rpc("eth_getFilterChanges", filter_id)) == [1, 2]
    chain.rpc("evm_revert", snapshot)
    emit(chain, 3)
    changes = chain.rpc("eth_getFilterChanges", filter_id)
    assert topics(changes) == [2, 1, 3]
    assert [log["removed"] for log in changes] == [True, False, False]
