"""When blocks are made and what time they carry: on demand, by the interval, both together, and many at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, run_node, text
from tests.unit.chain.node.programs import word
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import own_network

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
PUSH_S_MAX = 10

node = contextmanager(run_node)


@contextmanager
def heads(chain: Running) -> Iterator[ClientConnection]:
    """A subscription to new blocks."""
    with chain.websocket() as socket:
        socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
        assert "result" in json.loads(socket.recv(timeout=PUSH_S_MAX))
        yield socket


def next_head(socket: ClientConnection) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(socket.recv(timeout=PUSH_S_MAX))["params"]["result"]
    return head


def block(chain: Running, number: int | str = "latest") -> dict[str, Any]:
    found: dict[str, Any] = chain.rpc("eth_getBlockByNumber", number if isinstance(number, str) else hex(number), False)
    return found


def times(chain: Running, first: int, count: int) -> list[int]:
    return [chain.timestamp(hex(number)) for number in range(first, first + count)]


# ---- by the interval and on demand -------------------------------------------------------------------------------


def test_with_an_interval_a_transaction_is_still_mined_before_it_is_answered() -> None:
    """An interval far longer than the test: whatever is mined is mined on demand."""
    with node(ChainNodeSettings(rpc_port=0, block_time_s=10_000)) as chain:
        height = chain.number()
        for index in range(1, 4):
            assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["blockNumber"] == hex(height + index)
        chain.rpc("evm_mine")
        chain.rpc("hardhat_mine", 3)
        assert chain.number() == height + 7


def test_blocks_of_the_interval_come_between_those_on_demand() -> None:
    with node(ChainNodeSettings(rpc_port=0, block_time_s=0.05)) as chain, heads(chain) as socket:
        seen: list[dict[str, Any]] = []
        sent = []
        for _ in range(5):
            seen += [next_head(socket), next_head(socket)]
            sent.append(chain.send(SENDER))
            assert chain.rpc("eth_getTransactionReceipt", sent[-1])["status"] == "0x1"
        last = int(chain.rpc("eth_getTransactionReceipt", sent[-1])["blockNumber"], 16)
        while int(seen[-1]["number"], 16) <= last:
            seen.append(next_head(socket))
        first = int(seen[0]["number"], 16)
        assert [int(head["number"], 16) for head in seen] == list(range(first, first + len(seen)))
        counts = [len(block(chain, head["number"])["transactions"]) for head in seen]
        assert sum(counts) == 5
        assert max(counts) == 1
        assert counts.count(0) >= 6  # Two heads were waited for before each transaction, and four of those can be of one.


def test_with_the_interval_alone_evm_mine_makes_a_block_at_once() -> None:
    with node(ChainNodeSettings(rpc_port=0, automine=False, block_time_s=10_000)) as chain:
        sent = chain.send(SENDER)
        assert chain.rpc("eth_getTransactionReceipt", sent) is None
        chain.rpc("evm_mine")
        assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"
        chain.rpc("evm_setAutomine", True)
        assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_a_wave_of_senders_beside_the_interval_and_evm_mine_leaves_nothing_behind() -> None:
    """Nonces come in a mixed order, blocks from three sides at once: in the end everything is in a block, in order."""
    each = 30
    with node(ChainNodeSettings(rpc_port=0, block_time_s=0.01)) as chain:
        first = {account.address: chain.nonce(account) for account in ACCOUNTS[1:9]}

        def wave(index: int) -> list[str]:
            account = ACCOUNTS[1 + index]
            nonces = [first[account.address] + (7 * step) % each for step in range(each)]
            return [chain.rpc("eth_sendRawTransaction", chain.raw(account, nonce=nonce, max_fee_per_gas=1000 * GWEI)) for nonce in nonces]

        def mine(_: int) -> list[str]:
            return [chain.rpc("evm_mine") for _ in range(40)]

        with ThreadPoolExecutor(10) as threads:
            waves = [threads.submit(wave, index) for index in range(8)]
            miners = [threads.submit(mine, index) for index in range(2)]
            hashes = [sent for future in waves for sent in future.result()]
            assert all(answer == "0x0" for future in miners for answer in future.result())
        assert chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
        receipts = chain.post(
            [{"jsonrpc": "2.0", "id": index, "method": "eth_getTransactionReceipt", "params": [sent]} for index, sent in enumerate(hashes)]
        )
        assert [answer["result"]["status"] for answer in receipts] == ["0x1"] * (8 * each)
        assert all(chain.nonce(account) == first[account.address] + each for account in ACCOUNTS[1:9])


def test_the_interval_follows_a_time_that_was_set() -> None:
    with node(ChainNodeSettings(rpc_port=0, automine=False, block_time_s=0.02)) as chain:
        target = int(chain.clock.unix_s()) + 100_000
        chain.rpc("evm_setNextBlockTimestamp", target)
        with heads(chain) as socket:
            while int(next_head(socket)["timestamp"], 16) < target:
                pass
            chain.clock.advance(50)
            assert {int(next_head(socket)["timestamp"], 16) for _ in range(4)} <= {target, target + 50}


def test_the_interval_is_told(chain: Running) -> None:
    for seconds, told in ((10_000, 10_000), (0, None)):
        chain.rpc("anvil_setIntervalMining", seconds)
        assert chain.rpc("anvil_getIntervalMining") == told
    with node(ChainNodeSettings(rpc_port=0, block_time_s=7_200.5)) as other:
        assert other.rpc("anvil_getIntervalMining") == 7_200.5


# ---- evm_mine ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [int, hex, str])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_evm_mine_makes_several_blocks_from_a_time_on(chain: Running, count: int, write: Any) -> None:
    height, target = chain.number(), chain.timestamp() + 5_000
    chain.rpc("evm_mine", {"blocks": write(count), "timestamp": write(target)})
    assert chain.number() == height + count
    assert times(chain, height + 1, count) == [target] * count  # As anvil does; the clock goes on from there.
    chain.clock.advance(9)
    chain.rpc("evm_mine")
    assert chain.timestamp() == target + 9


def test_on_ethereum_each_of_several_blocks_is_a_second_later() -> None:
    with node(ChainNodeSettings(rpc_port=0), own_network(rules="ethereum")) as chain:
        target = chain.timestamp() + 10**9
        chain.rpc("evm_mine", {"blocks": 4, "timestamp": target})
        assert times(chain, 1, 4) == [target, target + 1, target + 2, target + 3]


@pytest.mark.parametrize("wanted", [{"blocks": "x"}, {"blocks": -1}, {"timestamp": "soon"}, [], "0x", {"blocks": 10**7}, True])
def test_options_of_evm_mine_that_make_no_sense_are_refused_and_make_no_block(chain: Running, wanted: object) -> None:
    height = chain.number()
    assert chain.refusal("evm_mine", wanted).code == -32602
    assert chain.number() == height


def test_a_time_that_is_refused_makes_no_block_and_changes_no_time(chain: Running) -> None:
    chain.rpc("evm_mine")
    height, now = chain.number(), chain.timestamp()
    assert chain.refusal("evm_mine", {"blocks": 3, "timestamp": now - 1}).code == -32602
    assert chain.number() == height
    chain.rpc("evm_mine")
    assert chain.timestamp() == now


def test_no_block_is_made_when_none_is_asked_for(chain: Running) -> None:
    height = chain.number()
    assert chain.rpc("evm_mine", {"blocks": 0}) == "0x0"
    assert chain.rpc("hardhat_mine", "0x0") is True
    assert chain.rpc("anvil_mine", 0) is None
    assert chain.number() == height


# ---- hardhat_mine ------------------------------------------------------------------------------------------------


def test_every_one_of_many_blocks_is_there_for_readers_filters_and_subscribers(chain: Running) -> None:
    filter_id, height = chain.rpc("eth_newBlockFilter"), chain.number()
    with heads(chain) as socket:
        chain.rpc("hardhat_mine", 2_500, 3)
        pushed = [next_head(socket) for _ in range(2_500)]
    assert [int(head["number"], 16) for head in pushed] == list(range(height + 1, height + 2_501))
    assert chain.rpc("eth_getFilterChanges", filter_id) == [head["hash"] for head in pushed]
    for parent, head in pairwise(pushed):
        assert head["parentHash"] == parent["hash"]
        assert int(head["timestamp"], 16) == int(parent["timestamp"], 16) + 3
    for head in pushed[::500]:
        assert block(chain, head["number"])["hash"] == head["hash"]
        assert chain.rpc("eth_getBalance", text(SENDER.address), head["number"])


def test_the_first_of_many_blocks_holds_what_waits_and_what_was_set_for_it(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    sent, height, target = chain.send(SENDER), chain.number(), chain.timestamp() + 900
    chain.rpc("evm_setNextBlockTimestamp", target)
    chain.rpc("hardhat_setNextBlockBaseFeePerGas", hex(7 * GWEI))
    chain.rpc("hardhat_setPrevRandao", word(5))
    chain.rpc("hardhat_mine", hex(4), hex(60))
    blocks = [block(chain, number) for number in range(height + 1, height + 5)]
    assert [made["transactions"] for made in blocks] == [[sent], [], [], []]
    assert [int(made["timestamp"], 16) for made in blocks] == [target, target + 60, target + 120, target + 180]
    assert [made["mixHash"] == word(5) for made in blocks] == [True, False, False, False]
    assert [made["baseFeePerGas"] == hex(7 * GWEI) for made in blocks] == [True, False, False, False]
    assert chain.rpc("eth_getTransactionReceipt", sent)["effectiveGasPrice"] == hex(8 * GWEI)


def test_more_than_one_block_can_hold_is_spread_over_many(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    chain.rpc("evm_setBlockGasLimit", 42_000)
    nonce, height = chain.nonce(SENDER), chain.number()
    for index in range(5):
        chain.send(SENDER, nonce=nonce + index, max_fee_per_gas=100 * GWEI)
    chain.rpc("hardhat_mine", 5, 10)
    assert [len(block(chain, height + number)["transactions"]) for number in range(1, 6)] == [2, 2, 1, 0, 0]
    assert times(chain, height + 1, 5) == [chain.timestamp(hex(height + 1)) + 10 * step for step in range(5)]


# ---- time --------------------------------------------------------------------------------------------------------


def test_increases_add_up_over_blocks_and_a_time_that_was_set(chain: Running) -> None:
    chain.rpc("evm_mine")
    start = chain.timestamp()
    offset = chain.rpc("evm_increaseTime", 0)
    assert [chain.rpc("evm_increaseTime", step) - offset for step in (10, 20, 30)] == [10, 30, 60]
    chain.rpc("evm_mine")
    assert chain.timestamp() == start + 60
    chain.rpc("evm_setNextBlockTimestamp", start + 1_000)
    chain.rpc("evm_increaseTime", 500)  # The next block keeps what was set; as on anvil and Hardhat, the clock then goes on from it.
    chain.rpc("evm_mine")
    assert chain.timestamp() == start + 1_000
    assert chain.rpc("evm_increaseTime", 5) - offset == 1_005
    chain.rpc("evm_mine")
    assert chain.timestamp() == start + 1_005


def test_a_time_that_was_set_is_seen_by_calls_on_pending_and_estimates_before_it_is_mined(chain: Running) -> None:
    target = chain.timestamp() + 4_321
    contract = chain.place("0x425f5260205ff3")
    chain.rpc("evm_setNextBlockTimestamp", target)
    assert int(chain.rpc("eth_call", {"to": contract}, "pending"), 16) == target
    assert chain.timestamp("pending") == target
    assert int(chain.rpc("eth_call", {"to": contract}, "latest"), 16) == chain.timestamp()


def test_a_later_time_replaces_one_that_was_set_before(chain: Running) -> None:
    start = chain.timestamp()
    for step in (1_000, 500, 700):
        chain.rpc("evm_setNextBlockTimestamp", start + step)
    chain.rpc("evm_mine")
    assert chain.timestamp() == start + 700


def test_set_time_goes_on_at_once_and_not_for_one_block(chain: Running) -> None:
    chain.rpc("evm_mine")
    start = chain.timestamp()
    chain.rpc("evm_setTime", start + 100)
    chain.clock.advance(2)
    chain.rpc("evm_mine")
    chain.clock.advance(2)
    chain.rpc("evm_mine")
    assert times(chain, chain.number() - 1, 2) == [start + 102, start + 104]
    assert chain.rpc("evm_setTime", start + 104) == 0
    assert chain.rpc("evm_setTime", (start + 200) * 1000 + 999) == 96  # Milliseconds, as ganache has them.
    chain.rpc("evm_mine")
    assert chain.timestamp() == start + 200
    for past in (start + 199, (start + 199) * 1000):
        assert chain.refusal("evm_setTime", past).code == -32602
