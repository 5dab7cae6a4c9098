"""What a chain does by itself at the beginning and the end of each block, under 0G's rules and under Ethereum's.

Facts: EIP-2935, EIP-4788, EIP-4895, EIP-6110, EIP-7002, EIP-7251, EIP-7685; 0gfoundation/alloy-evm, crates/evm/src/eth/block.rs.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, run_node, text
from tests.unit.chain.node.programs import word
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.system_contracts import BEACON_ROOTS, CONSOLIDATION_REQUESTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS
from zerog.networks import RulesName, own_network

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
DEPOSITS = "0x" + "00" * 20
"""The deposit contract of a chain of our own, which has none: tests put one there."""
DEPOSIT_TOPIC = "649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5"
EMIT_DEPOSIT = f"0x365f5f377f{DEPOSIT_TOPIC}365fa1"
"""Emits its call data as `DepositEvent`."""
NO_REQUESTS = text(sha256(b"").digest())
RULES: tuple[RulesName, ...] = ("zero-gravity", "ethereum")


@pytest.fixture(scope="module", params=RULES)
def module_node(request: pytest.FixtureRequest) -> Iterator[Running]:
    """In place of the node that other modules share."""
    yield from run_node(ChainNodeSettings(rpc_port=0), own_network(rules=request.param))


def block(chain: Running, tag: str = "latest") -> dict[str, Any]:
    found: dict[str, Any] = chain.rpc("eth_getBlockByNumber", tag, False)
    return found


def call(chain: Running, address: bytes, number: int) -> str:
    answer: str = chain.rpc("eth_call", {"to": text(address), "data": word(number)})
    return answer


def ask(chain: Running, contract: bytes, data: bytes, *, value: int = 0) -> dict[str, Any]:
    sent = chain.send(SENDER, to=contract, value=value, data=data, gas_limit=500_000)
    receipt: dict[str, Any] = chain.rpc("eth_getTransactionReceipt", sent)
    return receipt


def requests_hash(*requests: bytes) -> str:
    """Each request is its type and the data of all of that type, in ascending order of types; empty ones are left out."""
    return text(sha256(b"".join(sha256(request).digest() for request in requests)).digest())


# ---- the beginning of a block ------------------------------------------------------------------------------------


def test_each_block_notes_its_parents_hash(chain: Running) -> None:
    chain.rpc("anvil_mine", 10)
    height = chain.number()
    for number in range(height - 9, height):
        assert call(chain, HISTORY_STORAGE, number) == block(chain, hex(number))["hash"]
    for wrong in (height, height + 1):
        assert chain.refusal("eth_call", {"to": text(HISTORY_STORAGE), "data": word(wrong)}).code == 3


def test_each_block_notes_the_root_of_its_parents_beacon_block_by_its_time(chain: Running) -> None:
    for _ in range(3):  # Under 0G's rules the three share one time.
        chain.rpc("evm_mine")
        assert call(chain, BEACON_ROOTS, chain.timestamp()) == block(chain)["parentBeaconBlockRoot"]
    assert chain.refusal("eth_call", {"to": text(BEACON_ROOTS), "data": word(chain.timestamp() + 1)}).code == 3


def test_what_the_system_does_costs_nobody_gas_and_counts_no_nonce(chain: Running) -> None:
    system = "0x" + "ff" * 19 + "fe"
    chain.rpc("anvil_mine", 3)
    assert block(chain)["gasUsed"] == "0x0"
    assert (chain.rpc("eth_getBalance", system), chain.rpc("eth_getTransactionCount", system)) == ("0x0", "0x0")
    assert (
        chain.rpc("eth_getProof", system, [], "latest")["codeHash"] == chain.rpc("eth_getProof", "0x" + "9a" * 20, [], "latest")["codeHash"]
    )


# ---- the end of a block ------------------------------------------------------------------------------------------


def test_a_block_without_requests_says_so(chain: Running) -> None:
    chain.rpc("evm_mine")
    assert block(chain)["requestsHash"] == NO_REQUESTS


def test_a_validator_that_asks_to_leave_is_named_by_the_requests_hash(chain: Running) -> None:
    request = bytes(range(48)) + (5).to_bytes(8, "big")
    receipt = ask(chain, WITHDRAWAL_REQUESTS, request, value=GWEI)
    assert receipt["status"] == "0x1"
    assert block(chain)["requestsHash"] == requests_hash(b"\x01" + SENDER.address + request[:48] + request[48:][::-1])
    chain.rpc("evm_mine")
    assert block(chain)["requestsHash"] == NO_REQUESTS  # It was taken out of the queue.


def test_validators_that_ask_to_be_one_are_named_by_the_requests_hash(chain: Running) -> None:
    request = bytes(range(96))
    assert ask(chain, CONSOLIDATION_REQUESTS, request, value=GWEI)["status"] == "0x1"
    assert block(chain)["requestsHash"] == requests_hash(b"\x02" + SENDER.address + request)
    chain.rpc("evm_mine")
    assert block(chain)["requestsHash"] == NO_REQUESTS


def deposit(index: int) -> tuple[bytes, bytes]:
    """Data of a deposit's log, as the contract of EIP-6110 lays it out, and the request that it means."""
    fields = (
        bytes([index]) * 48,
        bytes([index + 1]) * 32,
        index.to_bytes(8, "little"),
        bytes([index + 2]) * 96,
        index.to_bytes(8, "little"),
    )
    head, tail = b"", b""
    for value in fields:
        head += (32 * len(fields) + len(tail)).to_bytes(32, "big")
        tail += len(value).to_bytes(32, "big") + value.ljust(-(-len(value) // 32) * 32, b"\0")
    return head + tail, b"".join(fields)


def test_deposits_are_taken_from_the_logs_of_their_contract_in_order(chain: Running) -> None:
    chain.place(EMIT_DEPOSIT, DEPOSITS)
    elsewhere = bytes.fromhex(chain.place(EMIT_DEPOSIT, "0x" + "de" * 20)[2:])
    first, second, third = (deposit(index) for index in (1, 2, 3))
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    for offset, (contract, data) in enumerate(((bytes(20), first[0]), (elsewhere, third[0]), (bytes(20), second[0]))):
        chain.send(SENDER, nonce=nonce + offset, to=contract, value=0, data=data, gas_limit=500_000)
    withdrawal = bytes(56)
    chain.send(SENDER, nonce=nonce + 3, to=WITHDRAWAL_REQUESTS, value=GWEI, data=withdrawal, gas_limit=500_000)
    chain.rpc("evm_mine")
    assert len(block(chain)["transactions"]) == 4
    assert block(chain)["requestsHash"] == requests_hash(b"\x00" + first[1] + second[1], b"\x01" + SENDER.address + withdrawal)


def test_a_deposit_that_no_block_may_hold_stays_out_and_keeps_no_other_out(chain: Running) -> None:
    """EIP-6110 knows one layout; the contract in the deposit contract's place has another."""
    chain.place(EMIT_DEPOSIT, DEPOSITS)
    chain.rpc("evm_setAutomine", False)
    wrong = chain.send(SENDER, to=bytes(20), value=0, data=b"short", gas_limit=100_000)
    other = chain.send(OTHER)
    chain.rpc("evm_mine")
    assert block(chain)["transactions"] == [other]
    assert block(chain)["requestsHash"] == NO_REQUESTS
    assert chain.rpc("eth_getTransactionByHash", wrong) is None
    chain.rpc("evm_setAutomine", True)
    assert chain.rpc("eth_getTransactionReceipt", chain.send(SENDER))["status"] == "0x1"


def test_a_block_has_withdrawals_and_they_are_none(chain: Running) -> None:
    """Whoever runs consensus brings them; here nobody does."""
    chain.rpc("evm_mine")
    empty_trie = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert (block(chain)["withdrawals"], block(chain)["withdrawalsRoot"]) == ([], empty_trie)


# ---- what every block is -----------------------------------------------------------------------------------------


def test_a_block_has_no_difficulty_no_uncles_and_its_randomness(chain: Running) -> None:
    seen = set()
    for _ in range(3):
        chain.rpc("evm_mine")
        found = block(chain)
        assert (found["difficulty"], found["uncles"], found["nonce"]) == ("0x0", [], "0x" + "00" * 8)
        assert chain.rpc("eth_call", {"to": chain.place("0x445f5260205ff3")}) == found["mixHash"]
        seen.add(found["mixHash"])
    assert len(seen) == 3


def test_the_base_fee_is_burnt_and_the_tip_goes_to_the_recipient(chain: Running) -> None:
    miner = "0x" + "78" * 20
    chain.rpc("hardhat_setCoinbase", miner)
    before = sum(chain.balance(address) for address in (SENDER.address, OTHER.address, bytes.fromhex(miner[2:])))
    receipt = chain.rpc("eth_getTransactionReceipt", chain.send(SENDER, max_priority_fee_per_gas=7, max_fee_per_gas=50 * GWEI))
    gas, price, base_fee = (int(value, 16) for value in (receipt["gasUsed"], receipt["effectiveGasPrice"], block(chain)["baseFeePerGas"]))
    assert price == base_fee + 7
    assert chain.rpc("eth_getBalance", miner) == hex(7 * gas)
    after = sum(chain.balance(address) for address in (SENDER.address, OTHER.address, bytes.fromhex(miner[2:])))
    assert before - after == base_fee * gas


def test_cancun_and_prague_are_there_and_osaka_is_not(chain: Running) -> None:
    transient = chain.place("0x60075f5d5f5c5f5260205ff3")  # TSTORE, TLOAD.
    assert chain.rpc("eth_call", {"to": transient}) == word(7)
    bls_add = {"to": "0x" + f"{0x0B:040x}", "data": "0x" + "00" * 256}
    assert chain.rpc("eth_call", bls_add) == "0x" + "00" * 128
    count_leading_zeros = chain.place("0x60011e5f5260205ff3")
    assert "opcode" in chain.refusal("eth_call", {"to": count_leading_zeros}).message
