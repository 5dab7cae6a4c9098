"""What a role of storage asks of the chain."""

from collections.abc import Sequence
from typing import Final

import anyio

from zerog.chain.client import AnswerError, AsyncChainClient, BlockReference, Heads, RpcError, TransactionPlace
from zerog.chain.client.heads import CALL_S_MAX
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.contracts.storage import FLOW, Submit
from zerog.primitives import Address, Hash32
from zerog.storage.following.records import LoggedSubmission

__all__ = ["ChainView"]

CALLS_AT_ONCE: Final = 100
"""In one batch, as long as the node takes so many."""


class ChainView:
    """One node of the chain and the flow's contract on it.

    All calls raise `NodeUnreachableError`, `AnswerError`, `RpcError`, or `TimeoutError` when the answer takes too long.
    """

    def __init__(self, client: AsyncChainClient, flow: Address, *, interval_s: float, topics: tuple[Hash32, ...] = (Submit.TOPIC,)) -> None:
        """`topics` are the events of the flow that are read."""
        self._client: Final = client
        self._heads: Final = Heads(client, interval_s=interval_s, watched=[flow])
        self._criteria: Final = LogCriteria((flow,), (topics,))
        self._calls_at_once = CALLS_AT_ONCE
        self.flow: Final = flow
        self.url: Final = client.url

    @property
    def tells_of_blocks(self) -> bool:
        """Whether the node is, as far as we know, one of ours, which waits until there is news."""
        return self._heads.tells_of_blocks

    async def block(self, number: int | None = None) -> BlockReference | None:
        """A block, or the newest one."""
        return await self._heads.block("latest" if number is None else number)

    async def next_head(self, known: BlockReference | None) -> BlockReference:
        """The newest block, as soon as it is another than `known`, or after some seconds in any case."""
        return await self._heads.next(known)

    async def logs(self, first: int, last: int) -> Sequence[LogAnswer]:
        """The flow's log in these blocks."""
        with anyio.fail_after(CALL_S_MAX):
            return await self._client.logs(self._criteria, first, last)

    async def flow_root(self, seq: int) -> Hash32:
        """Root of the flow right after a submission, as the contract has it."""
        with anyio.fail_after(CALL_S_MAX):
            data = await self._client.call(self.flow, FLOW.function("getFlowRootByTxSeq").encode(seq))
        return Hash32(FLOW.function("getFlowRootByTxSeq").decode_result(data)[0])

    async def signers(self, submissions: Sequence[LoggedSubmission]) -> dict[Hash32, Address]:
        """Who signed the transaction of each submission, by the transaction's hash.

        Raises `AnswerError` also where the chain node no longer has one in the block whose log named it.
        """
        blocks = {submission.transaction_hash: submission.block_hash for submission in submissions}
        hashes = list(blocks)
        places: list[TransactionPlace | None] = []
        with anyio.fail_after(CALL_S_MAX):
            while len(places) < len(hashes):
                some = hashes[len(places) : len(places) + self._calls_at_once]
                try:
                    places += await self._client.places(some)
                except (AnswerError, RpcError):
                    if len(some) == 1:
                        raise
                    self._calls_at_once = len(some) // 2  # Many public nodes take short batches only.
        signers: dict[Hash32, Address] = {}
        for (transaction_hash, block_hash), place in zip(blocks.items(), places, strict=True):
            if place is None or place.hash != transaction_hash or place.block_hash != block_hash:
                raise AnswerError(self._client.url, f"transaction {transaction_hash} is not in block {block_hash}")
            signers[transaction_hash] = place.sender
        return signers
