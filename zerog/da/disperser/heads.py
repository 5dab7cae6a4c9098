"""The chain's newest block, known as soon as it is there, and which blocks stand and are final."""

from typing import Final

import anyio
import msgspec
import structlog

from zerog.chain.client import AnswerError, AsyncChainClient, RpcError
from zerog.chain.wire.answers import BlockAnswer
from zerog.da.client.chain import CHAIN_FAILURES
from zerog.da.protocol.dispersal import BlockPlace
from zerog.primitives import Hash32, Uint64, decode_hook, encode_data, encode_quantity

__all__ = ["Heads"]

log = structlog.get_logger(__name__)

WAIT_MS: Final = 15_000
"""How long a node of ours may wait before it says that there is no new block."""
QUICK_S: Final = 1.0
"""A node that answers sooner, and has nothing new, did not wait."""
INTERVAL_S: Final = 1.0
"""Between two looks at a node that cannot wait."""
CALL_S_MAX: Final = 20.0
RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 3.0
METHOD_UNKNOWN: Final = -32601


class _Head(msgspec.Struct):
    number: Uint64
    hash: Hash32


class Heads:
    """Follows one node while `run` runs."""

    def __init__(self, client: AsyncChainClient, *, finalized_blocks: int) -> None:
        """A node that does not say which blocks are final is taken to mean those with so many on top."""
        self._client: Final = client
        self._finalized_blocks: Final = finalized_blocks
        self._can_wait = True
        self._moved = anyio.Event()
        self._head: _Head | None = None
        self.turns_back = 0
        """How often the chain took back the block that was the newest."""
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""

    @property
    def number(self) -> int | None:
        """Number of the newest block that the chain told of."""
        return None if self._head is None else int(self._head.number)

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

    async def stands(self, place: BlockPlace) -> bool:
        """Whether a block is still on the chain. Raises the chain's failures."""
        block = await self._block(place.number)
        return block is not None and block.hash == place.hash

    async def final_number(self) -> int:
        """The newest block that cannot go back; -1 if there is none. Raises the chain's failures."""
        try:
            block = await self._block("finalized")
        except RpcError as error:
            log.debug("chain_names_no_final_block", cause=str(error))
            block = None
        if block is not None:
            return int(block.number)
        head = await self._block("latest")
        return -1 if head is None else int(head.number) - self._finalized_blocks

    async def newest(self) -> BlockPlace:
        """The newest block. Raises the chain's failures."""
        head = await self._block("latest")
        if head is None:
            raise AnswerError(self._client.url, "it has no newest block")
        return BlockPlace(int(head.number), head.hash, Hash32(bytes(32)))

    async def _follow_once(self) -> None:
        known = self._head
        # After trouble the chain is asked at once: to wait for another block would hide for long that it is back.
        head = await self._next(known if self.trouble is None else None)
        if known is not None and head.hash != known.hash:
            block = await self._block(int(known.number))
            if block is None or block.hash != known.hash:
                self.turns_back += 1
                log.warning("chain_went_back", from_block=int(known.number), to_block=int(head.number))
        self._head = head
        if known is None or head.hash != known.hash or self.trouble is not None:
            self._wake()

    async def _next(self, known: _Head | None) -> _Head:
        """The newest block, as soon as it is another than `known`, or after some seconds in any case."""
        if known is not None and self._can_wait:
            try:
                return await self._waited(known)
            except RpcError as error:
                if error.number != METHOD_UNKNOWN:
                    raise
                self._can_wait = False
        if known is not None:
            await anyio.sleep(INTERVAL_S)
        head = await self.newest()
        return _Head(number=Uint64(head.number), hash=head.hash)

    async def _waited(self, known: _Head) -> _Head:
        asked_s = anyio.current_time()
        with anyio.fail_after(CALL_S_MAX + WAIT_MS / 1_000):
            answer = await self._client.request("zerog_waitForBlock", encode_quantity(known.number), encode_data(known.hash), WAIT_MS)
        try:
            head = msgspec.convert(answer, _Head, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            raise AnswerError(self._client.url, str(error)) from None
        if head.hash == known.hash and anyio.current_time() - asked_s < QUICK_S:
            await anyio.sleep(INTERVAL_S)  # It stops, and lets nobody wait.
        return head

    async def _block(self, name: int | str) -> BlockAnswer | None:
        with anyio.fail_after(CALL_S_MAX):
            return await self._client.block(name)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
