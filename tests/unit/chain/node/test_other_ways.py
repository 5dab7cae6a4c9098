"""Blocks taken back and replaced, logs that are told to be gone, tokens given by decree."""

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from tests.unit.chain.node.programs import LOGGER, word
from zerog._kernel import keccak256

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
STRANGER = "0x" + "77" * 20


def test_a_rollback_takes_back_blocks_and_what_was_in_them(chain: Running) -> None:
    height, balance = chain.number(), chain.balance(OTHER.address)
    sent = [chain.send(SENDER) for _ in range(3)]
    chain.rpc("anvil_rollback", 2)
    assert (chain.number(), chain.balance(OTHER.address)) == (height + 1, balance + 1)
    assert chain.rpc("eth_getTransactionReceipt", sent[1]) is None
    chain.rpc("anvil_rollback")
    assert chain.number() == height
    assert chain.refusal("anvil_rollback", height + 1).code == -32602


def test_a_rollback_forgets_snapshots_of_what_is_gone(chain: Running) -> None:
    kept = chain.rpc("evm_snapshot")
    chain.send(SENDER)
    lost = chain.rpc("evm_snapshot")
    chain.rpc("anvil_rollback")
    assert chain.rpc("evm_revert", lost) is False
    assert chain.rpc("evm_revert", kept) is True


def test_a_reorganisation_puts_other_blocks_in_the_same_places(chain: Running) -> None:
    before = [chain.send(SENDER) for _ in range(3)]
    height = chain.number()
    hashes = [chain.rpc("eth_getBlockByNumber", hex(height - back), False)["hash"] for back in range(3)]
    nonce = chain.nonce(SENDER) - 3
    raw = chain.raw(SENDER, nonce=nonce, value=5)
    chain.rpc("anvil_reorg", 3, [[raw, 1]])
    assert chain.number() == height
    assert all(chain.rpc("eth_getBlockByHash", block_hash, False) is None for block_hash in hashes)
    assert [len(chain.rpc("eth_getBlockByNumber", hex(height - back), False)["transactions"]) for back in (2, 1, 0)] == [0, 1, 0]
    assert chain.rpc("eth_getTransactionReceipt", before[0]) is None
    assert chain.rpc("eth_getTransactionReceipt", text(keccak256(bytes.fromhex(raw[2:]))))["status"] == "0x1"
    assert chain.rpc("anvil_getAutomine") is True


def test_a_reorganisation_with_a_transaction_that_is_refused_leaves_as_many_blocks(chain: Running) -> None:
    for _ in range(4):
        chain.send(SENDER)
    height, nonce = chain.number(), chain.nonce(SENDER) - 4
    good, late = chain.raw(SENDER, nonce=nonce), chain.raw(SENDER, nonce=nonce + 1)
    used = chain.raw(SENDER, nonce=0)
    refused = chain.refusal("anvil_reorg", 4, [[good, 0], [used, 1], [late, 2]])
    assert refused.message.startswith("nonce too low")
    assert chain.number() == height
    assert [len(chain.rpc("eth_getBlockByNumber", hex(height - back), False)["transactions"]) for back in (3, 2, 1, 0)] == [1, 0, 0, 0]
    assert chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert chain.rpc("anvil_getAutomine") is True
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_a_filter_tells_that_logs_which_it_reported_are_gone(chain: Running) -> None:
    logger = chain.place(LOGGER)
    wanted = chain.rpc("eth_newFilter", {"address": logger})
    snapshot = chain.rpc("evm_snapshot")
    chain.send(SENDER, to=bytes.fromhex(logger[2:]), value=0, gas_limit=100_000, data=bytes.fromhex(word(1)[2:]))
    chain.send(SENDER, to=bytes.fromhex(logger[2:]), value=0, gas_limit=100_000, data=bytes.fromhex(word(2)[2:]))
    told = chain.rpc("eth_getFilterChanges", wanted)
    assert [(log["topics"], log["removed"]) for log in told] == [([word(1)], False), ([word(2)], False)]
    chain.rpc("evm_revert", snapshot)
    chain.send(SENDER, to=bytes.fromhex(logger[2:]), value=0, gas_limit=100_000, data=bytes.fromhex(word(3)[2:]))
    again = chain.rpc("eth_getFilterChanges", wanted)
    assert again[:2] == [{**log, "removed": True} for log in told]
    assert [(log["topics"], log["removed"]) for log in again[2:]] == [([word(3)], False)]
    assert chain.rpc("eth_getFilterChanges", wanted) == []


def test_logs_that_were_never_reported_are_not_told_to_be_gone(chain: Running) -> None:
    logger = chain.place(LOGGER)
    wanted = chain.rpc("eth_newFilter", {"address": logger})
    snapshot = chain.rpc("evm_snapshot")
    chain.send(SENDER, to=bytes.fromhex(logger[2:]), value=0, gas_limit=100_000, data=bytes.fromhex(word(1)[2:]))
    chain.rpc("evm_revert", snapshot)
    assert chain.rpc("eth_getFilterChanges", wanted) == []


def test_tokens_and_allowances_are_given(chain: Running) -> None:
    token = text(chain.node.network.addresses["w0g"])
    holder, spender = STRANGER, text(OTHER.address)
    chain.rpc("anvil_dealERC20", holder, token, hex(10**21))
    chain.rpc("anvil_setERC20Allowance", holder, spender, token, hex(7))
    balance = "0x70a08231" + holder[2:].rjust(64, "0")
    allowance = "0xdd62ed3e" + holder[2:].rjust(64, "0") + spender[2:].rjust(64, "0")
    assert int(chain.rpc("eth_call", {"to": token, "data": balance}), 16) == 10**21
    assert int(chain.rpc("eth_call", {"to": token, "data": allowance}), 16) == 7
    chain.rpc("evm_mine")
    assert int(chain.rpc("eth_call", {"to": token, "data": balance}), 16) == 10**21
    assert "no slot" in chain.refusal("anvil_dealERC20", holder, spender, "0x1").message


def test_tenderlys_names_give_balances_to_one_or_many(chain: Running) -> None:
    assert chain.rpc("tenderly_setBalance", [STRANGER, text(OTHER.address)], "0x5") == "0x5"
    assert chain.rpc("tenderly_addBalance", STRANGER, "0x2") == "0x7"
    assert chain.balance(OTHER.address) == 5
    chain.rpc("anvil_addBalance", STRANGER, hex(2**256 - 1))
    assert chain.rpc("eth_getBalance", STRANGER) == hex(2**256 - 1)


@pytest.mark.parametrize("method", ["evm_setTime", "anvil_setTime"])
def test_the_clock_goes_on_from_a_time_that_is_set(chain: Running, method: str) -> None:
    chain.rpc("evm_mine")
    before = chain.timestamp()
    assert chain.rpc(method, before + 1_000) == 1_000
    chain.clock.advance(3)
    chain.rpc("evm_mine")
    assert chain.timestamp() == before + 1_003
    assert chain.refusal(method, before).code == -32602
