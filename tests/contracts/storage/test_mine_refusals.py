"""Every text by which the mine refuses an answer, provoked, and the order in which they are told."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.contracts.storage.deployment import submission_of
from tests.contracts.storage.mining import BLOCKS_PER_EPOCH, CHUNK, PARAMS, Mining, begin_mining, deploy_mining
from tests.contracts.storage.pora_model import ALL_BITS, drawn_load, pad_seed, scratchpad, whole_flow
from tests.interop.web3py.common import Context, artefact, deploy, write
from zerog._kernel import keccak256
from zerog.contracts.mine import MINE, MineRefusal, PoraAnswer, RecallRange
from zerog.contracts.storage import FIXED_PRICE
from zerog.primitives import Hash32

ELSEWHERE = Hash32(b"\x77" * 32)
EMPTY = Hash32(keccak256(b""))
RANGE_SECTORS_MAX = 1 << 35
SET_PRICE = FIXED_PRICE.function("setPricePerSector")


@pytest.fixture(scope="module")
def prepared(context: Context) -> Iterator[tuple[Mining, PoraAnswer]]:
    """A miner in its window, with an answer that is taken."""
    snapshot = context.send("evm_snapshot")
    mining = begin_mining(context)
    answer = next(mining.search().answers())
    assert mining.refusal(answer) is None
    yield mining, answer
    assert context.send("evm_revert", snapshot) is True


@pytest.fixture
def mining(prepared: tuple[Mining, PoraAnswer]) -> Iterator[Mining]:
    """The same, undone after each test."""
    snapshot = prepared[0].storage.context.send("evm_snapshot")
    yield prepared[0]
    assert prepared[0].storage.context.send("evm_revert", snapshot) is True


@pytest.fixture
def answer(prepared: tuple[Mining, PoraAnswer]) -> PoraAnswer:
    return prepared[1]


def ranged(**changed: int) -> Callable[[PoraAnswer], PoraAnswer]:
    return lambda answer: replace(answer, range=replace(answer.range, **changed))


def with_bit_turned(answer: PoraAnswer) -> PoraAnswer:
    return replace(answer, sealed_data=answer.sealed_data[:-1] + bytes([answer.sealed_data[-1] ^ 1]))


def test_mistakes_in_an_answer_are_told_in_the_official_order(mining: Mining, answer: PoraAnswer) -> None:
    """Each alone, and each before all that come after it in the list."""
    mistakes: list[tuple[MineRefusal, Callable[[PoraAnswer], PoraAnswer]]] = [
        (MineRefusal.ZERO_MINER, lambda answer: replace(answer, miner_id=Hash32(bytes(32)))),
        (MineRefusal.UNKNOWN_MINER, lambda answer: replace(answer, miner_id=ELSEWHERE)),
        (MineRefusal.OTHER_CONTEXT, lambda answer: replace(answer, context_digest=ELSEWHERE)),
        (MineRefusal.UNALIGNED_START, lambda answer: ranged(start_position=answer.range.start_position + CHUNK - 1)(answer)),
        (MineRefusal.RANGE_OVERFLOW, ranged(start_position=CHUNK * (1 << 200))),
        (MineRefusal.RANGE_TOO_SHORT, lambda answer: ranged(mine_length=answer.range.mine_length - 1)(answer)),
        (MineRefusal.MASKED_SHARD, ranged(shard_id=1)),
        (MineRefusal.OTHER_SEAL_CONTEXT, lambda answer: replace(answer, sealed_context_digest=ELSEWHERE)),
        (MineRefusal.TOO_MANY_SHARDS, ranged(shard_mask=ALL_BITS - 15 * 16)),
        (MineRefusal.OTHER_DATA, with_bit_turned),
        (MineRefusal.OTHER_POSITION, lambda answer: replace(answer, nonce=ELSEWHERE)),
    ]
    wrong = answer
    for refusal, mistake in reversed(mistakes):
        assert mining.refusal(mistake(answer)) == refusal
        wrong = mistake(wrong)
        assert mining.refusal(wrong) == refusal


def test_a_load_behind_the_end_of_the_range_is_refused(mining: Mining, answer: PoraAnswer) -> None:
    """The flow has 36 loads, so an eighth shard has fewer numbers than the mask can make."""
    search = mining.search(whole_flow(mining.flow.length, 7, 8))
    loads = search.part.mine_length // 1024
    assert loads % 8
    for nonce in range(1000):
        _, recall_seed = scratchpad(pad_seed(search.miner_id, nonce.to_bytes(32), search.subtask_digest, search.part))
        if drawn_load(search.part, recall_seed) >= loads:
            wrong = replace(answer, range=search.part, nonce=Hash32(nonce.to_bytes(32)))
            assert mining.refusal(wrong) == MineRefusal.OUT_OF_BOUND
            return
    raise AssertionError("no nonce draws such a load")


def test_a_quality_that_is_not_good_enough_is_refused(mining: Mining, answer: PoraAnswer) -> None:
    mining.storage.send(mining.storage.admin, mining.mine, MINE.function("setMinDifficulty").encode(2**250))
    assert mining.refusal(answer) == MineRefusal.POOR_QUALITY


def test_an_answer_is_taken_once(mining: Mining, answer: PoraAnswer) -> None:
    mining.submit(answer)
    assert mining.refusal(answer) == MineRefusal.REPEATED
    mining.submit(answer, succeeds=False)


def test_a_window_opens_and_ends(mining: Mining, answer: PoraAnswer) -> None:
    """It has 100 blocks after its start; the newest block is that of a call."""
    mining.next_epoch()
    begun = mining.storage.context.w3.eth.block_number
    miner_id = next(miner for miner in map(mining.request_miner_id, range(1, 60)) if mining.window_start(miner) > begun + 60)
    start = mining.window_start(miner_id)
    for block, expected in (
        (start, MineRefusal.TOO_EARLY),
        (start + 1, MineRefusal.OTHER_CONTEXT),
        (start + PARAMS.target_mine_blocks, MineRefusal.OTHER_CONTEXT),
        (start + PARAMS.target_mine_blocks + 1, MineRefusal.TOO_LATE),
    ):
        mining.go_to(block + 1)
        assert mining.storage.context.w3.eth.block_number == block
        assert mining.refusal(replace(answer, miner_id=miner_id)) == expected


def test_an_answer_for_an_epoch_that_has_ended_is_refused(mining: Mining, answer: PoraAnswer) -> None:
    """The transaction that is too late makes the next context itself."""
    mining.go_to(mining.worker().context.mine_start + BLOCKS_PER_EPOCH + 3)
    begun = mining.storage.context.w3.eth.block_number
    miner_id = next(miner for miner in map(mining.request_miner_id, range(1, 60)) if mining.window_start(miner) < begun)
    assert mining.refusal(replace(answer, miner_id=miner_id)) == MineRefusal.OTHER_CONTEXT


def test_an_epoch_without_a_digest_cannot_be_mined(fresh: Context, prepared: tuple[Mining, PoraAnswer]) -> None:
    """The first has none, and neither has one whose boundary is too old."""
    mining = deploy_mining(fresh, replace(PARAMS, subtasks=1))
    wrong = replace(prepared[1], miner_id=mining.miner_id, context_digest=EMPTY)
    assert mining.refusal(wrong) == MineRefusal.EMPTY_CONTEXT
    assert mining.worker().pora_target == 0


def test_a_range_is_at_most_eight_tebibytes_for_each_shard(mining: Mining, answer: PoraAnswer) -> None:
    """On a flow that is longer; it has to be as long as that, and may begin at each pricing chunk."""
    big = submission_of(1 << 45, [(b"\1" * 32, 37)])
    mining.storage.send(mining.storage.admin, mining.storage.market, SET_PRICE.encode(0))
    mining.storage.submit(big, 0)
    mining.next_epoch()
    mining.open_window()
    current = replace(answer, context_digest=mining.worker().context.digest)
    for shards, starts in ((1, (0, CHUNK, 1 << 36)), (4, (0, 3 * CHUNK))):
        longest, mask = RANGE_SECTORS_MAX * shards, ALL_BITS - (shards - 1)
        for start in starts:
            for length, expected in (
                (longest + 1024, MineRefusal.RANGE_TOO_LONG),
                (longest - 1024, MineRefusal.RANGE_TOO_SHORT),
                (longest, None),
            ):
                part = RecallRange(start_position=start, mine_length=length, shard_id=0, shard_mask=mask)
                refusal = mining.refusal(replace(current, range=part))
                assert refusal == expected if expected else refusal not in (MineRefusal.RANGE_TOO_LONG, MineRefusal.RANGE_TOO_SHORT)


def test_a_flow_without_a_whole_load_has_no_range(fresh: Context, prepared: tuple[Mining, PoraAnswer]) -> None:
    mining = deploy_mining(fresh, replace(PARAMS, subtasks=1))
    mining.store(b"a few bytes")
    mining.next_epoch()
    mining.open_window()
    wrong = replace(prepared[1], miner_id=mining.miner_id, context_digest=mining.worker().context.digest, range=whole_flow(2))
    assert mining.refusal(wrong) == MineRefusal.RANGE_TOO_SHORT


def test_numbers_beyond_all_bounds_are_refused_and_do_not_overflow(mining: Mining, answer: PoraAnswer) -> None:
    top = 2**256 - 1
    assert mining.refusal(replace(answer, recall_position=top)) == MineRefusal.OTHER_SEAL_CONTEXT
    assert mining.refusal(replace(answer, seal_offset=top)) == MineRefusal.OTHER_POSITION
    assert mining.refusal(ranged(mine_length=top)(answer)) == MineRefusal.RANGE_OVERFLOW
    assert mining.refusal(ranged(start_position=top - top % CHUNK)(answer)) == MineRefusal.RANGE_OVERFLOW
    assert mining.refusal(ranged(shard_mask=0)(answer)) == MineRefusal.TOO_MANY_SHARDS


@pytest.mark.parametrize("length", [0, 1, 10, 12, 40])
def test_a_proof_of_another_length_leads_elsewhere(mining: Mining, answer: PoraAnswer, length: int) -> None:
    assert len(answer.merkle_proof) == 12
    proof = (answer.merkle_proof * 4)[:length] if length != 12 else (*answer.merkle_proof[:-1], ELSEWHERE)
    assert mining.refusal(replace(answer, merkle_proof=proof)) == MineRefusal.OTHER_DATA


def test_the_seal_with_the_sentinel_is_never_proved(fresh: Context) -> None:
    """The leaf at position 0 is no hash of any sector."""
    mining = deploy_mining(fresh, replace(PARAMS, difficulty=1, subtasks=1))
    mining.store(bytes(256 * 1024 * 3))
    mining.next_epoch()
    mining.open_window()
    search = mining.search()
    sealed = bytes(4096)
    for nonce in range(200):
        _, recall_seed = scratchpad(pad_seed(search.miner_id, nonce.to_bytes(32), search.subtask_digest, search.part))
        if drawn_load(search.part, recall_seed) == 0:
            wrong = replace(search, sealed_in={0: mining.sealed_in(0)}).answer(nonce, 0, 0, sealed, search.flow.levels())
            assert mining.refusal(wrong) == MineRefusal.OTHER_DATA
            return
    raise AssertionError("no nonce draws the first load")


def test_a_seal_without_a_context_is_refused_whatever_a_flow_says_of_it(fresh: Context, prepared: tuple[Mining, PoraAnswer]) -> None:
    """Our flow has no range for the empty digest, so one is used that has the same for all."""
    answer = prepared[1]
    admin, flow = fresh.accounts[1], deploy(fresh, fresh.accounts[1], artefact("testing/AnyFlow"))
    mine = deploy(fresh, admin, artefact("storage/PoraMine"), 0, CHUNK)
    write(fresh, admin, mine, "initialize", flow.address, prepared[0].storage.reward.address, (1, 100, 2, 8, 1, 1))
    height = fresh.w3.eth.block_number
    write(fresh, admin, flow, "set", (1, height, bytes(32), answer.range.mine_length, bytes(32), answer.context_digest))
    mining = replace(prepared[0], mine=mine)
    mining.miner_id = mining.request_miner_id()
    sealed = replace(answer, miner_id=mining.miner_id)
    assert mining.refusal(sealed) == MineRefusal.OTHER_DATA
    assert mining.refusal(replace(sealed, sealed_context_digest=EMPTY)) == MineRefusal.EMPTY_SEAL_CONTEXT
