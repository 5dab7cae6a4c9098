"""One transaction on its way into a block, with what replaces it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from zerog._kernel import decode_transaction
from zerog.chain.client import RpcError
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.da.disperser.account import ChainAccount, words_of
from zerog.da.disperser.chain_news import ChainNews
from zerog.da.disperser.store import Sending
from zerog.da.protocol.errors import DaError
from zerog.runtime.clock import Clock

__all__ = ["KeepSending", "NotTakenError", "Passage"]

log = structlog.get_logger(__name__)

RESEND_S: Final = 5.0
REPLACE_S: Final = 60.0
"""A transaction that is in no block by then is replaced by one that pays more."""
NEWS_S: Final = 0.25
"""Between two looks for a receipt, where no new block is told of."""
RAISES_MAX: Final = 20

KeepSending: TypeAlias = Callable[[Sending], Awaitable[None]]
"""Writes down what replaces a transaction."""


@dataclass(eq=False)
class NotTakenError(DaError):
    """The chain node does not take the transaction, and never had it."""

    reason: str

    code = "transaction_not_taken"
    remedy = "see the node's words; the account may have too little money"

    def __str__(self) -> str:
        return f"the chain node does not take the transaction: {self.reason}"


class Passage:
    """Begins with a transaction that is in the books, whether or not it was ever sent."""

    def __init__(self, account: ChainAccount, news: ChainNews, clock: Clock, sendings: list[Sending], keep: KeepSending) -> None:
        """`keep` writes down what replaces it, before that is sent."""
        self._account: Final = account
        self._news: Final = news
        self._clock: Final = clock
        self._sendings: Final = sendings
        self._keep: Final = keep
        self._is_taken = False
        self._sent_s = float("-inf")
        self._newest_s = clock.monotonic_s()

    async def see_through(self) -> ReceiptAnswer | None:
        """What it did, once it is in a block; `None` once it can never be.

        Raises `NotTakenError`, and the chain's failures; after these it can be asked again.
        """
        while True:
            used = await self._account.nonce("latest")
            for sending in self._sendings:
                receipt = await self._account.receipt(sending.hash)
                if receipt is not None:
                    return receipt
            if await self._is_dead(used):
                return None
            await self._press()
            await self._news.wait_for_news(NEWS_S)

    async def _is_dead(self, used: int) -> bool:
        """Whether its number is another's, or numbers before it are nobody's, as after the chain has begun anew."""
        nonce = self._sendings[-1].nonce
        return used > nonce or max(used, await self._account.nonce("pending")) < nonce

    async def _press(self) -> None:
        """Send again what may have been lost, and offer more for what nobody takes."""
        now_s = self._clock.monotonic_s()
        if self._is_taken and now_s - self._newest_s > REPLACE_S and len(self._sendings) <= RAISES_MAX:
            await self._raise()
        if now_s - self._sent_s > RESEND_S:
            await self._send()

    async def _raise(self) -> None:
        newest = self._sendings[-1]
        call = decode_transaction(newest.raw)
        sending = self._account.sign(
            call.data,
            nonce=newest.nonce,
            gas_limit=call.gas_limit,
            value_wei=call.value,
            fees=(await self._account.fees()).raised(len(self._sendings)),
        )
        await self._keep(sending)
        self._sendings.append(sending)
        self._newest_s = self._clock.monotonic_s()
        self._sent_s = float("-inf")

    async def _send(self) -> None:
        try:
            await self._account.send(self._sendings[-1])
        except RpcError as error:
            if not self._is_taken:
                raise NotTakenError(words_of(error)) from None
            log.info("transaction_not_taken_again", cause=error.message)
        self._is_taken = True
        self._sent_s = self._clock.monotonic_s()
