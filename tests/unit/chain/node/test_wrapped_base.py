"""The precompiled contract 0x…1002 behind W0G: methods, callers, gas, effects, faults, storage.

Facts: 0glabs/0g-geth, core/vm/wrapped_a0gi_base.go; 0gfoundation/revm, crates/precompile/src/wa0gi_base/.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, run_node, text
from zerog._kernel import keccak256
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import own_network

BASE = "0x0000000000000000000000000000000000001002"
W0G = "0x1cd0690ff9a693f5ef2dd976660a8dafc81a109c"
AGENCY = "0xe1a5162f99e075f8c6681ae28191ab3ac250b468"
MINTER, OWNER, STRANGER = text(ACCOUNTS[3].address), text(ACCOUNTS[0].address), text(ACCOUNTS[4].address)
ETHER = 10**18
GAS = 1_000_000


def data(signature: str, *arguments: int | str) -> str:
    """Call data; an address is given as text."""
    words = (int(argument, 16) if isinstance(argument, str) else argument for argument in arguments)
    return text(keccak256(signature.encode())[:4] + b"".join(word.to_bytes(32, "big") for word in words))


def act(chain: Running, sender: str, to: str, call: str, *, gas: int = GAS) -> Any:
    """A transaction in the name of anybody; its receipt."""
    chain.rpc("anvil_impersonateAccount", sender)
    fields = {"from": sender, "to": to, "data": call, "gas": hex(gas), "gasPrice": hex(10**11)}
    if chain.balance(bytes.fromhex(sender[2:])) < ETHER and sender != W0G:
        chain.rpc("anvil_setBalance", sender, hex(10 * ETHER))
    if sender == W0G:
        fields["gasPrice"] = "0x0"
        chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
    receipt = chain.rpc("eth_getTransactionReceipt", chain.rpc("eth_sendTransaction", fields))
    chain.rpc("anvil_stopImpersonatingAccount", sender)
    return receipt


def supply(chain: Running, minter: str = MINTER) -> tuple[int, int, int]:
    """Cap, initial supply and supply."""
    answer = bytes.fromhex(chain.rpc("eth_call", {"to": BASE, "data": data("minterSupply(address)", minter)})[2:])
    assert len(answer) == 96
    cap, initial, minted = (int.from_bytes(answer[at : at + 32], "big") for at in (0, 32, 64))
    return cap, initial, minted


def set_cap(chain: Running, cap: int, initial: int, minter: str = MINTER) -> None:
    receipt = act(chain, OWNER, AGENCY, data("setMinterCap(address,uint256,uint256)", minter, cap, initial))
    assert receipt["status"] == "0x1"


def tokens(chain: Running, holder: str) -> int:
    return int(chain.rpc("eth_call", {"to": W0G, "data": data("balanceOf(address)", holder)}), 16)


def test_it_names_the_token(chain: Running) -> None:
    assert chain.rpc("eth_call", {"to": BASE, "data": "0xa9283a7a"}) == "0x" + W0G[2:].rjust(64, "0")
    assert supply(chain) == (0, 0, 0)


def test_a_cap_sets_what_may_be_minted_and_its_initial_supply_counts(chain: Running) -> None:
    for cap, initial, minted in ((8, 4, 4), (9, 1, 1), (9, 3, 3)):
        set_cap(chain, cap, initial)
        assert supply(chain) == (cap, initial, minted)
    act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 2))
    set_cap(chain, 9, 0)
    assert supply(chain) == (9, 0, 2)
    act(chain, MINTER, W0G, data("burn(address,uint256)", MINTER, 0))
    set_cap(chain, 9, 5)
    act(chain, OWNER, AGENCY, data("setMinterCap(address,uint256,uint256)", MINTER, 9, 0))
    assert supply(chain) == (9, 0, 2)


def test_the_supply_never_falls_below_zero_when_the_initial_one_does(chain: Running) -> None:
    set_cap(chain, 100, 10)
    chain.rpc("anvil_setBalance", W0G, hex(10))
    assert act(chain, W0G, BASE, data("burn(address,uint256)", MINTER, 8), gas=150_000)["status"] == "0x1"
    assert supply(chain) == (100, 10, 2)
    set_cap(chain, 100, 1)
    assert supply(chain) == (100, 1, 0)


def test_only_the_owner_of_the_agency_sets_caps(chain: Running) -> None:
    call = data("setMinterCap(address,uint256,uint256)", MINTER, 1, 0)
    assert act(chain, STRANGER, AGENCY, call)["status"] == "0x0"
    assert act(chain, OWNER, BASE, call)["status"] == "0x0"
    assert chain.refusal("eth_call", {"from": OWNER, "to": BASE, "data": call, "gas": hex(GAS)}).message == "sender is not agency"
    assert act(chain, OWNER, AGENCY, data("transferOwnership(address)", STRANGER))["status"] == "0x1"
    assert act(chain, OWNER, AGENCY, call)["status"] == "0x0"
    assert act(chain, STRANGER, AGENCY, call)["status"] == "0x1"
    assert supply(chain) == (1, 0, 0)


def test_minting_and_burning_change_tokens_supply_and_native_balance_together(chain: Running) -> None:
    set_cap(chain, 8 * ETHER, 0)
    before = chain.balance(bytes.fromhex(W0G[2:]))
    minted = act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 5 * ETHER))
    assert minted["status"] == "0x1"
    [log] = minted["logs"]
    assert log["topics"][0] == text(keccak256(b"Mint(address,address,uint256)"))
    assert (tokens(chain, STRANGER), supply(chain)[2]) == (5 * ETHER, 5 * ETHER)
    assert chain.balance(bytes.fromhex(W0G[2:])) - before == 5 * ETHER
    assert act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 4 * ETHER))["status"] == "0x0"
    assert act(chain, STRANGER, W0G, data("mint(address,uint256)", STRANGER, 1))["status"] == "0x0"
    assert act(chain, STRANGER, W0G, data("transfer(address,uint256)", MINTER, 2 * ETHER))["status"] == "0x1"
    assert act(chain, MINTER, W0G, data("burn(uint256)", ETHER))["status"] == "0x1"
    assert act(chain, STRANGER, W0G, data("approve(address,uint256)", MINTER, ETHER))["status"] == "0x1"
    assert act(chain, MINTER, W0G, data("burnFrom(address,uint256)", STRANGER, ETHER))["status"] == "0x1"
    assert act(chain, MINTER, W0G, data("burn(address,uint256)", STRANGER, 1))["status"] == "0x0"
    assert act(chain, STRANGER, W0G, data("burn(uint256)", 1))["status"] == "0x0"
    assert (tokens(chain, STRANGER), tokens(chain, MINTER), supply(chain)[2]) == (2 * ETHER, ETHER, 3 * ETHER)
    assert chain.balance(bytes.fromhex(W0G[2:])) - before == 3 * ETHER
    assert int(chain.rpc("eth_call", {"to": W0G, "data": data("totalSupply()")}), 16) - before == 3 * ETHER


@pytest.mark.parametrize(
    ("sender", "call", "message"),
    [
        (STRANGER, data("mint(address,uint256)", MINTER, 1), "sender is not WA0GI"),
        (STRANGER, data("burn(address,uint256)", MINTER, 1), "sender is not WA0GI"),
        (W0G, data("mint(address,uint256)", MINTER, 1), "insufficient mint cap"),
        (W0G, data("mint(address,uint256)", MINTER, 2**256 - 1), "insufficient mint cap"),
        (W0G, data("burn(address,uint256)", MINTER, 1), "insufficient mint supply"),
        (STRANGER, data("setMinterCap(address,uint256,uint256)", MINTER, 1, 1), "sender is not agency"),
    ],
)
def test_a_fault_takes_all_gas_and_says_why(chain: Running, sender: str, call: str, message: str) -> None:
    assert chain.refusal("eth_call", {"from": sender, "to": BASE, "data": call, "gas": hex(GAS)}).message == message
    receipt = act(chain, sender, BASE, call, gas=400_000)
    assert (receipt["status"], receipt["gasUsed"]) == ("0x0", hex(400_000))


@pytest.mark.parametrize("call", ["0x", "0xa92838", data("mint(address,uint256)", MINTER), "0x95609212" + "00" * 31])
def test_bad_input_reverts_without_data_and_keeps_the_rest_of_the_gas(chain: Running, call: str) -> None:
    refusal = chain.refusal("eth_call", {"from": W0G, "to": BASE, "data": call, "gas": hex(GAS)})
    assert (refusal.code, refusal.message) == (3, "execution reverted")
    receipt = act(chain, STRANGER, BASE, call, gas=400_000)
    assert receipt["status"] == "0x0"
    assert int(receipt["gasUsed"], 16) < 200_000


def test_an_unknown_method_asks_for_more_gas_than_there_is(chain: Running) -> None:
    assert act(chain, STRANGER, BASE, "0x12345678", gas=400_000)["gasUsed"] == hex(400_000)


@pytest.mark.parametrize(
    ("call", "gas"),
    [("0xa9283a7a", 5_000), (data("minterSupply(address)", MINTER), 10_000), (data("mint(address,uint256)", MINTER, 0), 100_000)],
)
def test_each_method_costs_its_flat_fee(chain: Running, call: str, gas: int) -> None:
    payload = bytes.fromhex(call[2:])
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in payload)
    sender = W0G if gas == 100_000 else STRANGER
    assert act(chain, sender, BASE, call, gas=intrinsic + gas)["gasUsed"] == hex(intrinsic + gas)
    short = act(chain, sender, BASE, call, gas=intrinsic + gas - 1)
    assert (short["status"], short["gasUsed"]) == ("0x0", hex(intrinsic + gas - 1))


def forwarder(opcode: str) -> str:
    """Code that passes its call data on to 0x…1002 by DELEGATECALL (f4) or STATICCALL (fa), and returns whether that succeeded."""
    return "0x365f5f375f5f365f611002620493e0" + opcode + "5f5260205ff3"


def test_a_static_call_reads_and_does_not_write(chain: Running) -> None:
    chain.rpc("anvil_setCode", W0G, forwarder("fa"))
    for call, succeeds in ((data("minterSupply(address)", MINTER), 1), (data("mint(address,uint256)", MINTER, 0), 0)):
        assert int(chain.rpc("eth_call", {"to": W0G, "data": call, "gas": hex(GAS)}), 16) == succeeds


def test_who_borrows_the_code_does_not_act_as_its_caller(chain: Running) -> None:
    contract = chain.place(forwarder("f4"))
    call = {"from": W0G, "to": contract, "data": data("mint(address,uint256)", MINTER, 0), "gas": hex(GAS)}
    assert int(chain.rpc("eth_call", call), 16) == 0
    chain.rpc("anvil_setCode", W0G, forwarder("f4"))
    assert int(chain.rpc("eth_call", {**call, "from": STRANGER, "to": W0G}), 16) == 1


def test_the_first_use_leaves_code_and_the_storage_has_the_layout_of_the_reference(chain: Running) -> None:
    assert chain.rpc("eth_getCode", BASE, "latest") == "0x"
    set_cap(chain, ETHER, 0)
    assert chain.rpc("eth_getCode", BASE, "latest") == "0x01"
    packed = b"\x83\xa3Cap\xc4\x13" + str(ETHER).encode() + b"\xadInitialSupply\xc4\x010\xa6Supply\xc4\x010"
    base = keccak256(keccak256(b"\0" + ACCOUNTS[3].address))
    slots = [base, *(keccak256(base + index.to_bytes(8, "big")) for index in range(len(packed) // 32 + 2))]
    stored = [bytes.fromhex(chain.rpc("eth_getStorageAt", BASE, text(slot), "latest")[2:]) for slot in slots]
    assert int.from_bytes(stored[0], "big") == len(packed)
    assert b"".join(stored[1:]) == packed.ljust(32 * (len(slots) - 1), b"\0")


def test_a_block_and_its_trace_agree_about_it(chain: Running) -> None:
    set_cap(chain, ETHER, 0)
    receipt = act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 5))
    trace = chain.rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
    assert trace["gasUsed"] == receipt["gasUsed"]
    assert [(call["to"], call["from"]) for call in trace["calls"]] == [(BASE, W0G)]


@pytest.fixture(scope="module")
def zero_gravity() -> Iterator[Running]:
    yield from run_node(ChainNodeSettings(rpc_port=0), own_network(rules="zero-gravity"))


def test_under_the_gas_floor_it_does_the_same_and_more_is_charged(zero_gravity: Running) -> None:
    chain = zero_gravity
    set_cap(chain, 8 * ETHER, 0)
    before = chain.balance(bytes.fromhex(W0G[2:]))
    minted = act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 5))
    assert (minted["status"], minted["gasUsed"]) == ("0x1", hex(GAS * 80 // 100))
    assert (tokens(chain, STRANGER), supply(chain)) == (5, (8 * ETHER, 0, 5))
    assert chain.balance(bytes.fromhex(W0G[2:])) - before == 5
    assert chain.rpc("eth_getCode", BASE, "latest") == "0x01"
    refused = act(chain, STRANGER, BASE, data("mint(address,uint256)", MINTER, 1), gas=400_000)
    assert (refused["status"], refused["gasUsed"]) == ("0x0", hex(400_000))
    bad = act(chain, STRANGER, BASE, data("mint(address,uint256)", MINTER), gas=400_000)
    assert (bad["status"], bad["gasUsed"]) == ("0x0", hex(320_000))


@pytest.mark.parametrize(
    ("signature", "selector"),
    [
        ("getWA0GI()", "a9283a7a"),
        ("minterSupply(address)", "95609212"),
        ("mint(address,uint256)", "40c10f19"),
        ("burn(address,uint256)", "9dc29fac"),
        ("setMinterCap(address,uint256,uint256)", "dddba6c8"),
    ],
)
def test_its_methods_have_the_selectors_of_the_public_network(signature: str, selector: str) -> None:
    assert data(signature) == "0x" + selector


def test_what_the_token_does_not_hold_cannot_be_burnt(chain: Running) -> None:
    """The supply allows it, the native balance of W0G does not."""
    set_cap(chain, 100, 50)
    chain.rpc("anvil_setBalance", W0G, "0x5")
    call = {"from": W0G, "to": BASE, "data": data("burn(address,uint256)", MINTER, 6), "gas": hex(GAS)}
    assert chain.refusal("eth_call", call).message == "WA0GI balance insufficient"
    assert chain.rpc("eth_call", {**call, "data": data("burn(address,uint256)", MINTER, 5)}) == "0x"


def test_caps_of_minters_are_apart(chain: Running) -> None:
    other = text(ACCOUNTS[6].address)
    set_cap(chain, 10, 0)
    set_cap(chain, 3, 1, other)
    act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 10))
    assert (supply(chain), supply(chain, other)) == ((10, 0, 10), (3, 1, 1))
    assert act(chain, MINTER, W0G, data("mint(address,uint256)", STRANGER, 1))["status"] == "0x0"
    assert act(chain, other, W0G, data("mint(address,uint256)", STRANGER, 2))["status"] == "0x1"
    assert act(chain, other, W0G, data("mint(address,uint256)", STRANGER, 1))["status"] == "0x0"
    assert (supply(chain), supply(chain, other)) == ((10, 0, 10), (3, 1, 3))


def test_a_cap_below_the_supply_stops_minting_and_lets_burn(chain: Running) -> None:
    set_cap(chain, 10, 0)
    act(chain, MINTER, W0G, data("mint(address,uint256)", MINTER, 8))
    set_cap(chain, 5, 0)
    assert supply(chain) == (5, 0, 8)
    assert act(chain, MINTER, W0G, data("mint(address,uint256)", MINTER, 1))["status"] == "0x0"
    assert act(chain, MINTER, W0G, data("burn(uint256)", 4))["status"] == "0x1"
    assert act(chain, MINTER, W0G, data("mint(address,uint256)", MINTER, 1))["status"] == "0x1"
    assert supply(chain) == (5, 0, 5)


@pytest.fixture(scope="module")
def ethereum() -> Iterator[Running]:
    yield from run_node(ChainNodeSettings(rpc_port=0), own_network(rules="ethereum"))


def test_without_the_contract_nothing_is_minted(ethereum: Running) -> None:
    assert ethereum.rpc("eth_call", {"to": BASE, "data": "0xa9283a7a"}) == "0x"
    receipt = act(ethereum, OWNER, BASE, data("setMinterCap(address,uint256,uint256)", MINTER, 1, 0))
    assert (receipt["status"], receipt["logs"]) == ("0x1", [])  # An account without code takes any call.
    assert ethereum.rpc("eth_getCode", BASE, "latest") == "0x"
    refusal = ethereum.refusal("eth_call", {"from": MINTER, "to": W0G, "data": data("mint(address,uint256)", MINTER, 1)})
    assert refusal.message == "execution reverted: wrapped a0gi base mint failed"
