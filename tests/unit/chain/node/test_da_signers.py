"""The precompiled contract 0x…1000 that knows DA's signers: methods, gas, signers, callers, faults, and how calls may come.

Facts: 0glabs/0g-geth, core/vm/dasigners.go.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from py_ecc import optimized_bn128 as curve_of_others

from tests.unit.chain.node.conftest import Running, text
from tests.unit.chain.node.da_chain import (
    CHAIN_ID,
    DA,
    DETAIL,
    EPOCH_BLOCKS,
    FIRST,
    GAS,
    METHODS,
    REGISTRY,
    REVERTER,
    SECOND,
    STRANGER,
    THIRD,
    Da,
    da_rules,
    data,
    detail,
    forward_to,
    numbers,
    run_da_node,
)
from tests.unit.chain.node.da_model import ROWS, word
from zerog._kernel import abi_decode, abi_encode, keccak256
from zerog.networks import RULES

curve: Any = curve_of_others
MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Of the field of coordinates."""


@pytest.fixture(scope="module")
def module_node() -> Iterator[Running]:
    """A chain whose epochs are short."""
    yield from run_da_node(da_rules())


@pytest.fixture
def da(chain: Running) -> Da:
    return Da(chain)


def test_methods_and_events_have_the_hashes_of_the_public_network(da: Da) -> None:
    for method, (types, selector, _) in METHODS.items():
        assert keccak256(f"{method}({','.join(types)})".encode())[:4].hex() == selector
    [first, second] = da.register(FIRST)["logs"]
    assert first["topics"][0] == text(keccak256(b"NewSigner(address,(uint256,uint256),(uint256[2],uint256[2]))"))
    assert first["topics"][0] == "0x679917c2006df1daaa987a56bf1d66e99764d5ad317892d9e83a6eb4e3f051e7"
    assert second["topics"][0] == text(keccak256(b"SocketUpdated(address,string)"))
    assert second["topics"][0] == "0x09617a966176a40f8f1410768b118506db0096484acd5811064fcc12038798de"


def test_params_are_those_of_the_reference_but_for_the_length_of_an_epoch(da: Da) -> None:
    assert da.ask(["uint256"] * 5, "params") == (30, 102_400, 10, EPOCH_BLOCKS, 3_072)


def test_before_the_first_epoch_there_is_nothing(da: Da) -> None:
    assert (da.number("epochNumber"), da.number("quorumCount", 0), da.number("quorumCount", 7)) == (0, 0, 0)
    assert not da.flag("isSigner", FIRST.address)
    assert not da.flag("registeredEpoch", FIRST.address, 1)
    assert da.chain.rpc("eth_call", {"to": DA, "data": data("getSigner", [])}) == text(abi_encode(["address[]"], [[]]))


@pytest.mark.parametrize(("method", "gas"), [(method, gas) for method, (_, _, gas) in METHODS.items()])
def test_each_method_costs_its_flat_fee(da: Da, method: str, gas: int) -> None:
    da.register(FIRST)
    da.next_epoch({FIRST: 5})
    arguments: dict[str, tuple[Any, ...]] = {
        "quorumCount": (1,),
        "isSigner": (FIRST.address,),
        "getSigner": ([FIRST.address],),
        "getQuorum": (1, 0),
        "getQuorumRow": (1, 0, 3071),
        "registeredEpoch": (FIRST.address, 1),
        "getAggPkG1": (1, 0, bytes(384)),
        "registerSigner": (detail(SECOND), numbers(SECOND.possession(CHAIN_ID))),
        "registerNextEpoch": (FIRST.address, numbers(FIRST.entry(2, CHAIN_ID)), 1),
        "updateSocket": ("here",),
    }
    call = data(method, *arguments.get(method, ()))
    payload = bytes.fromhex(call[2:])
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in payload)
    sender = {"updateSocket": text(FIRST.address), "registerSigner": REGISTRY, "registerNextEpoch": REGISTRY}.get(method, STRANGER)
    assert da.act(sender, call, gas=intrinsic + gas)["gasUsed"] == hex(intrinsic + gas)
    short = da.act(sender, call, gas=intrinsic + gas - 1)
    assert (short["status"], short["gasUsed"]) == ("0x0", hex(intrinsic + gas - 1))


