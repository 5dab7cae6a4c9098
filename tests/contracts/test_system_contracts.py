"""What stands on the chain from block 0: contracts that EIPs and tools expect, and what the chain refuses."""

from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams

from tests.interop.web3py.common import COUNTER, GAS_PRICE, Context, as_hex

HISTORY = to_checksum_address("0x0000f90827f1c53a10cb7a02335b175320002935")
"""Source: EIP-2935."""
BEACON_ROOTS = to_checksum_address("0x000f3df6d732807ef1319fb7b8bb8522d0beac02")
"""Source: EIP-4788."""
CREATE2_DEPLOYER = to_checksum_address("0x4e59b44847b379578588920ca78fbf26c0b4956c")
"""Source: Arachnid/deterministic-deployment-proxy."""
CODE_HASHES = {
    HISTORY: "0x6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d",
    BEACON_ROOTS: "0xf57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c",
    CREATE2_DEPLOYER: "0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
}


def word(value: int) -> bytes:
    return value.to_bytes(32)


def call(context: Context, to: str, data: bytes) -> bytes:
    return bytes(context.w3.eth.call(TxParams(to=to, data=HexBytes(data))))


@pytest.mark.parametrize("address", CODE_HASHES)
def test_the_code_is_the_one_that_tools_check(context: Context, address: str) -> None:
    assert as_hex(keccak(context.w3.eth.get_code(to_checksum_address(address)))) == CODE_HASHES[to_checksum_address(address)]


def test_the_history_contract_knows_the_hashes_of_past_blocks(context: Context) -> None:
    context.send("anvil_mine", hex(5))
    head = context.w3.eth.block_number
    for past in (head - 1, head - 4):
        assert call(context, HISTORY, word(past)) == context.w3.eth.get_block(past)["hash"]
    for wrong in (head, head + 1):
        with pytest.raises(ContractLogicError):
            call(context, HISTORY, word(wrong))


def test_the_beacon_roots_contract_knows_the_root_of_each_block_by_its_time(context: Context) -> None:
    context.send("evm_mine")
    block: Any = context.w3.eth.get_block("latest")
    assert call(context, BEACON_ROOTS, word(block["timestamp"])) == block["parentBeaconBlockRoot"]
    for unknown in (0, block["timestamp"] + 1):
        with pytest.raises(ContractLogicError):
            call(context, BEACON_ROOTS, word(unknown))


def test_only_the_system_may_write_to_its_contracts(context: Context) -> None:
    for address in (HISTORY, BEACON_ROOTS):
        before = context.w3.eth.get_storage_at(address, 0)
        with pytest.raises(ContractLogicError):
            call(context, address, word(1) + word(2))
        assert context.w3.eth.get_storage_at(address, 0) == before


def test_the_create2_deployer_puts_code_where_salt_and_code_say(context: Context) -> None:
    eth, account = context.w3.eth, context.accounts[5]
    salt, code = keccak(text="a salt"), bytes.fromhex(COUNTER["bytecode"][2:]) + word(21)
    expected = to_checksum_address(keccak(b"\xff" + bytes.fromhex(CREATE2_DEPLOYER[2:]) + salt + keccak(code))[12:])
    assert call(context, CREATE2_DEPLOYER, salt + code) == bytes.fromhex(expected[2:])
    request = TxParams({"from": account.address, "to": CREATE2_DEPLOYER, "data": HexBytes(salt + code)})
    receipt = eth.wait_for_transaction_receipt(eth.send_transaction(request), poll_latency=0.02)
    assert receipt["status"] == 1
    assert eth.contract(address=expected, abi=COUNTER["abi"]).functions.value().call() == 21
    with pytest.raises(ContractLogicError):
        call(context, CREATE2_DEPLOYER, salt + code)


def test_a_transaction_without_a_chain_id_is_refused(context: Context) -> None:
    account = Account.create()
    context.send("anvil_setBalance", account.address, hex(10**18))
    request = {"to": account.address, "gas": 21_000, "nonce": 0, "value": 1, "gasPrice": GAS_PRICE}
    raw = account.sign_transaction(request).raw_transaction
    with pytest.raises(Web3RPCError, match=r"only replay-protected \(EIP-155\) transactions allowed over RPC"):
        context.w3.eth.send_raw_transaction(raw)
    assert context.w3.eth.get_transaction_count(account.address, "pending") == 0
    signed = account.sign_transaction({**request, "chainId": context.w3.eth.chain_id}).raw_transaction
    assert context.w3.eth.wait_for_transaction_receipt(context.w3.eth.send_raw_transaction(signed))["status"] == 1
