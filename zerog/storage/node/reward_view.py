"""What a storage node asks of the contract that keeps the fees: until when the network must keep what."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import anyio

from zerog import networks
from zerog.chain.client import AsyncChainClient, RpcError
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD
from zerog.networks import CLONE_SUFFIX
from zerog.primitives import Address, DecodeError

__all__ = ["Release", "RewardView"]

CALL_S_MAX: Final = 30.0
DEADLINES_MAX: Final = 4_096
"""Pricing chunks whose deadline is remembered."""
PRICING_CHUNK_SECTORS: Final = 1 << 25
"""Where the flow does not say otherwise: 8 GiB. Source: 0gfoundation/0g-storage-contracts, `contracts/utils/`."""


@dataclass(frozen=True, slots=True)
class Release:
    """How far rewards are released at some block."""

    first_chunk: int
    """The first pricing chunk whose reward is not wholly released: what begins before it has expired, unless it was extended."""
    time_s: int
    """The chain's time there, in seconds since 1970."""


class RewardView:
    """One node of the chain and the reward's contract on it, which the flow's market names.

    All calls raise `NodeUnreachableError`, `AnswerError`, `RpcError`, `DecodeError`, or `TimeoutError` when the answer takes too long.
    """

    def __init__(self, client: AsyncChainClient, flow: Address, chain_id: int, *, chunk_sectors: int | None) -> None:
        """`chunk_sectors` are those of a pricing chunk; without them the flow is asked."""
        self._client: Final = client
        self._flow: Final = flow
        self._chain_id: Final = chain_id
        self._chunk_sectors = chunk_sectors
        self._reward: Address | None = None
        self._release_s: int | None = None
        self._is_own: bool | None = None
        self._deadlines: Final[OrderedDict[int, int]] = OrderedDict()

    async def chunk_sectors(self) -> int:
        """Sectors of a pricing chunk."""
        if self._chunk_sectors is None:
            self._chunk_sectors = await self._told_chunk_sectors() or PRICING_CHUNK_SECTORS
        return self._chunk_sectors

    async def is_own_network(self) -> bool:
        """Whether the chain is one of ours, on which people travel in time: `local`, or a copy of a public network."""
        if self._is_own is None:
            with anyio.fail_after(CALL_S_MAX):
                version = await self._client.client_version()
            local = networks.load("local")  # Its flow stands where no other can, also under another chain id.
            is_local = self._chain_id == local.chain_id or self._flow == local.addresses["flow"]
            self._is_own = is_local or version.endswith(CLONE_SUFFIX)
        return self._is_own

    async def release_s(self) -> int:
        """How long a reward is released, which is also by how much an extension makes a life longer."""
        if self._release_s is None:
            data = await self._call(await self._reward_address(), REWARD.function("releaseSeconds").encode())
            (self._release_s,) = REWARD.function("releaseSeconds").decode_result(data)
        return self._release_s

    async def release(self, block: int) -> Release:
        """How far rewards are released at a block."""
        data = await self._call(await self._reward_address(), REWARD.function("firstRewardableChunk").encode(), block)
        return Release(*REWARD.function("firstRewardableChunk").decode_result(data))

    async def deadline(self, chunk: int) -> int:
        """When the reward of a pricing chunk is wholly released, in seconds since 1970; 0 while the chunk is not full."""
        known = self._deadlines.get(chunk)
        if known is not None:
            self._deadlines.move_to_end(chunk)
            return known
        data = await self._call(await self._reward_address(), REWARD.function("rewardDeadline").encode(chunk))
        (deadline,) = REWARD.function("rewardDeadline").decode_result(data)
        if deadline:
            self._deadlines[chunk] = deadline
            if len(self._deadlines) > DEADLINES_MAX:
                self._deadlines.popitem(last=False)
        return int(deadline)

    def forget(self) -> None:
        """Ask again for what is kept: the chain went back, or the contract may have been replaced."""
        self._reward = None
        self._deadlines.clear()

    async def _reward_address(self) -> Address:
        if self._reward is None:
            (market,) = FLOW.function("market").decode_result(await self._call(self._flow, FLOW.function("market").encode()))
            (reward,) = FIXED_PRICE.function("reward").decode_result(await self._call(market, FIXED_PRICE.function("reward").encode()))
            self._reward = Address(reward)
        return self._reward

    async def _told_chunk_sectors(self) -> int | None:
        """What the flow says; `None` where it is of others, who do not say it."""
        ask = FLOW.function("pricingChunkSectors")
        try:
            (sectors,) = ask.decode_result(await self._call(self._flow, ask.encode()))
        except (RpcError, DecodeError):
            return None
        return int(sectors)

    async def _call(self, to: bytes, data: bytes, block: int | None = None) -> bytes:
        with anyio.fail_after(CALL_S_MAX):
            return await self._client.call(to, data, "latest" if block is None else block)
