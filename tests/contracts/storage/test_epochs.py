"""The flow's epochs: contexts, the ranges they record, long gaps, and the history of roots."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from web3 import Web3

from tests.contracts.storage.deployment import PRICE_WEI, RevertedError, Storage, deploy_storage, pattern_file, submission_of
from tests.contracts.storage.model import SENTINEL, FlowModel, heights
from tests.interop.web3py.common import Context, artefact, deploy, write
from zerog._kernel import abi_encode, keccak256
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts import load_interface
from zerog.contracts.storage import FLOW, EpochRange, MineContext, NewEpoch, Submission, batch_submit_call, submit_call
from zerog.primitives import Address, Hash32, decode_data

EMPTY = Hash32(keccak256(b""))
BLOCKS = 1000
BLOCK_HASH_WINDOW = 8191
"""Blocks whose hashes a contract may ask for. Source: EIP-2935."""
INFINITE = 2**256 - 1
LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
DIGEST_HISTORY = load_interface("storage", "DigestHistory")


@pytest.fixture
def ticking(fresh: Context) -> Storage:
    """A flow whose epochs last 1,000 blocks."""
    return deploy_storage(fresh, blocks_per_epoch=BLOCKS)


def go_to(storage: Storage, block: int) -> None:
    """Mine so that the next transaction stands in `block`."""
    storage.context.send("hardhat_mine", hex(block - 1 - storage.context.w3.eth.block_number))


def boundary(storage: Storage, epoch: int) -> int:
    """The block at whose end an epoch begins."""
    return int.from_bytes(storage.read(FLOW.function("firstBlock").encode())) + epoch * BLOCKS


def block_hash(storage: Storage, number: int) -> Hash32:
    return Hash32(bytes(storage.context.w3.eth.get_block(number)["hash"]))


def call(storage: Storage, name: str, *arguments: int | bytes) -> list[NewEpoch]:
    """Send a call of the flow by the user, and return the epochs that it began."""
    receipt = storage.send(storage.user, storage.flow, FLOW.function(name).encode(*arguments))
    logs = [([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) for log in receipt["logs"]]
    return [NewEpoch.decode(topics, data) for topics, data in logs if topics[0] == NewEpoch.TOPIC]


def context_of(storage: Storage) -> MineContext:
    return MineContext.decode(storage.read(FLOW.function("getContext").encode()))


def range_of(storage: Storage, index: int) -> EpochRange:
    return EpochRange.decode(storage.read(FLOW.function("getEpochRangeHistory").encode(index)))


def number(storage: Storage, name: str) -> int:
    return int.from_bytes(storage.read(FLOW.function(name).encode()))


def digest_of(block_digest: bytes, root: bytes, length: int) -> Hash32:
    return Hash32(keccak256(abi_encode(["bytes32", "bytes32", "uint256"], [block_digest, root, length])))


def test_an_epoch_begins_only_after_its_boundary(ticking: Storage) -> None:
    first = boundary(ticking, 1)
    ticking.submit(pattern_file(513))
    before = context_of(ticking)
    assert before == MineContext(0, boundary(ticking, 0), Hash32(SENTINEL), 1, EMPTY, EMPTY)
    go_to(ticking, first)
    assert call(ticking, "makeContext") == []
    assert (context_of(ticking), number(ticking, "epoch")) == (before, 0)

    [event] = call(ticking, "makeContext")
    root, block = Hash32(ticking.flow_root(0)), block_hash(ticking, first)
    digest = digest_of(block, root, 5)
    assert event == NewEpoch(Address(decode_data(ticking.user.address)), 1, root, 1, 5, digest)
    assert context_of(ticking) == MineContext(1, first, root, 5, block, digest)
    assert range_of(ticking, 0) == EpochRange(0, 5, digest)
    assert FLOW.function("getEpochRange").decode_result(ticking.read(FLOW.function("getEpochRange").encode(digest))) == ((0, 5),)
    assert FLOW.function("getEpochRange").decode_result(ticking.read(FLOW.function("getEpochRange").encode(EMPTY))) == ((0, 0),)
    assert (number(ticking, "epoch"), number(ticking, "epochStartPosition")) == (1, 5)


def test_a_submission_ends_the_epochs_before_it_and_belongs_to_the_next(ticking: Storage) -> None:
    ticking.submit(pattern_file(513))
    go_to(ticking, boundary(ticking, 2) + 1)
    event = ticking.submit(pattern_file(262145))
    assert event.placement.start == 1024
    context, roots = context_of(ticking), [Hash32(ticking.flow_root(tx_seq)) for tx_seq in (0, 1)]
    assert (context.epoch, context.flow_root, context.flow_length) == (2, roots[0], 5)
    go_to(ticking, boundary(ticking, 3) + 1)
    call(ticking, "makeContext")
    assert context_of(ticking).flow_root == roots[1]
    ranges = [range_of(ticking, index) for index in range(2)]
    assert [(found.start, found.end) for found in ranges] == [(0, 5), (5, 2176)]
    assert [found.context_digest for found in ranges] == [
        digest_of(block_hash(ticking, boundary(ticking, epoch)), root, length)
        for epoch, root, length in ((1, roots[0], 5), (3, roots[1], 2176))
    ]
    with pytest.raises(RevertedError):
        range_of(ticking, 2)


def test_a_position_is_found_in_the_epoch_that_added_it(ticking: Storage) -> None:
    ends = [1]
    for epoch in range(1, 8):
        if epoch % 3:
            ticking.submit(pattern_file(513))
        ends.append(FLOW.function("tree").decode_result(ticking.read(FLOW.function("tree").encode()))[0])
        go_to(ticking, boundary(ticking, epoch) + 1)
        call(ticking, "makeContext")
    for position in range(ends[-1]):
        found = EpochRange.decode(ticking.read(FLOW.function("queryContextAtPosition").encode(position)))
        assert found.start <= position < found.end
        assert (found.start, found.end) in {(0, ends[1])} | set(pairwise(ends))
    assert refused(ticking, "queryContextAtPosition", ends[-1]) == "Queried position exceeds upper bound"
    assert refused(ticking, "queryContextAtPosition", 2**128 - 1) == "Queried position exceeds upper bound"
    ticking.submit(pattern_file(1))
    assert refused(ticking, "queryContextAtPosition", ends[-1]) == "Can not find proper context"


def refused(storage: Storage, name: str, *arguments: int) -> str | None:
    """The text by which the flow refuses a call."""
    with pytest.raises(RevertedError) as failure:
        storage.read(FLOW.function(name).encode(*arguments))
    return revert_reason(failure.value.data)


def test_a_call_tells_the_context_that_a_transaction_would_make(ticking: Storage) -> None:
    ticking.submit(pattern_file(513))
    go_to(ticking, boundary(ticking, 1) + 2)
    told = MineContext.decode(ticking.read(FLOW.function("makeContextWithResult").encode()))
    assert (told.epoch, context_of(ticking).epoch) == (1, 0)
    call(ticking, "makeContextWithResult")
    assert context_of(ticking) == told


@pytest.mark.parametrize(("age", "recorded"), [(256, True), (257, True), (BLOCK_HASH_WINDOW, True), (BLOCK_HASH_WINDOW + 1, False)])
def test_a_boundary_is_bound_to_its_block_as_long_as_the_chain_tells_its_hash(fresh: Context, age: int, recorded: bool) -> None:
    storage = deploy_storage(fresh, blocks_per_epoch=10 * BLOCKS)
    storage.submit(pattern_file(513))
    first = number(storage, "firstBlock") + 10 * BLOCKS
    go_to(storage, first + age)
    [event] = call(storage, "makeContext")
    root, block = Hash32(storage.flow_root(0)), block_hash(storage, first)
    context = context_of(storage)
    if recorded:
        assert (context.block_digest, context.digest) == (block, digest_of(block, root, 5))
        assert range_of(storage, 0) == EpochRange(0, 5, context.digest)
    else:
        assert (context.block_digest, context.digest, event.context_digest) == (EMPTY, EMPTY, EMPTY)
        assert number(storage, "epochStartPosition") == 0
        assert refused(storage, "queryContextAtPosition", 3) == "Can not find proper context"
    assert (context.epoch, context.mine_start, context.flow_root, context.flow_length) == (1, first, root, 5)


def test_over_a_long_gap_the_first_whose_boundary_is_known_records_the_range(ticking: Storage) -> None:
    ticking.submit(pattern_file(513))
    go_to(ticking, boundary(ticking, 30) + 1)
    events = call(ticking, "makeContext")
    root, now = Hash32(ticking.flow_root(0)), ticking.context.w3.eth.block_number
    known = [epoch for epoch in range(1, 31) if boundary(ticking, epoch) + BLOCK_HASH_WINDOW >= now]
    assert [event.epoch for event in events] == [known[0] - 1, *known]
    digests = [digest_of(block_hash(ticking, boundary(ticking, epoch)), root, 5) for epoch in known]
    assert [event.context_digest for event in events] == [EMPTY, *digests]
    assert range_of(ticking, 0) == EpochRange(0, 5, digests[0])
    with pytest.raises(RevertedError):
        range_of(ticking, 1)
    history = Address(ticking.read(FLOW.function("rootHistory").encode())[12:])
    assert kept_roots(ticking, history, 30) == [root] * 30


def kept_roots(storage: Storage, history: Address, count: int, first: int = 0) -> list[bytes]:
    """Some roots of a history."""
    abi = artefact("storage/DigestHistory")["abi"]
    contract = storage.context.w3.eth.contract(address=Web3.to_checksum_address(history), abi=abi)
    return [storage.read(DIGEST_HISTORY.function("at").encode(index), to=contract) for index in range(first, first + count)]


@dataclass
class PlainEpochs:
    """The rule as a plain loop, one epoch after the other, over the hashes of blocks that a call could ask for."""

    first_block: int
    blocks: int
    epoch: int = 0
    start: int = 0
    digest: Hash32 = EMPTY
    ranges: list[tuple[int, int, Hash32]] = field(default_factory=list)
    roots: list[Hash32] = field(default_factory=list)

    def make(self, number: int, root: Hash32, length: int, hash_of: Callable[[int], Hash32], count: int) -> None:
        """All contexts that are due in block `number`, at most `count`."""
        while count and number > (due := self.first_block + (self.epoch + 1) * self.blocks):
            self.roots.append(root)
            self.digest = EMPTY
            if due + BLOCK_HASH_WINDOW >= number:
                self.digest = digest_of(hash_of(due), root, length)
                if self.start < length:
                    self.ranges.append((self.start, length, self.digest))
                    self.start = length
            self.epoch += 1
            count -= 1


@pytest.mark.parametrize("seed", range(40 if LONG else 2))
def test_epochs_that_are_passed_in_one_step_are_those_of_the_plain_loop(fresh: Context, seed: int) -> None:
    rng = random.Random(seed)
    storage = deploy_storage(fresh, blocks_per_epoch=rng.choice([7, 60, 900, 9000]))
    plain = PlainEpochs(number(storage, "firstBlock"), number(storage, "blocksPerEpoch"))
    flow = FlowModel()
    history = Address(storage.read(FLOW.function("rootHistory").encode())[12:])
    short = [0, 1, plain.blocks - 1, plain.blocks, 3 * plain.blocks]
    long = [BLOCK_HASH_WINDOW - 1, BLOCK_HASH_WINDOW, BLOCK_HASH_WINDOW + plain.blocks]
    for turn in range(8):
        gap = rng.choice(long) if turn == 4 else min(rng.choice(short), 3000)
        if gap:
            fresh.send("hardhat_mine", hex(gap))
        root, length, count = Hash32(flow.root()), flow.length, INFINITE
        match rng.choice(["submit", "make", "some"]):
            case "submit":
                file = pattern_file(rng.randrange(1, 5000))
                assert storage.submit(file).placement.start == flow.submit([(node.root, node.height) for node in file.nodes])
            case "make":
                call(storage, "makeContext")
            case "some":
                count = rng.choice([0, 1, 5, 2000])
                call(storage, "makeContextFixedTimes", count)
        now = fresh.w3.eth.block_number
        plain.make(now, root, length, lambda block: block_hash(storage, block), count)
        context = context_of(storage)
        assert (context.epoch, context.digest, number(storage, "epochStartPosition")) == (plain.epoch, plain.digest, plain.start)
        if plain.epoch:
            assert context.mine_start == plain.first_block + plain.epoch * plain.blocks
        kept = range(max(0, plain.epoch - 1000), plain.epoch)
        for index in kept[:: len(kept) // 5 + 1]:
            assert kept_roots(storage, history, 1, index) == [plain.roots[index]]
    found = [range_of(storage, index) for index in range(len(plain.ranges))]
    assert [(one.start, one.end, one.context_digest) for one in found] == plain.ranges
    with pytest.raises(RevertedError):
        range_of(storage, len(plain.ranges))


def test_a_submission_after_any_silence_costs_what_a_block_has_many_times(fresh: Context) -> None:
    """The shortest epochs, a window full of them, and many more before it."""
    storage = deploy_storage(fresh, blocks_per_epoch=32)
    storage.submit(pattern_file(513))
    go_to(storage, number(storage, "firstBlock") + 10_000)
    receipt = storage.send(storage.user, storage.flow, submit_call(pattern_file(513), Address(decode_data(storage.user.address))), 30)
    assert int(receipt["gasUsed"], 16) < 2_500_000
    assert number(storage, "epoch") == (10_000 - 1) // 32


@pytest.mark.parametrize("together", [1, 6])
def test_an_estimate_holds_when_an_epoch_ends_before_the_block(fresh: Context, together: int) -> None:
    """Also the first epoch of all, which costs most, and a few that follow each other; and of a batch as of one file."""
    storage = deploy_storage(fresh, blocks_per_epoch=32, pricing_chunk_sectors=1 << 12)
    rng = random.Random(7)
    for ended in (1, 1, 2, 5):
        for size in (513, 1 << 22, 1 << 27):
            files = [submission_of(size, [(rng.randbytes(32), height) for height in heights(size)]) for _ in range(together)]
            boundary = number(storage, "firstBlock") + 32 * (number(storage, "epoch") + 1)
            go_to(storage, boundary)
            request = submitting(storage, files)
            gas = fresh.send("eth_estimateGas", request)
            go_to(storage, boundary + 32 * (ended - 1) + 1)
            before = number(storage, "epoch")
            hashed = fresh.send("eth_sendTransaction", {**request, "gas": gas})
            assert fresh.send("eth_getTransactionReceipt", hashed)["status"] == "0x1"
            assert number(storage, "epoch") == before + ended


@pytest.mark.parametrize("together", [1, 6])
def test_an_estimate_holds_when_somebody_else_ends_the_epoch(fresh: Context, together: int) -> None:
    """What the estimate counted for it may be less than what is asked for where none ends."""
    storage = deploy_storage(fresh, blocks_per_epoch=32, pricing_chunk_sectors=1 << 12)
    for added in (True, False, True):
        if added:
            storage.submit(pattern_file(513))
        go_to(storage, number(storage, "firstBlock") + 32 * (number(storage, "epoch") + 1) + 2)
        request = submitting(storage, [pattern_file(300)] * together)
        gas = fresh.send("eth_estimateGas", request)
        assert len(call(storage, "makeContext")) == 1
        hashed = fresh.send("eth_sendTransaction", {**request, "gas": gas})
        assert fresh.send("eth_getTransactionReceipt", hashed)["status"] == "0x1"
        go_to(storage, number(storage, "firstBlock") + 32 * (number(storage, "epoch") + 1) + 1)
        call(storage, "makeContext")


def submitting(storage: Storage, files: list[Submission]) -> dict[str, str]:
    """A transaction that submits files, as clients ask to have it estimated."""
    user = Address(decode_data(storage.user.address))
    data = submit_call(files[0], user) if len(files) == 1 else batch_submit_call(files, user)
    value = sum(file.sectors for file in files) * PRICE_WEI
    return {"from": storage.user.address, "to": storage.flow.address, "data": "0x" + data.hex(), "value": hex(value)}


def test_a_digest_history_keeps_the_latest(fresh: Context) -> None:
    owner = fresh.accounts[1]
    history = deploy(fresh, owner, artefact("storage/DigestHistory"), 3)
    digests = [bytes([value]) * 32 for value in (1, 2, 3, 1, 5)]
    assert [history.functions.available(0).call(), history.functions.contains(digests[0]).call()] == [False, False]
    for index, digest in enumerate(digests):
        assert history.functions.insert(digest).call({"from": owner.address}) == index
        write(fresh, owner, history, "insert", digest)
        kept = range(max(0, index - 2), index + 1)
        assert [history.functions.available(at).call() for at in range(7)] == [at in kept for at in range(7)]
        assert [history.functions.at(at).call() for at in kept] == [digests[at] for at in kept]
    assert [history.functions.contains(bytes([value]) * 32).call() for value in (0, 1, 2, 3, 5)] == [False, True, False, True, True]


def test_a_digest_history_refuses_strangers_and_what_it_does_not_keep(storage: Storage) -> None:
    history = deploy(storage.context, storage.admin, artefact("storage/DigestHistory"), 3)
    with pytest.raises(RevertedError) as failure:
        storage.read(DIGEST_HISTORY.function("insert").encode(bytes(32)), to=history)
    unauthorized = DIGEST_HISTORY.error("OwnableUnauthorizedAccount")
    assert unauthorized.decode(failure.value.data) == (decode_data(storage.user.address),)
    with pytest.raises(RevertedError) as failure:
        storage.read(DIGEST_HISTORY.function("at").encode(0), to=history)
    assert DIGEST_HISTORY.error("UnavailableIndex").decode(failure.value.data) == (0,)
