"""What mining pays: even release, half of the rest for each answer, and a forecast that is a share of what is released."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import Wei
from zerog.storage.protocol.mining_rewards import ChunkReward, MiningRate, forecast

RELEASE_S = 12 * 31 * 86_400
RATE = MiningRate(seals_s=1000.0, seals_per_hit=1e6, block_s=0.4, target_mine_blocks=750, blocks_per_epoch=3750, target_submissions=100)
chunks = st.builds(ChunkReward, st.integers(0, 10**24).map(Wei), st.just(Wei(0)), st.integers(0, 2 * RELEASE_S))


@given(chunks, st.integers(0, 4 * RELEASE_S))
def test_a_chunk_is_released_evenly_and_never_more_than_whole(chunk: ChunkReward, now_s: int) -> None:
    released = chunk.released_wei(now_s, RELEASE_S)
    assert 0 <= released <= chunk.total_wei
    assert released <= chunk.released_wei(now_s + 1, RELEASE_S)
    if chunk.start_s == 0 or now_s <= chunk.start_s:
        assert released == 0
    elif now_s >= chunk.start_s + RELEASE_S:
        assert released == chunk.total_wei


@given(chunks, st.integers(1, 3 * RELEASE_S), st.integers(0, 20))
def test_answers_halve_what_is_left(chunk: ChunkReward, now_s: int, answers: int) -> None:
    released = chunk.released_wei(now_s, RELEASE_S)
    for count in range(answers):
        left = released - chunk.distributed_wei
        paid = chunk.answer_wei(now_s, RELEASE_S)
        assert paid == left // 2
        chunk = replace(chunk, distributed_wei=Wei(chunk.distributed_wei + paid))
        assert chunk.distributed_wei <= released, count


def test_a_miner_who_finds_a_part_of_the_answers_has_that_part_of_the_income() -> None:
    chunk = ChunkReward(Wei(372 * 10**18), Wei(0), 1)
    expected = forecast(RATE, [chunk, chunk], now_s=10 * 86_400, release_s=RELEASE_S)
    # 300 seconds of 1,000 seals, one in a million of which hits: three in ten epochs; 1,500 seconds are an epoch.
    assert (round(expected.hits_per_epoch, 9), round(expected.epochs_per_day, 9)) == (0.3, 57.6)
    assert expected.share == 0.3 / 100
    assert abs(expected.daily_wei - int(2 * 10**18 * expected.share)) < 10**6
    assert expected.answer_wei == chunk.answer_wei(10 * 86_400, RELEASE_S)


def test_nobody_answers_more_often_than_an_epoch_takes() -> None:
    expected = forecast(replace(RATE, seals_s=1e12), [], now_s=1, release_s=RELEASE_S)
    assert (expected.hits_per_epoch, expected.share, expected.answer_wei, expected.daily_wei) == (200.0, 1.0, 0, 0)


def test_who_does_not_search_and_a_chain_that_stands_still_earn_nothing() -> None:
    chunk = ChunkReward(Wei(10**20), Wei(0), 1)
    for rate in (replace(RATE, seals_s=0.0), replace(RATE, block_s=0.0)):
        assert forecast(rate, [chunk], now_s=10**6, release_s=RELEASE_S).daily_wei == 0
