"""What dispersal waits for on the chain: its newest block, and which blocks stand and are final."""

from typing import Final

import anyio
import structlog

from zerog.chain.client import AsyncChainClient, BlockReference, Heads, RpcError
from zerog.chain.client.level import wait_until_level
from zerog.da.client.chain import CHAIN_FAILURES
from zerog.da.protocol.dispersal import BlockPlace
from zerog.primitives import Address, Hash32

__all__ = ["ChainNews"]

log = structlog.get_logger(__name__)

INTERVAL_S: Final = 1.0
"""Between two looks at a node that cannot wait."""
RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 3.0


class ChainNews:
    """Follows one node while `run` runs."""

    def __init__(self, client: AsyncChainClient, entrance: Address, *, finalized_blocks: int) -> None:
        """Logs of the `entrance` are told of at once.

        A node that does not say which blocks are final is taken to mean those with so many on top.
        """
        self._heads: Final = Heads(client, interval_s=INTERVAL_S, watched=[entrance])
        self._finalized_blocks: Final = finalized_blocks
        self._moved = anyio.Event()
        self._head: BlockReference | None = None
        self.turns_back = 0
        """How often the chain took back the block that was the newest."""
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""

    @property
    def head(self) -> BlockReference | None:
        """The newest block that the chain told of."""
        return self._head

    @property
    def number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return None if self._head is None else self._head.number

    async def run(self) -> None:
        """Follow until cancelled, through all failures of the chain."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                await self._follow_once()
            except CHAIN_FAILURES as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("chain_not_followed", cause=self.trouble, again_in_s=pause_s)
                self._wake()
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            else:
                self.trouble = None
                pause_s = RETRY_S_MIN

    async def wait_for_news(self, at_most_s: float = INTERVAL_S) -> None:
        """Return when there is another newest block, or the chain has gone or come back, or after a time."""
        with anyio.move_on_after(at_most_s):
            await self._moved.wait()

    async def wait_until_level(self) -> None:
        """Return once the newest block has been seen. Raises `ChainBehindError`, and what asking the chain raises."""
        await wait_until_level(self, self._heads.block)

    async def stands(self, place: BlockPlace) -> bool:
        """Whether a block is still on the chain. Raises the chain's failures."""
        block = await self._heads.block(place.number)
        return block is not None and block.hash == place.hash

    async def final_number(self) -> int:
        """The newest block that cannot go back; -1 if there is none. Raises the chain's failures."""
        try:
            block = await self._heads.block("finalized")
        except RpcError as error:
            log.debug("chain_names_no_final_block", cause=str(error))
            block = None
        if block is not None:
            return block.number
        head = await self._heads.block("latest")
        return -1 if head is None else head.number - self._finalized_blocks

    async def newest(self) -> BlockPlace:
        """The newest block. Raises the chain's failures."""
        head = await self._heads.newest()
        return BlockPlace(head.number, head.hash, Hash32(bytes(32)))

    async def _follow_once(self) -> None:
        known = self._head
        # After trouble the chain is asked at once: to wait for another block would hide for long that it is back.
        head = await self._heads.next(known if self.trouble is None else None)
        if known is not None and head.hash != known.hash:
            block = await self._heads.block(known.number)
            if block is None or block.hash != known.hash:
                self.turns_back += 1
                log.warning("chain_went_back", from_block=known.number, to_block=head.number)
        self._head = head
        if known is None or head.hash != known.hash or self.trouble is not None:
            self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
