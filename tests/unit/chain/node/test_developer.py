"""What only a developer's chain does: snapshots, time, state edits, mining by hand, impersonation."""

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, run_node, text
from tests.unit.chain.node.programs import BASE_FEE, COINBASE, ECHO, LOAD, PREVRANDAO, STORE, TIMESTAMP, creation, word
from zerog.chain.node.settings import ChainNodeSettings

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
STRANGER = "0x" + "77" * 20


def number_from(chain: Running, code: str) -> int:
    """What a contract that answers one word of its block says in the newest block."""
    return int(chain.rpc("eth_call", {"to": chain.place(code, "0x" + "ee" * 20)}), 16)


# ---- snapshots ---------------------------------------------------------------------------------------------------


def test_reverting_restores_blocks_state_and_nonces(chain: Running) -> None:
    height, balance, nonce = chain.number(), chain.balance(OTHER.address), chain.nonce(SENDER)
    block = chain.rpc("eth_getBlockByNumber", "latest", True)
    snapshot = chain.rpc("evm_snapshot")
    sent = chain.send(SENDER)
    chain.rpc("anvil_setBalance", text(OTHER.address), "0x1")
    assert chain.rpc("evm_revert", snapshot) is True
    assert (chain.number(), chain.balance(OTHER.address), chain.nonce(SENDER)) == (height, balance, nonce)
    assert chain.rpc("eth_getBlockByNumber", "latest", True) == block
    assert chain.rpc("eth_getTransactionReceipt", sent) is None
    assert chain.rpc("eth_getBlockByNumber", hex(height + 1), False) is None
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_ids_grow_and_a_revert_forgets_later_ones(chain: Running) -> None:
    first, second, third = (chain.rpc("evm_snapshot") for _ in range(3))
    assert int(first, 16) < int(second, 16) < int(third, 16)
    assert chain.rpc("evm_revert", second) is True
    assert chain.rpc("evm_revert", third) is False
    assert chain.rpc("evm_revert", second) is False
    assert int(chain.rpc("evm_snapshot"), 16) > int(third, 16)
    assert chain.rpc("evm_revert", first) is True


def test_an_unknown_snapshot_is_false_and_changes_nothing(chain: Running) -> None:
    chain.send(SENDER)
    height = chain.number()
    assert chain.rpc("evm_revert", "0xffffff") is False
    assert chain.number() == height


def test_reverting_restores_edits_between_blocks(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, "0x1")
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("anvil_setBalance", STRANGER, "0x2")
    chain.rpc("evm_mine")
    chain.rpc("anvil_setBalance", STRANGER, "0x3")
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_getBalance", STRANGER) == "0x1"
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBalance", STRANGER) == "0x1"