def test_a_signer_is_registered_with_its_keys_and_two_events(da: Da) -> None:
    receipt = da.register(SECOND)
    new, socket = receipt["logs"]
    key_g1, key_g2 = SECOND.keys
    assert (new["address"], new["topics"][1:]) == (DA, ["0x" + SECOND.address.rjust(32, b"\0").hex()])
    assert new["data"] == text(key_g1 + key_g2)
    assert socket["topics"][1:] == new["topics"][1:]
    assert abi_decode(["string"], bytes.fromhex(socket["data"][2:])) == (SECOND.socket.decode(),)
    da.register(THIRD)
    assert da.flag("isSigner", SECOND.address)
    wanted = [THIRD, SECOND, THIRD]
    answer = da.chain.rpc("eth_call", {"to": DA, "data": data("getSigner", [one.address for one in wanted]), "gas": hex(GAS)})
    assert answer == text(abi_encode([f"{DETAIL}[]"], [[detail(one) for one in wanted]]))


def test_a_signer_is_registered_once_by_the_registry_alone_and_with_its_own_signature(da: Da) -> None:
    def call(**changes: Any) -> str:
        given = {"signer": detail(FIRST), "signature": numbers(FIRST.possession(CHAIN_ID))} | changes
        return data("registerSigner", given["signer"], given["signature"])

    assert da.fault(call()) == "sender not registry"
    assert da.fault(call(), text(FIRST.address)) == "sender not registry"
    other = detail(SECOND)
    address, socket, key_g1, key_g2 = detail(FIRST)
    (x0, x1), (y0, y1) = key_g2
    bad: list[dict[str, Any]] = [
        {"signature": numbers(FIRST.possession(CHAIN_ID + 1))},
        {"signature": numbers(SECOND.possession(CHAIN_ID))},
        {"signature": numbers(replace(FIRST, address=SECOND.address).possession(CHAIN_ID))},
        {"signature": [1, 3]},
        {"signature": [0, 0]},
        {"signer": (address, socket, other[2], key_g2)},
        {"signer": (address, socket, key_g1, other[3])},
        {"signer": (address, socket, (key_g1[0], key_g1[1] + 1), key_g2)},
        {"signer": (address, socket, (key_g1[0] + MODULUS, key_g1[1]), key_g2)},
        {"signer": (address, socket, key_g1, ([x1, x0], [y1, y0]))},
        {"signer": (address, socket, (0, 0), ([0, 0], [0, 0])), "signature": [0, 0]},
    ]
    for changes in bad:
        assert da.fault(call(**changes), REGISTRY) == "invalid signature"
    assert da.fault(call(signer=(address, "x" * 97, key_g1, key_g2)), REGISTRY) == "socket too long"
    assert da.act(REGISTRY, call(signer=(address, "x" * 96, key_g1, key_g2)))["status"] == "0x1"
    assert da.fault(call(), REGISTRY) == "signer exists"


