"""The newest block of a chain as soon as it is there: whoever follows a chain waits here, on a node of ours or on any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import msgspec

from zerog.chain.client.asynchronous import AsyncChainClient
from zerog.chain.client.errors import AnswerError, RpcError
from zerog.primitives import Address, Hash32, Uint64, decode_hook, encode_data, encode_quantity

__all__ = ["CALL_S_MAX", "WAIT_MS", "BlockReference", "Heads"]

WAIT_MS: Final = 15_000
"""How long a node of ours may wait before it says that there is no new block."""
QUIET_MS: Final = 50
"""For how long a node of ours keeps blocks for itself in which the watched contracts logged nothing. A chain may have a thousand blocks a
second, and whoever looked at each would take the chain's time from those who make them."""
QUICK_S: Final = 1.0
"""A node that answers sooner, and has nothing new, did not wait."""
METHOD_UNKNOWN: Final = -32601
CALL_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class BlockReference:
    """One block."""

    number: int
    hash: Hash32
    parent: Hash32 | None = None
    """`None` where nobody asked."""


class _Head(msgspec.Struct):
    number: Uint64
    hash: Hash32


class Heads:
    """The blocks of one node.

    All calls raise `NodeUnreachableError`, `AnswerError`, `RpcError`, or `TimeoutError` when the answer takes too long.
    """

    def __init__(self, client: AsyncChainClient, *, interval_s: float, watched: Sequence[Address]) -> None:
        """`interval_s` lies between two looks at a node that cannot tell of new blocks by itself.

        Of the logs of `watched` contracts a node of ours tells at once, of other blocks a moment later.
        """
        self._client: Final = client
        self._interval_s: Final = interval_s
        self._watched: Final = [encode_data(address) for address in watched]
        self._can_wait = True

    @property
    def tells_of_blocks(self) -> bool:
        """Whether the node is, as far as we know, one of ours, which waits until there is news."""
        return self._can_wait

    async def block(self, name: int | str = "latest") -> BlockReference | None:
        """A block by its number or tag, if the node has it."""
        with anyio.fail_after(CALL_S_MAX):
            block = await self._client.block(name)
        return None if block is None else BlockReference(int(block.number), block.hash, block.parent_hash)

    async def newest(self) -> BlockReference:
        """The newest block."""
        block = await self.block()
        if block is None:
            raise AnswerError(self._client.url, "it has no newest block")
        return block

    async def next(self, known: BlockReference | None) -> BlockReference:
        """The newest block, as soon as it is another than `known`, or after some seconds in any case.

        A node of ours tells by itself; any other is looked at again after the interval.
        """
        if known is not None and self._can_wait:
            try:
                return await self._waited(known)
            except RpcError as error:
                if error.number != METHOD_UNKNOWN:
                    raise
                self._can_wait = False
        if known is not None:
            await anyio.sleep(self._interval_s)
        return await self.newest()

    async def _waited(self, known: BlockReference) -> BlockReference:
        asked_s = anyio.current_time()
        with anyio.fail_after(CALL_S_MAX + WAIT_MS / 1_000):
            place = (encode_quantity(known.number), encode_data(known.hash))
            answer = await self._client.request("zerog_waitForBlock", *place, WAIT_MS, QUIET_MS, self._watched)
        try:
            head = msgspec.convert(answer, _Head, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            raise AnswerError(self._client.url, str(error)) from None
        if head.hash == known.hash and anyio.current_time() - asked_s < QUICK_S:
            await anyio.sleep(self._interval_s)  # It stops, and lets nobody wait.
        return BlockReference(int(head.number), head.hash)