def test_reverting_restores_the_pool(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    waiting = chain.send(SENDER)
    snapshot = chain.rpc("evm_snapshot")
    later = chain.send(SENDER)
    chain.rpc("evm_mine")
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_getTransactionByHash", waiting)["blockHash"] is None
    assert chain.rpc("eth_getTransactionByHash", later) is None
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"] == [waiting]


def test_reverting_restores_the_clock(chain: Running) -> None:
    chain.rpc("evm_mine")
    before = chain.timestamp()
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("evm_increaseTime", 1_000_000)
    chain.rpc("evm_mine")
    assert chain.timestamp() >= before + 1_000_000
    chain.rpc("evm_revert", snapshot)
    chain.rpc("evm_mine")
    assert chain.timestamp() < before + 1_000_000


def test_reverting_keeps_impersonations(chain: Running) -> None:
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("anvil_impersonateAccount", STRANGER)
    chain.rpc("evm_revert", snapshot)
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    assert chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": STRANGER})
    chain.rpc("anvil_stopImpersonatingAccount", STRANGER)


# ---- time --------------------------------------------------------------------------------------------------------


def test_time_moves_forward_by_what_is_asked(chain: Running) -> None:
    chain.rpc("evm_mine")
    before = chain.timestamp()
    assert chain.rpc("evm_increaseTime", 100) == int(chain.rpc("evm_increaseTime", "0x32")) - 50
    chain.rpc("evm_mine")
    assert chain.timestamp() == before + 150
    chain.clock.advance(7)
    chain.rpc("evm_mine")
    assert chain.timestamp() == before + 157
    assert number_from(chain, TIMESTAMP) == before + 157


def test_the_next_timestamp_is_exact_and_the_clock_goes_on_from_it(chain: Running) -> None:
    target = chain.timestamp() + 5_000
    chain.rpc("evm_setNextBlockTimestamp", target)
    assert chain.timestamp("pending") == target
    chain.send(SENDER)
    assert chain.timestamp() == target
    chain.clock.advance(3)
    chain.rpc("evm_mine")
    assert chain.timestamp() == target + 3


def test_a_block_may_carry_its_parents_timestamp_but_none_before(chain: Running) -> None:
    chain.rpc("evm_mine")
    now = chain.timestamp()
    chain.rpc("evm_setNextBlockTimestamp", now)
    chain.rpc("evm_mine")
    assert chain.timestamp() == now
    refused = chain.refusal("evm_setNextBlockTimestamp", now - 1)
    assert refused.code == -32602
    assert f"timestamp {now - 1} is lower" in refused.message


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("evm_increaseTime", 2**63),
        ("evm_setNextBlockTimestamp", 2**63),
        ("anvil_setBlockTimestampInterval", 2**63),
        ("anvil_setNextBlockBaseFeePerGas", 2**61),
        ("evm_setBlockGasLimit", 2**63),
        ("evm_mine", 2**63),
    ],
)
def test_numbers_that_no_block_can_carry_are_refused_and_do_no_harm(chain: Running, method: str, value: int) -> None:
    assert chain.refusal(method, hex(value)).code == -32602
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_an_interval_between_timestamps_holds_until_it_is_removed(chain: Running) -> None:
    chain.rpc("anvil_setBlockTimestampInterval", 12)
    start = chain.timestamp()
    chain.rpc("anvil_mine", 3)
    assert chain.timestamp() == start + 36
    chain.rpc("anvil_mine", 2, 0)
    assert chain.timestamp() == start + 60
    assert chain.rpc("anvil_removeBlockTimestampInterval") is True
    assert chain.rpc("anvil_removeBlockTimestampInterval") is False


# ---- mining ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("params", "blocks"), [([], 1), ([None], 1), ([{"blocks": 5}], 5), ([{}], 1)])
def test_evm_mine_makes_blocks(chain: Running, params: list[object], blocks: int) -> None:
    height = chain.number()
    assert chain.rpc("evm_mine", *params) == "0x0"
    assert chain.number() == height + blocks


def test_evm_mine_takes_a_timestamp_in_every_form(chain: Running) -> None:
    target = chain.timestamp() + 1_000
    forms = [target, hex(target + 1), str(target + 2), {"timestamp": target + 3}, {"blocks": 1, "timestamp": hex(target + 4)}]
    for offset, form in enumerate(forms):
        chain.rpc("evm_mine", form)
        assert chain.timestamp() == target + offset


def test_many_blocks_are_real_and_linked(chain: Running) -> None:
    height, start = chain.number(), chain.timestamp()
    chain.rpc("hardhat_mine", "0x3e8", "0x3c")
    assert chain.number() == height + 1000
    assert chain.timestamp() - start >= 999 * 60
    blocks = [chain.rpc("eth_getBlockByNumber", hex(number), False) for number in range(height + 1, height + 1001, 111)]
    for block in blocks:
        parent = chain.rpc("eth_getBlockByHash", block["parentHash"], False)
        assert int(block["number"], 16) == int(parent["number"], 16) + 1
        assert int(block["timestamp"], 16) - int(parent["timestamp"], 16) == 60 or int(parent["number"], 16) == height


def test_blocks_made_in_one_go_equal_those_made_one_by_one(chain: Running) -> None:
    begin = chain.rpc("eth_getBlockByNumber", "latest", False)
    snapshot = chain.rpc("evm_snapshot")
    chain.rpc("hardhat_mine", 40, 5)
    together = [chain.rpc("eth_getBlockByNumber", hex(int(begin["number"], 16) + 1 + index), False) for index in range(40)]
    chain.rpc("evm_revert", snapshot)
    for block in together:
        chain.rpc("evm_mine", {"timestamp": int(block["timestamp"], 16)})
        assert chain.rpc("eth_getBlockByNumber", "latest", False) == block


def test_hardhat_mine_steps_one_second_and_anvil_mine_none(chain: Running) -> None:
    chain.rpc("evm_mine")
    start = chain.timestamp()
    chain.rpc("hardhat_mine", 4)
    assert chain.timestamp() == start + 3
    start = chain.timestamp()
    chain.rpc("anvil_mine", 4)
    assert chain.timestamp() == start


