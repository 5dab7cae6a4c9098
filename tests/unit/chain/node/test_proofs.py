"""`eth_getProof` against state roots of headers, by a verifier of our own that knows nothing of the kernel's tries."""

import random
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from tests.unit.chain.node.programs import STORE, word
from zerog._kernel import keccak256
from zerog.primitives import decode_data

Item: TypeAlias = "bytes | list[Item]"

CONTRACT = "0x" + "c1" * 20
STRANGER = "0x" + "5a" * 20
EMPTY_ROOT = text(keccak256(b"\x80"))


# ---- a verifier ------------------------------------------------------------------------------------------------------


def decode_rlp(data: bytes) -> tuple[Item, bytes]:
    """The first item, and what follows it. Source: Ethereum yellow paper, appendix B."""
    first = data[0]
    if first < 0x80:
        return data[:1], data[1:]
    kind, short = (0xC0, 0xF7) if first >= 0xC0 else (0x80, 0xB7)
    begin, size = 1, first - kind
    if first > short:
        begin = 1 + first - short
        size = int.from_bytes(data[1:begin], "big")
    payload, rest = data[begin : begin + size], data[begin + size :]
    if kind == 0x80:
        return payload, rest
    items: list[Item] = []
    while payload:
        item, payload = decode_rlp(payload)
        items.append(item)
    return items, rest


def nibbles(data: bytes) -> list[int]:
    return [nibble for byte in data for nibble in (byte >> 4, byte & 15)]


def verify(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that a proof shows, or `None` where it shows that there is none. Source: Ethereum yellow paper, appendix D."""
    path, nodes = nibbles(keccak256(key)), list(proof)
    if not nodes:
        assert root == keccak256(b"\x80"), "only an empty trie has an empty proof"
        return None
    reference: Item = root
    while True:
        if isinstance(reference, bytes):
            if not reference:
                assert not nodes, "nodes after the end of the way"
                return None
            encoded = nodes.pop(0)
            assert keccak256(encoded) == reference, "a node is not the one that its parent names"
            node, rest = decode_rlp(encoded)
            assert not rest
        else:
            node = reference
        assert isinstance(node, list)
        if len(node) == 17:
            reference, path = node[path[0]], path[1:]
            continue
        prefix, value = node
        assert isinstance(prefix, bytes)
        flag, *way = nibbles(prefix)
        way = way if flag & 1 else way[1:]
        if path[: len(way)] != way:
            assert not nodes, "nodes after the end of the way"
            return None
        if flag & 2:
            assert isinstance(value, bytes)
            assert len(path) == len(way)
            assert not nodes
            return value
        reference, path = value, path[len(way) :]


def check(answer: dict[str, Any], root: str) -> None:
    """An answer's proofs lead from `root` to what the answer says."""
    leaf = verify(decode_data(root), decode_data(answer["address"]), [decode_data(node) for node in answer["accountProof"]])
    if leaf is None:
        assert (answer["nonce"], answer["balance"], answer["storageHash"]) == ("0x0", "0x0", EMPTY_ROOT)
        assert answer["codeHash"] == text(keccak256(b""))
    else:
        fields, _ = decode_rlp(leaf)
        nonce, balance, storage_root, code_hash = fields
        assert isinstance(nonce, bytes)
        assert isinstance(balance, bytes)
        assert (int.from_bytes(nonce, "big"), int.from_bytes(balance, "big")) == (int(answer["nonce"], 16), int(answer["balance"], 16))
        assert (storage_root, code_hash) == (decode_data(answer["storageHash"]), decode_data(answer["codeHash"]))
    for entry in answer["storageProof"]:
        slot = int(entry["key"], 16).to_bytes(32, "big")
        value = verify(decode_data(answer["storageHash"]), slot, [decode_data(node) for node in entry["proof"]])
        shown = b"" if value is None else decode_rlp(value)[0]
        assert isinstance(shown, bytes)
        assert int.from_bytes(shown, "big") == int(entry["value"], 16)


# ---- claims ----------------------------------------------------------------------------------------------------------


def write(chain: Running, slot: int, value: int) -> None:
    chain.send(to=decode_data(CONTRACT), data=decode_data(word(slot) + word(value)[2:]), gas_limit=100_000)


def test_proofs_lead_from_the_state_root_of_any_block_in_the_window(chain: Running) -> None:
    dice = random.Random(20)
    chain.place(STORE, CONTRACT)
    begin = chain.number()
    for _ in range(40):
        write(chain, dice.randrange(8), dice.randrange(3))
    for _ in range(25):
        number = hex(dice.randrange(max(begin - 3, 0), chain.number() + 1))
        block = chain.rpc("eth_getBlockByNumber", number, False)
        for address in (CONTRACT, STRANGER, text(ACCOUNTS[1].address)):
            answer = chain.rpc("eth_getProof", address, [hex(slot) for slot in range(9)], number)
            check(answer, block["stateRoot"])
            for slot, entry in enumerate(answer["storageProof"]):
                assert int(entry["value"], 16) == int(chain.rpc("eth_getStorageAt", address, hex(slot), number), 16)


def test_edits_show_in_the_pending_proof_and_not_in_the_newest(chain: Running) -> None:
    chain.place(STORE, CONTRACT)
    chain.rpc("evm_mine")
    chain.rpc("anvil_setStorageAt", CONTRACT, "0x1", word(0xEE))
    newest = chain.rpc("eth_getProof", CONTRACT, ["0x1"], "latest")
    pending = chain.rpc("eth_getProof", CONTRACT, ["0x1"], "pending")
    check(newest, chain.rpc("eth_getBlockByNumber", "latest", False)["stateRoot"])
    check(pending, chain.rpc("eth_getBlockByNumber", "pending", False)["stateRoot"])
    assert (newest["storageProof"][0]["value"], pending["storageProof"][0]["value"]) == ("0x0", "0xee")
    assert chain.rpc("eth_getAccount", CONTRACT, "latest")["storageRoot"] == pending["storageHash"]


@pytest.mark.parametrize("key", ["0x1", "0x01", "0x" + "00" * 31 + "01"])
def test_a_slot_is_named_as_it_was_asked_for(chain: Running, key: str) -> None:
    assert chain.rpc("eth_getProof", CONTRACT, [key], "latest")["storageProof"][0]["key"] == key


def test_a_block_is_named_by_its_hash_too(chain: Running) -> None:
    chain.send()
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    by_hash = chain.rpc("eth_getProof", text(ACCOUNTS[1].address), [], {"blockHash": block["hash"]})
    assert by_hash == chain.rpc("eth_getProof", text(ACCOUNTS[1].address), [], block["number"])
    check(by_hash, block["stateRoot"])


def test_proofs_reach_back_128_blocks_and_no_further(chain: Running) -> None:
    chain.rpc("anvil_mine", hex(200))
    oldest = chain.number() - 128
    check(chain.rpc("eth_getProof", STRANGER, [], hex(oldest)), chain.rpc("eth_getBlockByNumber", hex(oldest), False)["stateRoot"])
    refused = chain.refusal("eth_getProof", STRANGER, [], hex(oldest - 1))
    assert (refused.code, refused.message) == (
        -32000,
        f"distance to target block exceeds maximum proof window: block {oldest - 1} is before {oldest}",
    )


def test_slots_that_are_no_slots_and_too_many_are_refused(chain: Running) -> None:
    assert chain.refusal("eth_getProof", STRANGER, ["0xzz"], "latest").code == -32602
    assert chain.refusal("eth_getProof", STRANGER, ["0x1"] * 1_025, "latest").code == -38026
