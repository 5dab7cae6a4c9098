"""Looking for the settlement of a receipt: with its provider, and where that is gone, in what it has published."""

from collections.abc import Callable
from typing import Final

import msgspec

from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import (
    AnswerRefutedError,
    NotSettledError,
    ProofUnavailableError,
    ProviderError,
    ProviderUnreachableError,
)
from zerog.compute.client.market import Market
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import ReceiptAnswer, SignedReceipt
from zerog.primitives.errors import DeadlineError
from zerog.runtime.deadlines import TimeLimit

__all__ = ["SettlementLook"]


class SettlementLook:
    """Looks as often as it is told to, until there is a settlement."""

    def __init__(self, connect: Callable[[str], ProviderConnection], file: AnswerFile, receipt: SignedReceipt, market: Market) -> None:
        self._connect: Final = connect
        self._file: Final = file
        self._receipt: Final = receipt
        self._market: Final = market
        self._trouble: ProviderUnreachableError | None = ProviderUnreachableError(file.url, "it has not answered in time")
        self._chain_was_asked = False

    def late(self, _limit: TimeLimit | None = None) -> DeadlineError:
        """What is known when the time is over."""
        if self._trouble is not None:
            return ProofUnavailableError(self._trouble.url, self._trouble.cause)
        return NotSettledError(self._receipt.receipt.id)

    def take(self) -> AnswerFile | None:
        """The answer with its settlement; `None` while there is none. Raises `AnswerRefutedError`, `ProviderError`."""
        try:
            reply = self._connect(self._file.url).get(f"/v1/receipts/{self._receipt.receipt.id}", ReceiptAnswer)
        except ProviderUnreachableError as error:
            self._trouble = error
            return None if self._chain_was_asked else self._by_chain()
        except ProviderError:
            found = self._by_chain()
            if found is None:
                raise
            return found
        self._trouble = None
        if reply.signed != self._receipt:
            raise AnswerRefutedError("receipt", "the provider shows another one than it gave")
        return None if reply.settlement is None else msgspec.structs.replace(self._file, settlement=reply.settlement)

    def _by_chain(self) -> AnswerFile | None:
        """By what the provider has published; asked for once, since a provider that is gone publishes nothing new."""
        from zerog.compute.client.published import find_published  # It loads the client of storage.

        self._chain_was_asked = True
        place = find_published(self._receipt, self._market, self._file.contract)
        return None if place is None else msgspec.structs.replace(self._file, settlement=place)