def test_the_clock_goes_on_from_blocks_that_were_mined_ahead(chain: Running) -> None:
    chain.rpc("hardhat_mine", 10, 3_600)
    ahead = chain.timestamp()
    chain.clock.advance(30)
    chain.rpc("evm_mine")
    assert chain.timestamp() == ahead + 30


def test_without_automine_nothing_is_mined_until_asked(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    assert chain.rpc("anvil_getAutomine") is chain.rpc("hardhat_getAutomine") is False
    height = chain.number()
    hashes = [chain.send(account) for account in ACCOUNTS[1:4]]
    assert chain.number() == height
    chain.rpc("evm_mine")
    assert set(chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"]) == set(hashes)


def test_switching_automine_on_mines_what_waits(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    sent = chain.send(SENDER)
    chain.rpc("evm_setAutomine", True)
    assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_more_transactions_than_a_block_holds_make_several_blocks(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    chain.rpc("evm_setBlockGasLimit", 63_000)
    nonce = chain.nonce(SENDER)
    hashes = [chain.send(SENDER, nonce=nonce + index) for index in range(7)]
    height = chain.number()
    chain.rpc("evm_setAutomine", True)
    assert chain.number() == height + 3
    assert all(chain.rpc("eth_getTransactionReceipt", sent) for sent in hashes)
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["gasLimit"] == hex(63_000)


def test_blocks_come_by_the_interval_and_empty_ones_too() -> None:
    for chain in run_node(ChainNodeSettings(rpc_port=0, automine=False, block_time_s=0.05)):
        with chain.websocket() as socket:
            socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
            heads = [socket.recv(timeout=10) for _ in range(4)]
        assert len(heads) == 4
        sent = chain.send(SENDER)
        with chain.websocket() as socket:
            socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
            for _ in range(3):
                socket.recv(timeout=10)
        assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_the_interval_can_be_set_and_stopped_while_running(chain: Running) -> None:
    with chain.websocket() as socket:
        socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
        socket.recv(timeout=10)
        chain.rpc("evm_setIntervalMining", 1)
        socket.recv(timeout=10)
        chain.rpc("evm_setIntervalMining", 0)


# ---- edits -------------------------------------------------------------------------------------------------------


def test_edits_show_at_once_and_in_the_next_blocks_root(chain: Running) -> None:
    contract = "0x" + "c7" * 20
    root = chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"]
    chain.rpc("hardhat_setBalance", contract, hex(5))
    chain.rpc("hardhat_setNonce", contract, hex(6))
    chain.rpc("hardhat_setCode", contract, LOAD)
    chain.rpc("hardhat_setStorageAt", contract, "0x1", word(7))
    for _ in range(2):
        assert chain.rpc("eth_getBalance", contract) == "0x5"
        assert chain.rpc("eth_getTransactionCount", contract) == "0x6"
        assert chain.rpc("eth_getCode", contract) == LOAD
        assert chain.rpc("eth_call", {"to": contract, "data": word(1)}) == word(7)
        chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"] != root
    assert chain.node.chain.ledger.recompute_root().hex() == chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"][2:]


def test_an_edit_that_funds_a_sender_lets_its_transactions_run(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(ACCOUNTS[8])
    later = chain.send(ACCOUNTS[8], nonce=nonce + 1)
    chain.rpc("evm_setAutomine", True)
    assert chain.rpc("eth_getTransactionReceipt", later) is None
    chain.rpc("anvil_setNonce", text(ACCOUNTS[8].address), hex(nonce + 1))
    assert chain.rpc("eth_getTransactionReceipt", later)["status"] == "0x1"


def test_block_fields_can_be_set(chain: Running) -> None:
    chain.rpc("hardhat_setCoinbase", STRANGER)
    chain.rpc("hardhat_setPrevRandao", word(0x1234))
    chain.rpc("hardhat_setNextBlockBaseFeePerGas", hex(3 * GWEI))
    chain.send(SENDER)
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert (block["miner"], block["mixHash"], block["baseFeePerGas"]) == (STRANGER, word(0x1234), hex(3 * GWEI))
    assert chain.rpc("eth_coinbase") == STRANGER
    assert number_from(chain, COINBASE) == int(STRANGER, 16)
    assert number_from(chain, PREVRANDAO) == 0x1234
    assert chain.rpc("eth_getBalance", STRANGER) == hex(21_000 * GWEI)
    chain.rpc("evm_mine")
    following = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert following["mixHash"] != word(0x1234)
    assert int(following["baseFeePerGas"], 16) < 3 * GWEI
    assert chain.rpc("eth_call", {"to": chain.place(BASE_FEE)}) is not None


def test_a_dropped_transaction_is_gone(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    first, second = chain.send(SENDER), chain.send(OTHER)
    assert chain.rpc("anvil_dropTransaction", first) == first
    assert chain.rpc("hardhat_dropTransaction", second) is True
    assert chain.rpc("hardhat_dropTransaction", second) is False
    assert chain.rpc("eth_getTransactionByHash", first) is None
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"] == []


def test_a_dump_can_be_loaded_elsewhere(chain: Running) -> None:
    contract = chain.place(LOAD, "0x" + "c9" * 20)
    chain.rpc("anvil_setStorageAt", contract, "0x1", word(77))
    chain.rpc("anvil_setBalance", STRANGER, "0x1234")
    dump = chain.rpc("anvil_dumpState")
    for fresh in run_node(ChainNodeSettings(rpc_port=0)):
        assert fresh.rpc("eth_getCode", contract) == "0x"
        assert fresh.rpc("anvil_loadState", dump) is True
        assert fresh.rpc("eth_call", {"to": contract, "data": word(1)}) == word(77)
        assert fresh.rpc("eth_getBalance", STRANGER) == "0x1234"
        fresh.rpc("evm_mine")
        assert fresh.node.chain.ledger.recompute_root().hex() == fresh.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"][2:]


@pytest.mark.parametrize("dump", ["0x", "0x1f8b", "0x00", "0x1f8b08000000000002ffabaeae050043bfa6a302000000"])
def test_what_is_no_dump_is_refused(chain: Running, dump: str) -> None:
    refused = chain.refusal("anvil_loadState", dump)
    assert refused.code == -32602
    assert refused.message.startswith("not a dump of a state")


def test_a_reset_goes_back_to_the_first_block() -> None:
    for chain in run_node(ChainNodeSettings(rpc_port=0)):
        genesis = chain.rpc("eth_getBlockByNumber", "0x0", False)
        snapshot = chain.rpc("evm_snapshot")
        chain.rpc("anvil_setBalance", STRANGER, "0x1")
        chain.rpc("evm_increaseTime", 1_000_000)
        chain.rpc("evm_setBlockGasLimit", 30_000_000)
        chain.send(SENDER)
        assert chain.rpc("anvil_reset") is None
        assert chain.rpc("eth_getBlockByNumber", "latest", False) == genesis
        assert chain.rpc("eth_getBalance", STRANGER) == "0x0"
        assert chain.rpc("evm_revert", snapshot) is False
        chain.send(SENDER)
        block = chain.rpc("eth_getBlockByNumber", "latest", False)
        assert block["gasLimit"] == genesis["gasLimit"]
        assert int(block["timestamp"], 16) == int(chain.clock.unix_s())
        assert chain.rpc("hardhat_reset", {"forking": None}) is True
        assert chain.number() == 0


def test_metadata_tells_of_this_instance(chain: Running) -> None:
    metadata = chain.rpc("hardhat_metadata")
    assert metadata["chainId"] == 31337
    assert metadata["latestBlockNumber"] == chain.number()
    assert metadata["clientVersion"] == chain.rpc("web3_clientVersion")
    assert metadata["instanceId"] == chain.rpc("anvil_metadata")["instanceId"]


# ---- impersonation -----------------------------------------------------------------------------------------------


def test_an_impersonated_account_acts_without_a_key(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    refused = chain.refusal("eth_sendTransaction", {"from": STRANGER, "to": text(OTHER.address), "value": "0x5"})
    assert (refused.code, refused.message) == (-32000, "unknown account 0x7777777777777777777777777777777777777777")
    chain.rpc("hardhat_impersonateAccount", STRANGER)
    sent = chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": text(OTHER.address), "value": "0x5"})
    whole = chain.rpc("eth_getTransactionByHash", sent)
    assert (whole["from"], whole["value"]) == (STRANGER, "0x5")
    assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"
    assert chain.rpc("eth_accounts")[-1] == STRANGER
    assert chain.rpc("hardhat_stopImpersonatingAccount", STRANGER) is True
    assert STRANGER not in chain.rpc("eth_accounts")
    chain.refusal("eth_sendTransaction", {"from": STRANGER, "to": text(OTHER.address)})


def test_a_contract_can_be_impersonated(chain: Running) -> None:
    contract = chain.place(ECHO)
    chain.rpc("anvil_setBalance", contract, hex(10**18))
    chain.rpc("anvil_impersonateAccount", contract)
    sent = chain.rpc("eth_sendTransaction", {"from": contract, "to": STRANGER, "value": "0x1"})
    assert chain.rpc("eth_getTransactionReceipt", sent)["from"] == contract
    chain.rpc("anvil_stopImpersonatingAccount", contract)


def test_impersonated_transactions_survive_a_revert_and_a_rerun(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    chain.rpc("anvil_autoImpersonateAccount", True)
    snapshot = chain.rpc("evm_snapshot")
    first = chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": STRANGER})
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": STRANGER}) == first
    assert chain.rpc("eth_getBlockByNumber", "latest", True)["transactions"][0]["hash"] == first


# ---- unlocked accounts -------------------------------------------------------------------------------------------


def test_what_is_left_out_of_a_transaction_is_filled_in(chain: Running) -> None:
    nonce = chain.nonce(SENDER)
    sent = chain.rpc("eth_sendTransaction", {"from": text(SENDER.address), "to": text(OTHER.address), "value": "0x1"})
    whole = chain.rpc("eth_getTransactionByHash", sent)
    assert (whole["type"], int(whole["nonce"], 16), whole["gas"]) == ("0x2", nonce, "0x5208")
    assert int(whole["maxFeePerGas"], 16) >= int(whole["maxPriorityFeePerGas"], 16) == GWEI


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"gasPrice": hex(5 * GWEI)}, "0x0"),
        ({"gasPrice": hex(5 * GWEI), "accessList": []}, "0x1"),
        ({"type": "0x0"}, "0x0"),
        ({"type": "0x1"}, "0x1"),
        ({"maxFeePerGas": hex(5 * GWEI)}, "0x2"),
        ({"maxFeePerGas": hex(5 * GWEI // 10)}, "0x2"),
        ({"maxPriorityFeePerGas": hex(5 * GWEI)}, "0x2"),
        ({"accessList": [{"address": STRANGER, "storageKeys": [word(1)]}]}, "0x2"),
    ],
)
def test_the_type_follows_from_the_fields(chain: Running, fields: dict[str, object], kind: str) -> None:
    sent = chain.rpc("eth_sendTransaction", {"from": text(SENDER.address), "to": text(OTHER.address), **fields})
    assert chain.rpc("eth_getTransactionByHash", sent)["type"] == kind


def test_a_contract_can_be_created_by_an_unlocked_account(chain: Running) -> None:
    sent = chain.rpc("eth_sendTransaction", {"from": text(SENDER.address), "data": creation(STORE)})
    receipt = chain.rpc("eth_getTransactionReceipt", sent)
    assert chain.rpc("eth_getCode", receipt["contractAddress"]) == STORE


def test_transactions_that_cannot_be_drafted_are_refused(chain: Running) -> None:
    sender = text(SENDER.address)
    refused = chain.refusal("eth_sendTransaction", {"from": sender, "to": STRANGER, "chainId": "0x1"})
    assert refused.message == "chainId does not match node's (have=1, want=31337)"
    assert chain.refusal("eth_sendTransaction", {"from": sender}).message == "contract creation without any data provided"
    assert chain.refusal("eth_sendTransaction", {"from": sender, "to": STRANGER, "type": "0x9"}).code == -32000
    reverting = chain.place("0x5f5ffd")
    assert chain.refusal("eth_sendTransaction", {"from": sender, "to": reverting}).code == 3


def test_parallel_senders_of_one_account_take_different_nonces(chain: Running) -> None:
    nonce = chain.nonce(SENDER)
    call = {"jsonrpc": "2.0", "method": "eth_sendTransaction", "params": [{"from": text(SENDER.address), "to": text(OTHER.address)}]}
    with chain.websocket() as one, chain.websocket() as two:
        import json

        for index in range(20):
            for socket in (one, two):
                socket.send(json.dumps(call | {"id": index}))
        answers = [json.loads(socket.recv(timeout=10)) for socket in (one, two) for _ in range(20)]
    assert len({answer["result"] for answer in answers}) == 40
    assert chain.nonce(SENDER) == nonce + 40
