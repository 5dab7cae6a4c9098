"""A blob's way back from its quorum, without I/O: whom to ask for which rows, and when there are enough or never will be.

Source of the order (rows of the blob itself first, then any): 0glabs/0g-da-retriever.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from zerog.da.protocol.constants import BLOB_ROWS
from zerog.da.protocol.quorum import Quorum
from zerog.primitives import Address

__all__ = ["Ask", "RetrievalPlan"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to one signer."""

    signer: Address
    rows: tuple[int, ...] = field(repr=False)
    """Indexes in ascending order; the signer owns them all."""


class RetrievalPlan:
    """Tell it what came, and it says whom to ask next. Every row has one owner, so a row that its owner does not give is lost, and
    another one takes its place."""

    def __init__(self, quorum: Quorum, *, rows_needed: int = BLOB_ROWS) -> None:
        self._needed = rows_needed
        self._untouched = {signer: list(rows) for signer, rows in quorum.rows_by_signer.items()}
        self._awaited: dict[Address, set[int]] = {signer: set() for signer in self._untouched}
        self._held: dict[Address, set[int]] = {signer: set() for signer in self._untouched}
        self._late: set[Address] = set()
        self._out: set[Address] = set()

    @property
    def held_count(self) -> int:
        """Rows that came and count."""
        return sum(map(len, self._held.values()))

    @property
    def is_complete(self) -> bool:
        """Whether there are enough rows."""
        return self.held_count >= self._needed

    @property
    def reachable_count(self) -> int:
        """Rows that came, are on their way, or can still be asked for."""
        return self.held_count + sum(map(len, self._awaited.values())) + sum(map(len, self._untouched.values()))

    @property
    def is_hopeless(self) -> bool:
        """Whether there will never be enough rows."""
        return self.reachable_count < self._needed

    def begin(self) -> list[Ask]:
        """The first requests: whoever owns rows of the blob itself is asked for all of these."""
        asks = [self._take(signer, sum(row < self._needed for row in rows)) for signer, rows in self._untouched.items()]
        return [ask for ask in asks if ask.rows] + self._more()

    def came(self, signer: Address, rows: Iterable[int]) -> None:
        """Rows that were asked for are here. What nobody asked for does not count."""
        expected = self._awaited[signer]
        found = expected.intersection(rows)
        expected -= found
        self._held[signer] |= found

    def ended(self, ask: Ask) -> list[Ask]:
        """A request is over: what it did not bring is lost. Returns what to ask instead."""
        self._awaited[ask.signer].difference_update(ask.rows)
        self._late.discard(ask.signer)
        return self._more()

    def failed(self, signer: Address) -> list[Ask]:
        """A signer does not answer, and is asked no more; what it gave counts. Returns what to ask instead."""
        self._out.add(signer)
        self._awaited[signer].clear()
        self._untouched[signer].clear()
        return self._more()

    def lied(self, signer: Address) -> list[Ask]:
        """Nothing that a signer gave counts, and it is asked no more. Returns what to ask instead."""
        self._held[signer].clear()
        return self.failed(signer)

    def late(self, signer: Address) -> list[Ask]:
        """A signer takes long: what it was asked for may still come, but others are asked for as much."""
        self._late.add(signer)
        return self._more()

    def everything(self) -> list[Ask]:
        """Ask for all rows that there are, to find who gave wrong ones."""
        asks = [self._take(signer, len(rows)) for signer, rows in self._untouched.items()]
        return [ask for ask in asks if ask.rows]

    def _more(self) -> list[Ask]:
        """Requests for as many rows as are missing beyond those that are counted on, spread over those who have some; over those who are
        late only when there is nobody else."""
        counted_on = self.held_count + sum(len(rows) for signer, rows in self._awaited.items() if signer not in self._late)
        missing = self._needed - counted_on
        asks: list[Ask] = []
        for are_late in (False, True):
            able = [signer for signer, rows in self._untouched.items() if rows and (signer in self._late) == are_late]
            able.sort(key=lambda signer: len(self._untouched[signer]))
            for position, signer in enumerate(able):
                if missing <= 0:
                    return asks
                ask = self._take(signer, -(-missing // (len(able) - position)))
                missing -= len(ask.rows)
                asks.append(ask)
        return asks

    def _take(self, signer: Address, count: int) -> Ask:
        rows = tuple(self._untouched[signer][:count])
        del self._untouched[signer][:count]
        self._awaited[signer].update(rows)
        return Ask(signer, rows)
