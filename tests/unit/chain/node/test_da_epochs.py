"""Epochs of DASigners: when they are made, whom their quorums hold, whose keys are summed, and what is stored of all that.

Facts: 0glabs/0g-geth, core/vm/dasigners.go; `da_model` follows its rules by itself.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.chain.node.conftest import Running, text
from tests.unit.chain.node.da_chain import (
    CHAIN_ID,
    DA,
    EPOCH_BLOCKS,
    FIRST,
    GAS,
    REGISTRY,
    REVERTER,
    SECOND,
    STRANGER,
    THIRD,
    Da,
    da_rules,
    data,
    numbers,
    run_da_node,
)
from tests.unit.chain.node.da_model import ROWS, VOTES_MAX, Signer, Storage, aggregate, quorums, signer, word
from zerog._kernel import keccak256

IS_LONG = os.environ.get("ZEROG_TEST_LONG") == "1"


@pytest.fixture(scope="module")
def module_node() -> Iterator[Running]:
    """A chain whose epochs are short."""
    yield from run_da_node(da_rules())


@pytest.fixture
def da(chain: Running) -> Da:
    return Da(chain)


def test_a_signer_enters_the_next_epoch_once_and_with_a_signature_for_it(da: Da) -> None:
    def call(signature: bytes, votes: int = 3, one: Signer = FIRST) -> str:
        return data("registerNextEpoch", one.address, numbers(signature), votes)

    entry = FIRST.entry(1, CHAIN_ID)
    assert da.fault(call(entry), STRANGER) == "sender not registry"
    assert da.fault(call(entry), REGISTRY) == "signer not found"
    da.register(FIRST)
    bad = [
        FIRST.entry(2, CHAIN_ID),
        FIRST.entry(1, CHAIN_ID + 1),
        SECOND.entry(1, CHAIN_ID),
        FIRST.possession(CHAIN_ID),
        bytes(64),
        b"\xff" * 64,
    ]
    for signature in bad:
        assert da.fault(call(signature), REGISTRY) == "invalid signature"
    receipt = da.act(REGISTRY, call(entry))
    assert (receipt["status"], receipt["logs"]) == ("0x1", [])
    assert da.flag("registeredEpoch", FIRST.address, 1)
    assert not da.flag("registeredEpoch", FIRST.address, 2)
    assert not da.flag("registeredEpoch", SECOND.address, 1)
    assert da.act(REGISTRY, call(entry, votes=5_000))["status"] == "0x1", "again, which changes nothing"
    da.make()
    assert da.quorums(1) == quorums([(FIRST.address, entry, 3)])
    assert da.slot(keccak256(b"\3" + (1).to_bytes(8, "big") + FIRST.address)) == word(3)


def test_an_epoch_lasts_its_blocks_and_the_next_begins_where_it_is_made(da: Da) -> None:
    made = [int(da.make()["blockNumber"], 16)]
    assert da.number("epochNumber") == 1
    for late in (0, 3):
        da.chain.rpc("anvil_mine", hex(made[-1] + EPOCH_BLOCKS - 2 - da.chain.number()))
        receipt = da.make()
        assert (receipt["status"], int(receipt["blockNumber"], 16)) == ("0x1", made[-1] + EPOCH_BLOCKS - 1)
        assert da.number("epochNumber") == len(made), "one block too early"
        if late:
            da.chain.rpc("anvil_mine", hex(late))
        made.append(int(da.make()["blockNumber"], 16))
        assert da.number("epochNumber") == len(made)
        assert da.slot(keccak256(b"\6" + len(made).to_bytes(8, "big"))) == word(made[-1])
    assert made[2] == made[1] + EPOCH_BLOCKS + 3


def test_an_epoch_that_nobody_entered_has_no_quorum(da: Da) -> None:
    da.make()
    assert (da.number("epochNumber"), da.number("quorumCount", 1)) == (1, 0)
    assert da.fault(data("getQuorum", 1, 0)) == "quorum id out of bound"


CASES = [
    {1: 1},
    {1: 1_000, 2: 1_500, 3: 571},
    {1: 1_024, 2: 1_024, 3: 1_024},
    {1: 1_024, 2: 1_024, 3: 1_025},
    {1: 10 * ROWS - 1},
    {1: 4 * ROWS, 2: 4 * ROWS, 3: 2 * ROWS + 5},
    {1: 0, 2: 7},
    {1: 2**256 - 1, 2: 2**63, 3: 50},
    {1: VOTES_MAX + 9, 2: 50},
]
"""Votes by signer: fewer ballots than rows, as many, one more, nearly all quorums, all of them, and five more; none; more than count."""


def counted(votes: int) -> int:
    """As many votes as the reference makes of a number: its low 64 bits with a sign."""
    low = votes % 2**64
    return max(low - 2**64 if low >= 2**63 else low, 0)


def test_the_quorums_are_those_of_the_model(da: Da) -> None:
    for index in (1, 2, 3):
        da.register(signer(index))
    for case in CASES:
        snapshot = da.chain.rpc("evm_snapshot")
        epoch = da.next_epoch({signer(index): votes for index, votes in case.items()})
        entries = [(signer(index).address, signer(index).entry(epoch, CHAIN_ID), counted(votes)) for index, votes in case.items()]
        assert da.quorums(epoch) == quorums(entries), case
        da.chain.rpc("evm_revert", snapshot)


def test_the_quorums_are_the_same_whoever_registers_first(da: Da) -> None:
    votes = {FIRST: 1_700, SECOND: 900, THIRD: 1_300}
    for one in votes:
        da.register(one)
    found = []
    for order in ([FIRST, SECOND, THIRD], [THIRD, SECOND, FIRST], [SECOND, THIRD, FIRST]):
        snapshot = da.chain.rpc("evm_snapshot")
        found.append(da.quorums(da.next_epoch({one: votes[one] for one in order})))
        da.chain.rpc("evm_revert", snapshot)
    assert found[0] == found[1] == found[2]


def test_random_epochs_have_the_quorums_of_the_model(da: Da) -> None:
    dice = random.Random(9)
    signers = [signer(index) for index in range(10, 18)]
    for one in signers:
        da.register(one)
    for _ in range(200 if IS_LONG else 8):
        size = dice.choice([20, 700, 2_000, 6_000])
        votes = {one: dice.randrange(size) for one in dice.sample(signers, dice.randrange(1, 9))}
        epoch = da.next_epoch(votes)
        assert da.quorums(epoch) == quorums([(one.address, one.entry(epoch, CHAIN_ID), count) for one, count in votes.items()])


def test_rows_and_quorums_out_of_bound_are_refused_and_epochs_are_read_as_64_bits(da: Da) -> None:
    da.register(FIRST)
    da.register(SECOND)
    da.next_epoch({FIRST: 2_000, SECOND: 2_000})
    assert da.number("quorumCount", 1) == 2
    whole = da.quorums(1)
    for row in (0, 1, 7, 1_023, 3_071):
        for index in (0, 1):
            answer = da.chain.rpc("eth_call", {"to": DA, "data": data("getQuorumRow", 1, index, row), "gas": hex(GAS)})
            assert answer == text(whole[index][row].rjust(32, b"\0"))
    assert da.fault(data("getQuorumRow", 1, 0, 3_072)) == "row id out of bound"
    for epoch, index in ((1, 2), (0, 0), (2, 0), (1, 2**64 - 1)):
        assert da.fault(data("getQuorum", epoch, index)) == "quorum id out of bound"
        assert da.fault(data("getQuorumRow", epoch, index, 0)) == "quorum id out of bound"
        assert da.fault(data("getAggPkG1", epoch, index, bytes(384))) == "quorum id out of bound"
    assert da.number("quorumCount", 2**64 + 1) == 2
    assert da.fault("0xfa6fcba6" + (word(1) + word(0) + word(2**32)).hex()) == "execution reverted"


def test_sums_of_keys_count_rows_as_the_model_does(da: Da) -> None:
    votes = {FIRST: 1_024, SECOND: 1_024, THIRD: 1_024}
    for one in votes:
        da.register(one)
    epoch = da.next_epoch(votes)
    [quorum] = da.quorums(epoch)
    keys = {one.address: one.keys[0] for one in votes}

    def rows(*chosen: int) -> bytes:
        return sum(1 << row for row in chosen).to_bytes(384, "little")

    def last(one: Signer) -> int:
        return max(row for row, address in enumerate(quorum) if address == one.address)

    def first(one: Signer) -> int:
        return quorum.index(one.address)

    dice = random.Random(3)
    bitmaps = [rows(), rows(*range(ROWS)), rows(*map(first, votes)), rows(*map(last, votes)), rows(last(FIRST), first(SECOND))]
    bitmaps += [dice.randbytes(384) for _ in range(5)] + [rows(*dice.sample(range(ROWS), 3)) for _ in range(5)]
    for bitmap in bitmaps:
        x, y, total, hit = da.ask(["uint256"] * 4, "getAggPkG1", epoch, 0, bitmap)
        assert (word(x) + word(y), total, hit) == aggregate(quorum, bitmap, keys)
    assert da.ask(["uint256"] * 4, "getAggPkG1", epoch, 0, rows()) == (0, 0, ROWS, 0)
    assert da.ask(["uint256"] * 4, "getAggPkG1", epoch, 0, rows(*map(last, votes)))[3] == 3, "rows before the first bit do not count"
    assert da.ask(["uint256"] * 4, "getAggPkG1", epoch, 0, rows(*map(first, votes)))[3] == ROWS, "one bit stands for all rows after it"
    for length in (0, 383, 385):
        assert da.fault(data("getAggPkG1", epoch, 0, bytes(length))) == "quorum bitmap length mismatch"


def test_two_thirds_of_the_rows_are_told_from_one_row_less(da: Da) -> None:
    """Every row its own bit: 2,048 rows of two signers, and one row less where one of them begins a row later."""
    da.register(FIRST)
    da.register(SECOND)
    epoch = da.next_epoch({FIRST: 2_048, SECOND: 1_024})
    [quorum] = da.quorums(epoch)
    mine = [row for row, address in enumerate(quorum) if address == FIRST.address]
    for start, hit in ((0, 2_048), (1, 2_047)):
        bitmap = sum(1 << row for row in mine[start:]).to_bytes(384, "little")
        assert da.ask(["uint256"] * 4, "getAggPkG1", epoch, 0, bitmap)[2:] == (ROWS, hit)


def test_the_storage_has_the_layout_of_the_reference_and_nothing_else_is_there(da: Da) -> None:
    assert da.chain.rpc("eth_getCode", DA, "latest") == "0x"
    expected, entries = Storage(), []
    for index, one in enumerate((FIRST, replace(SECOND, socket=b"s" * 40), replace(THIRD, socket=b""))):
        assert da.register(one)["status"] == "0x1"
        expected.register(one)
        da.enter(one, 900 + index)
        entries.append((one.address, one.entry(1, CHAIN_ID), 900 + index))
        expected.enter(1, index, *entries[-1])
    block = int(da.make()["blockNumber"], 16)
    expected.make(1, block, quorums(entries))
    assert da.chain.rpc("eth_getCode", DA, "latest") == "0x01"
    da.chain.rpc("anvil_mine")
    block_hash = da.act(STRANGER, data("params"))["blockHash"]
    dump = da.chain.rpc("debug_storageRangeAt", block_hash, 0, DA, "0x00", 9_999)
    assert dump["nextKey"] is None
    assert {bytes.fromhex(it["key"][2:]): bytes.fromhex(it["value"][2:]) for it in dump["storage"].values()} == expected.slots


def test_more_ballots_than_rows_are_drawn_within_bounds_and_a_reverted_epoch_comes_out_the_same(da: Da) -> None:
    """In the long run as many as are ever drawn for an epoch: 16.8 million, of 164 signers with all the votes that count."""
    signers = [signer(index) for index in range(1_000, 1_164 if IS_LONG else 1_003)]
    for one in signers:
        da.register(one)
        da.enter(one, VOTES_MAX)
    reverter = da.chain.place(REVERTER)
    for _ in range(2):
        assert da.act(STRANGER, data("makeEpoch"), to=reverter, gas=21_000_000)["status"] == "0x0"
    assert da.make()["status"] == "0x1"
    found = da.quorums(1)
    assert len(found) == 10
    if not IS_LONG:
        assert found == quorums([(one.address, one.entry(1, CHAIN_ID), VOTES_MAX) for one in signers])
