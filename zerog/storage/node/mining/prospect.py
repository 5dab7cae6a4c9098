"""What a miner may expect to earn: asked of the contracts, and of how fast it searches."""

from typing import Final

from zerog.primitives import Wei
from zerog.storage.node.mining.miner import Miner
from zerog.storage.protocol.mining_rewards import ChunkReward, MiningRate, forecast
from zerog.storage.protocol.pora import LOAD_SECTORS, quality_max, seals_per_hit
from zerog.storage.wire.mining import MinerForecast

__all__ = ["prospect"]

CHUNKS_MAX: Final = 64
"""Pricing chunks that are asked for; of more, these stand for all."""
BLOCKS_MEASURED: Final = 256


async def prospect(miner: Miner) -> MinerForecast:
    """Of what the miner holds and did so far. Raises what the contracts raise."""
    parameters = await miner.contract.parameters()
    now_s, block_s = await miner.contract.block_times(BLOCKS_MEASURED)
    held = () if miner.rig is None else miner.rig.sealing.held
    indexes = sorted({load * LOAD_SECTORS // miner.settings.pricing_chunk_sectors for load in held})
    states = await miner.contract.reward_states(indexes[:CHUNKS_MAX])
    totals = [Wei(state.locked_wei + state.claimable_wei + state.distributed_wei) for state in states]
    chunks = [ChunkReward(total, state.distributed_wei, state.start_time) for total, state in zip(totals, states, strict=True)]
    length, shards = miner.node.follower.tree.sectors, miner.node.files.shard.count
    rate = MiningRate(
        seals_s=miner.seals_s,
        seals_per_hit=seals_per_hit(quality_max(parameters.target, max(length, LOAD_SECTORS * shards), shards)),
        block_s=block_s,
        target_mine_blocks=parameters.target_mine_blocks,
        blocks_per_epoch=parameters.blocks_per_epoch,
        target_submissions=parameters.target_submissions,
    )
    expected = forecast(rate, chunks, now_s=now_s, release_s=parameters.release_s)
    return MinerForecast(
        seals_per_second=rate.seals_s,
        seals_per_hit=rate.seals_per_hit,
        seconds_per_block=rate.block_s,
        blocks_per_epoch=rate.blocks_per_epoch,
        window_blocks=rate.target_mine_blocks,
        target_submissions=rate.target_submissions,
        pricing_chunks=len(indexes),
        locked_wei=str(sum(state.locked_wei for state in states)),
        hits_per_epoch=expected.hits_per_epoch,
        epochs_per_day=expected.epochs_per_day,
        share=expected.share,
        answer_wei=str(expected.answer_wei),
        daily_wei=str(expected.daily_wei),
    )
