"""0G's own rules, each on a chain that has it and on one that has not: gas floor, equal timestamps.

Facts: 0gfoundation/revm, crates/handler/src/post_execution.rs (floor of 80 %); 0glabs/0g-geth, consensus/beacon/consensus.go (timestamps).
"""

from collections.abc import Iterator

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, run_node, text
from tests.unit.chain.node.programs import LOOP, STORE, creation, word
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import own_network

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
SETTINGS = ChainNodeSettings(rpc_port=0)


@pytest.fixture(scope="module")
def zero_gravity() -> Iterator[Running]:
    yield from run_node(SETTINGS, own_network(rules="zero-gravity"))


@pytest.fixture(scope="module")
def ethereum() -> Iterator[Running]:
    yield from run_node(SETTINGS, own_network(rules="ethereum"))


def gas_used(chain: Running, **changes: object) -> int:
    return int(chain.rpc("eth_getTransactionReceipt", chain.send(SENDER, **changes))["gasUsed"], 16)


# ---- gas floor ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "used"), [(21_000, 21_000), (26_250, 21_000), (26_252, 21_001), (100_000, 80_000), (100_001, 80_000)])
def test_a_transaction_is_charged_at_least_80_percent_of_its_limit(zero_gravity: Running, ethereum: Running, limit: int, used: int) -> None:
    assert gas_used(zero_gravity, gas_limit=limit) == used
    assert gas_used(ethereum, gas_limit=limit) == 21_000


def outcome(chain: Running, **changes: object) -> tuple[str, int]:
    """Status and gas of a transaction without value."""
    receipt = chain.rpc("eth_getTransactionReceipt", chain.send(SENDER, **{"value": 0} | changes))
    return receipt["status"], int(receipt["gasUsed"], 16)


def test_one_that_reverts_pays_the_floor_and_one_that_runs_out_pays_all(zero_gravity: Running, ethereum: Running) -> None:
    for chain, floor in ((zero_gravity, 80_000), (ethereum, 0)):
        reverting, endless = (bytes.fromhex(chain.place(code, f"0x{at:040x}")[2:]) for at, code in ((0xAA01, "0x5f5ffd"), (0xAA02, LOOP)))
        status, used = outcome(chain, to=reverting, gas_limit=100_000)
        assert (status, used) == ("0x0", max(21_000 + 4, floor))  # Two PUSH0 cost two gas each.
        assert outcome(chain, to=endless, gas_limit=100_000) == ("0x0", 100_000)


