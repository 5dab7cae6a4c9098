"""The genesis document."""

import msgspec
import pytest

from zerog import networks
from zerog._kernel import keccak256
from zerog.chain.protocol.genesis import GenesisUnknownError, genesis_document
from zerog.chain.protocol.system_contracts import CREATE2_DEPLOYER_CODE, CREATE2_DEPLOYER_CODE_HASH, SYSTEM_CONTRACTS
from zerog.networks import GenesisContract
from zerog.primitives import Address, Hash32, derive_accounts

LOCAL = networks.load("local")
assert LOCAL.genesis is not None
ACCOUNTS = derive_accounts(LOCAL.genesis.mnemonic, LOCAL.genesis.account_count)
CONTRACT = Address(b"\x11" * 20)
ONE = Hash32(bytes(31) + b"\x01")


def test_the_deployer_has_the_code_that_foundry_checks() -> None:
    assert keccak256(CREATE2_DEPLOYER_CODE) == CREATE2_DEPLOYER_CODE_HASH


# Code hashes of the four contracts on Ethereum's main network, as each EIP's deployment transaction leaves them.
def test_system_contracts_guard_their_system_call() -> None:
    system_address = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
    for code in SYSTEM_CONTRACTS.values():
        assert code.startswith(b"\x33\x73" + system_address + b"\x14")  # CALLER PUSH20 … EQ


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert genesis_document(LOCAL, "prague", ACCOUNTS, {CONTRACT: GenesisContract(b"\x00")}) == genesis_document(
        LOCAL, "prague", ACCOUNTS, {CONTRACT: GenesisContract(b"\x00")}
    )


def test_accounts_and_contracts_stand_in_the_allocation() -> None:
    document = msgspec.json.decode(genesis_document(LOCAL, "prague", ACCOUNTS, {CONTRACT: GenesisContract(b"\x00\x01", {ONE: ONE}, 2)}))
    alloc = document["alloc"]
    assert alloc[ACCOUNTS[0].address.hex().join(("0x", ""))] == {"balance": hex(10_000 * 10**18), "nonce": "0xf"}
    assert alloc[ACCOUNTS[9].address.hex().join(("0x", ""))] == {"balance": hex(10_000 * 10**18), "nonce": "0x0"}
    one = "0x" + ONE.hex()
    assert alloc["0x" + CONTRACT.hex()] == {
        "balance": "0x0",
        "nonce": "0x2",
        "code": "0x0001",
        "storage": {one: one},
    }
    assert len(alloc) == 10 + len(SYSTEM_CONTRACTS) + 2
    assert list(alloc) == sorted(alloc)


def test_osaka_is_switched_on_only_when_asked_for() -> None:
    prague = msgspec.json.decode(genesis_document(LOCAL, "prague", (), {}))["config"]
    osaka = msgspec.json.decode(genesis_document(LOCAL, "osaka", (), {}))["config"]
    assert "osakaTime" not in prague
    assert osaka["osakaTime"] == 0
    assert prague["pragueTime"] == 0


def test_a_network_that_others_began_has_no_genesis_here() -> None:
    with pytest.raises(GenesisUnknownError, match="mainnet"):
        genesis_document(networks.load("mainnet"), "prague", (), {})