def product(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    """Of two numbers a + bi."""
    return (one[0] * two[0] - one[1] * two[1]) % MODULUS, (one[0] * two[1] + one[1] * two[0]) % MODULUS


def roots(square: int) -> list[int]:
    found = pow(square, (MODULUS + 1) // 4, MODULUS)
    return [found] if found and found * found % MODULUS == square % MODULUS else []


def points_of_the_curve() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Points of the curve of G2, hardly ever of the group: its share of the curve is one in 2^254. Source of `b`: EIP-197."""
    b = (
        19485874751759354771024239261021720505790618469301721065564631296452457478373,
        266929791119991161246907387137283842545076965332900288569378510910307636690,
    )
    for n in range(1, 100):
        cube = product(product((n, 1), (n, 1)), (n, 1))
        real, imaginary = ((one + two) % MODULUS for one, two in zip(cube, b, strict=True))
        for norm in roots(real * real + imaginary * imaginary):
            for y in roots((real + norm) * pow(2, -1, MODULUS)):
                yield (n, 1), (y, imaginary * pow(2 * y, -1, MODULUS) % MODULUS)


def test_a_key_outside_the_group_is_refused(da: Da) -> None:
    address, socket, key_g1, _ = detail(FIRST)
    x, y = next(points_of_the_curve())
    assert curve.is_on_curve(tuple(map(curve.FQ2, (x, y, (1, 0)))), curve.b2)
    call = data("registerSigner", (address, socket, key_g1, (list(x), list(y))), numbers(FIRST.possession(CHAIN_ID)))
    assert da.fault(call, REGISTRY) == "invalid signature"


def test_a_signer_moves_by_itself_and_by_nobody_else(da: Da) -> None:
    da.register(FIRST)
    mover = text(FIRST.address)
    [event] = da.act(mover, data("updateSocket", "10.0.0.1:1"))["logs"]
    assert abi_decode(["string"], bytes.fromhex(event["data"][2:])) == ("10.0.0.1:1",)
    [found] = da.ask([f"{DETAIL}[]"], "getSigner", [FIRST.address])
    assert found[0][1] == "10.0.0.1:1"
    assert da.fault(data("updateSocket", "x"), STRANGER) == "signer not found"
    assert da.fault(data("updateSocket", "x" * 97), mover) == "socket too long"
    forwarder = da.chain.place(forward_to("f1"))
    sent = {"from": mover, "to": forwarder, "data": data("updateSocket", "x"), "gas": hex(GAS)}
    assert int(da.chain.rpc("eth_call", sent), 16) == 0, "the forwarder is not the origin"
    da.chain.rpc("anvil_setCode", mover, forward_to("f1"))
    assert int(da.chain.rpc("eth_call", {**sent, "to": mover}), 16) == 1, "the origin is its own forwarder"


def test_unknown_signers_and_lists_that_no_quorum_has_are_refused(da: Da) -> None:
    da.register(FIRST)
    assert da.fault(data("getSigner", [FIRST.address, SECOND.address])) == "signer not found"
    assert da.fault(data("getSigner", [FIRST.address] * (ROWS + 1))) == "too many signers asked for"
    answer = da.chain.rpc("eth_call", {"to": DA, "data": data("getSigner", [FIRST.address] * ROWS), "gas": hex(GAS)})
    assert answer[2:].count(FIRST.address.hex()) == ROWS


def test_a_fault_takes_all_gas_and_bad_input_keeps_the_rest(da: Da) -> None:
    refused = da.act(STRANGER, data("getQuorum", 1, 0), gas=400_000)
    assert (refused["status"], refused["gasUsed"]) == ("0x0", hex(400_000))
    for call in (
        "0x",
        "0xcff0ab",
        "0x5ecba503",
        data("getSigner", [FIRST.address])[:-2],
        "0x0f62bda5" + "00" * 127,
        "0x0cf4b767" + "ff" * 32,
    ):
        assert da.fault(call) == "execution reverted"
        receipt = da.act(STRANGER, call, gas=400_000)
        assert receipt["status"] == "0x0"
        assert int(receipt["gasUsed"], 16) < 200_000
    assert da.act(STRANGER, "0x12345678", gas=400_000)["gasUsed"] == hex(400_000)
    assert da.ask(["uint256"], "epochNumber") == (0,)
    longer = da.chain.rpc("eth_call", {"to": DA, "data": data("epochNumber") + "ab" * 40})
    assert longer == text(word(0)), "words that nobody asked for are not looked at"


def test_a_static_call_registers_nobody_and_makes_an_epoch_all_the_same(da: Da) -> None:
    da.register(FIRST)
    registry = da.chain.place(forward_to("fa"), REGISTRY)
    calls = {
        data("isSigner", FIRST.address): 1,
        data("registerSigner", detail(SECOND), numbers(SECOND.possession(CHAIN_ID))): 0,
        data("registerNextEpoch", FIRST.address, numbers(FIRST.entry(1, CHAIN_ID)), 1): 0,
        data("updateSocket", "x"): 0,
        data("makeEpoch"): 1,
    }
    for call, succeeds in calls.items():
        assert int(da.chain.rpc("eth_call", {"from": text(FIRST.address), "to": registry, "data": call, "gas": hex(GAS)}), 16) == succeeds
    da.act(STRANGER, data("makeEpoch"), to=registry, gas=21_000_000)
    assert da.number("epochNumber") == 1


def test_a_static_call_that_comes_first_of_all_is_not_lost(da: Da) -> None:
    contract = da.chain.place(forward_to("fa"))
    da.act(STRANGER, data("makeEpoch"), to=contract, gas=21_000_000)
    assert (da.number("epochNumber"), da.chain.rpc("eth_getCode", DA, "latest")) == (1, "0x01")


def test_who_borrows_the_code_does_not_act_as_its_caller(da: Da) -> None:
    contract = da.chain.place(forward_to("f4"))
    call = {"to": contract, "data": data("registerSigner", detail(FIRST), numbers(FIRST.possession(CHAIN_ID))), "gas": hex(GAS)}
    assert int(da.chain.rpc("eth_call", {**call, "from": REGISTRY}), 16) == 0
    da.chain.place(forward_to("f4"), REGISTRY)
    assert int(da.chain.rpc("eth_call", {**call, "from": STRANGER, "to": REGISTRY}), 16) == 1


def test_what_ends_in_a_revert_was_not(da: Da) -> None:
    da.register(FIRST)
    da.enter(FIRST, 4)
    before = da.chain.rpc("eth_getProof", DA, [], "latest")["storageHash"]
    reverter = da.chain.place(REVERTER)
    assert da.act(STRANGER, data("makeEpoch"), to=reverter, gas=21_000_000)["status"] == "0x0"
    assert (da.number("epochNumber"), da.number("quorumCount", 1)) == (0, 0)
    assert da.chain.rpc("eth_getProof", DA, [], "latest")["storageHash"] == before
    block = da.chain.rpc("evm_snapshot")
    da.make()
    after = da.chain.rpc("eth_getProof", DA, [], "latest")["storageHash"]
    assert after != before
    da.chain.rpc("evm_revert", block)
    assert da.chain.rpc("eth_getProof", DA, [], "latest")["storageHash"] == before


def test_traces_estimates_access_lists_and_moves_know_the_contract(da: Da) -> None:
    call = data("registerSigner", detail(FIRST), numbers(FIRST.possession(CHAIN_ID)))
    receipt = da.register(FIRST)
    trace = da.chain.rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer", "tracerConfig": {"withLog": True}})
    assert trace["gasUsed"] == receipt["gasUsed"]
    assert [log["topics"][0] for log in trace["logs"]] == [log["topics"][0] for log in receipt["logs"]]
    update = {"from": text(FIRST.address), "to": DA, "data": data("updateSocket", "here")}
    estimate = int(da.chain.rpc("eth_estimateGas", update), 16)
    assert estimate == 21_000 + 50_000 + sum(16 if byte else 4 for byte in bytes.fromhex(update["data"][2:]))
    listed = da.chain.rpc("eth_createAccessList", update)
    assert (listed["accessList"], int(listed["gasUsed"], 16)) == ([], estimate)
    elsewhere = "0x" + "99" * 20
    overrides = {DA: {"movePrecompileToAddress": elsewhere}}
    asked = {"to": elsewhere, "data": data("isSigner", FIRST.address)}
    assert int(da.chain.rpc("eth_call", asked, "latest", overrides), 16) == 1
    assert da.chain.refusal("eth_call", {**asked, "to": DA}, "latest", overrides).message == "stack underflow", "the code 0x01 is left"
    assert da.chain.refusal("eth_call", {"from": REGISTRY, "to": DA, "data": call, "gas": hex(GAS)}).message == "signer exists"


def test_after_the_gas_floor_the_state_is_the_same() -> None:
    """Under the rules of the public networks, epochs of 28,800 blocks and the floor of gas included."""
    for chain in run_da_node(RULES["zero-gravity"]):
        da = Da(chain)
        receipt = da.register(FIRST)
        assert (receipt["status"], receipt["gasUsed"]) == ("0x1", hex(800_000))
        assert da.ask(["uint256"] * 5, "params")[3] == 28_800
        da.make()
        da.chain.rpc("anvil_mine", hex(28_798))
        da.make()
        assert da.number("epochNumber") == 1
        da.make()
        assert da.number("epochNumber") == 2


def test_on_a_chain_by_the_rules_of_ethereum_nobody_is_there() -> None:
    for chain in run_da_node(RULES["ethereum"]):
        da = Da(chain)
        assert chain.rpc("eth_call", {"to": DA, "data": data("params")}) == "0x"
        assert (da.register(FIRST)["logs"], chain.rpc("eth_getCode", DA, "latest")) == ([], "0x")