def test_a_creation_pays_the_floor(zero_gravity: Running, ethereum: Running) -> None:
    data = bytes.fromhex(creation(STORE)[2:])
    raw = outcome(ethereum, to=None, data=data, gas_limit=100_000)[1]
    for limit in (100_000, 1_000_000):
        assert outcome(zero_gravity, to=None, data=data, gas_limit=limit) == ("0x1", max(raw, limit * 80 // 100))
        assert outcome(ethereum, to=None, data=data, gas_limit=limit) == ("0x1", raw)


def test_the_floor_of_calldata_and_that_of_the_limit_hold_side_by_side(zero_gravity: Running, ethereum: Running) -> None:
    """EIP-7623: 10 gas for each byte that is zero, 40 for each other one; whichever of both floors is higher."""
    data = b"\x01" * 1_000
    for limit in (61_000, 70_000, 100_000):
        assert outcome(ethereum, data=data, gas_limit=limit) == ("0x1", 61_000)
        assert outcome(zero_gravity, data=data, gas_limit=limit) == ("0x1", max(61_000, limit * 80 // 100))


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_every_type_of_transaction_pays_it(zero_gravity: Running, ethereum: Running, kind: int) -> None:
    fee = {} if kind == 2 else {"max_priority_fee_per_gas": None}
    for chain, used in ((zero_gravity, 80_000), (ethereum, 21_000)):
        assert outcome(chain, kind=kind, gas_limit=100_000, **fee) == ("0x1", used)


def test_a_contract_has_all_the_gas_that_it_was_sent(zero_gravity: Running, ethereum: Running) -> None:
    """The floor is charged at the end: it takes nothing from what runs."""
    seen = []
    for chain in (zero_gravity, ethereum):
        meter = chain.place("0x5a5f5500")  # GAS, stored.
        outcome(chain, to=bytes.fromhex(meter[2:]), gas_limit=500_000)
        seen.append(chain.rpc("eth_getStorageAt", meter, "0x0", "latest"))
    assert seen[0] == seen[1] == word(500_000 - 21_000 - 2)


def test_transactions_of_one_block_add_up_what_each_was_charged(zero_gravity: Running) -> None:
    zero_gravity.rpc("evm_setAutomine", False)
    limits = (21_000, 100_000, 50_000, 400_000)
    sent = [zero_gravity.send(SENDER, gas_limit=limit) for limit in limits]
    zero_gravity.rpc("evm_mine")
    zero_gravity.rpc("evm_setAutomine", True)
    receipts = [zero_gravity.rpc("eth_getTransactionReceipt", transaction_hash) for transaction_hash in sent]
    used = [max(21_000, limit * 80 // 100) for limit in limits]
    assert [int(receipt["gasUsed"], 16) for receipt in receipts] == used
    assert [int(receipt["cumulativeGasUsed"], 16) for receipt in receipts] == [sum(used[: index + 1]) for index in range(4)]
    assert int(zero_gravity.rpc("eth_getBlockByNumber", "latest", False)["gasUsed"], 16) == sum(used)
    assert zero_gravity.rpc("eth_feeHistory", "0x1", "latest", [50])["gasUsedRatio"] == [sum(used) / 120_000_000]


def test_traces_tell_the_gas_of_the_receipt(zero_gravity: Running, ethereum: Running) -> None:
    for chain, used in ((zero_gravity, 80_000), (ethereum, 21_000)):
        sent = chain.send(SENDER, gas_limit=100_000)
        assert chain.rpc("debug_traceTransaction", sent, {"tracer": "callTracer"})["gasUsed"] == hex(used)
        assert chain.rpc("debug_traceTransaction", sent)["gas"] == used


def test_who_has_money_for_less_than_the_limit_is_refused_under_both(zero_gravity: Running, ethereum: Running) -> None:
    """Funds are asked for the whole limit, whatever is charged of it in the end."""
    for chain in (zero_gravity, ethereum):
        chain.rpc("anvil_setBalance", text(ACCOUNTS[8].address), hex(90_000 * 10 * GWEI))
        raw = chain.raw(ACCOUNTS[8], gas_limit=100_000, max_fee_per_gas=10 * GWEI)
        assert "insufficient funds for gas * price + value" in chain.refusal("eth_sendRawTransaction", raw).message


def test_receipt_block_and_balance_tell_the_same_gas(zero_gravity: Running) -> None:
    before, base_fee_owner = zero_gravity.balance(SENDER.address), zero_gravity.balance(bytes(20))
    receipt = zero_gravity.rpc("eth_getTransactionReceipt", zero_gravity.send(SENDER, gas_limit=1_000_000))
    block = zero_gravity.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert receipt["gasUsed"] == receipt["cumulativeGasUsed"] == block["gasUsed"] == hex(800_000)
    price, base_fee = int(receipt["effectiveGasPrice"], 16), int(block["baseFeePerGas"], 16)
    assert before - zero_gravity.balance(SENDER.address) == 800_000 * price + 1
    assert zero_gravity.balance(bytes(20)) - base_fee_owner == 800_000 * (price - base_fee)


def test_the_base_fee_follows_the_gas_that_was_charged(zero_gravity: Running, ethereum: Running) -> None:
    for chain, rises in ((zero_gravity, True), (ethereum, False)):
        chain.send(SENDER, gas_limit=100_000_000)
        chain.rpc("evm_mine")
        block = chain.rpc("eth_getBlockByNumber", hex(chain.number() - 1), False)
        next_fee = int(chain.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        assert (next_fee > int(block["baseFeePerGas"], 16)) is rises


def clearing(chain: Running, limit: int) -> int:
    """Gas used by a transaction that clears a slot, for which there is a refund (EIP-3529)."""
    contract = chain.place(STORE)
    chain.rpc("anvil_setStorageAt", contract, word(0), word(7))
    return gas_used(chain, gas_limit=limit, to=bytes.fromhex(contract[2:]), value=0, data=bytes(64))


def test_a_refund_counts_only_above_the_floor(zero_gravity: Running, ethereum: Running) -> None:
    raw = clearing(ethereum, 30_000)
    assert raw < 30_000 * 80 // 100
    for limit in (27_000, 30_000, 60_000):
        assert clearing(ethereum, limit) == raw
        assert clearing(zero_gravity, limit) == max(raw, limit * 80 // 100)


def test_an_estimate_is_as_tight_as_without_the_floor(zero_gravity: Running, ethereum: Running) -> None:
    answers = []
    for chain in (zero_gravity, ethereum):
        contract, sender = chain.place(STORE), text(SENDER.address)
        chain.rpc("anvil_setStorageAt", contract, word(0), word(0))
        store = {"from": sender, "to": contract, "data": word(0) + word(5)[2:]}
        transfer = chain.rpc("eth_estimateGas", {"from": sender, "to": text(OTHER.address), "value": "0x1"})
        tight, wide = chain.rpc("eth_estimateGas", store), chain.rpc("eth_estimateGas", {**store, "gas": hex(50_000_000)})
        answers.append((transfer, tight, wide))
        used = gas_used(chain, gas_limit=int(tight, 16), to=bytes.fromhex(contract[2:]), value=0, data=bytes.fromhex(store["data"][2:]))
        assert used == int(tight, 16)
    assert answers[0] == answers[1]
    assert answers[0][0] == hex(21_000)


def test_a_simulation_charges_the_floor(zero_gravity: Running, ethereum: Running) -> None:
    call = {"from": text(SENDER.address), "to": text(OTHER.address), "value": "0x1", "gas": hex(100_000)}
    for chain, used in ((zero_gravity, 80_000), (ethereum, 21_000)):
        [block] = chain.rpc("eth_simulateV1", {"blockStateCalls": [{"calls": [call]}]}, "latest")
        assert block["calls"][0]["gasUsed"] == block["gasUsed"] == hex(used)


def test_blocks_are_packed_by_gas_limits(zero_gravity: Running) -> None:
    zero_gravity.rpc("evm_setAutomine", False)
    sent = [zero_gravity.send(SENDER, gas_limit=50_000_000, max_fee_per_gas=100 * GWEI) for _ in range(3)]
    zero_gravity.rpc("evm_mine")
    first = zero_gravity.rpc("eth_getBlockByNumber", "latest", False)
    zero_gravity.rpc("evm_setAutomine", True)
    assert first["transactions"] == sent[:2]
    assert first["gasUsed"] == hex(2 * 40_000_000)
    assert zero_gravity.rpc("eth_getTransactionReceipt", sent[2])["gasUsed"] == hex(40_000_000)


# ---- timestamps --------------------------------------------------------------------------------------------------


def test_blocks_within_a_second_carry_one_time_only_where_that_is_allowed(zero_gravity: Running, ethereum: Running) -> None:
    for chain, step in ((zero_gravity, 0), (ethereum, 1)):
        chain.rpc("evm_mine")
        first = chain.timestamp()
        chain.send(SENDER)
        chain.rpc("evm_mine")
        assert chain.timestamp() == first + 2 * step
        assert chain.timestamp("pending") == first + 3 * step


def test_the_time_of_the_next_block_may_be_that_of_the_last_only_where_that_is_allowed(zero_gravity: Running, ethereum: Running) -> None:
    zero_gravity.rpc("evm_setNextBlockTimestamp", zero_gravity.timestamp())
    assert ethereum.refusal("evm_setNextBlockTimestamp", ethereum.timestamp()).code == -32602
    for chain, step in ((zero_gravity, 0), (ethereum, 1)):
        last = chain.timestamp()
        chain.rpc("evm_setNextBlockTimestamp", last + step)
        chain.rpc("evm_mine")
        assert chain.timestamp() == last + step
        assert chain.refusal("evm_setNextBlockTimestamp", last + step - 1).code == -32602


@pytest.mark.parametrize(("interval", "steps"), [(0, (0, 1)), (1, (1, 1)), (5, (5, 5))])
def test_many_blocks_keep_their_distance(zero_gravity: Running, ethereum: Running, interval: int, steps: tuple[int, int]) -> None:
    for chain, step in zip((zero_gravity, ethereum), steps, strict=True):
        chain.rpc("evm_mine")
        first, height = chain.timestamp(), chain.number()
        chain.rpc("anvil_setBlockTimestampInterval", interval)
        chain.rpc("anvil_mine", 20)
        chain.rpc("anvil_removeBlockTimestampInterval")
        times = [chain.timestamp(hex(height + number)) for number in range(1, 21)]
        assert times == [first + step * number for number in range(1, 21)]
