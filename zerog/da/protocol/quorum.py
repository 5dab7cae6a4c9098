"""A quorum: who owns which row, how signatures become a bitmap, when there are enough, and how long an epoch's rows are kept.

Sources: 0glabs/0g-geth, `core/vm/dasigners.go`; 0glabs/0g-da-contract, `contracts/DAEntrance.sol`; 0glabs/0g-da-node, `node/src/pruner`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final

from zerog.da.protocol.errors import DaError
from zerog.primitives import Address

__all__ = [
    "QUORUM_DENOMINATOR",
    "QUORUM_NUMERATOR",
    "BitmapError",
    "Quorum",
    "hit_rows",
    "is_confirmed",
    "oldest_kept_epoch",
    "rows_needed",
]

QUORUM_NUMERATOR: Final = 2
QUORUM_DENOMINATOR: Final = 3
BYTE_BITS: Final = 8


@dataclass(eq=False)
class BitmapError(DaError):
    """A bitmap that no quorum of honest signers leads to."""

    cause: str

    code = "bitmap_invalid"
    remedy = "set the bits of all rows of those who signed, and no others"

    def __str__(self) -> str:
        return f"the bitmap of the quorum is wrong: {self.cause}"


@dataclass(frozen=True)
class Quorum:
    """One quorum of an epoch, as the chain drew it."""

    epoch: int
    quorum_id: int
    members: tuple[Address, ...] = field(repr=False)
    """Owner of each row, by the row's index. One signer owns many."""

    @cached_property
    def rows_by_signer(self) -> Mapping[Address, tuple[int, ...]]:
        """Rows of each signer in ascending order; the signers in the order of their first rows."""
        rows: dict[Address, list[int]] = {}
        for row, owner in enumerate(self.members):
            rows.setdefault(owner, []).append(row)
        return MappingProxyType({owner: tuple(owned) for owner, owned in rows.items()})

    @property
    def signers(self) -> tuple[Address, ...]:
        """Each signer once, in the order of their first rows."""
        return tuple(self.rows_by_signer)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self.members)

    def rows_of(self, signer: Address) -> tuple[int, ...]:
        """Rows of one signer in ascending order; none of one who is no member."""
        return self.rows_by_signer.get(signer, ())

    def signed_rows(self, signers: Collection[Address]) -> int:
        """How many rows belong to these signers."""
        return sum(len(self.rows_of(signer)) for signer in set(signers))

    def bitmap(self, signers: Collection[Address]) -> bytes:
        """A bit for every row of these signers: row i is bit i mod 8, the lowest first, of byte i / 8."""
        bits = bytearray(_bitmap_bytes(self.total))
        for signer in set(signers):
            for row in self.rows_of(signer):
                bits[row // BYTE_BITS] |= 1 << row % BYTE_BITS
        return bytes(bits)

    def signers_of(self, bitmap: bytes) -> tuple[Address, ...]:
        """Those for whose rows the bits are set. Raises `BitmapError` for every bitmap that `bitmap` does not make.

        The contract is laxer: it takes one bit of a signer for all rows from there on.
        """
        signers = tuple(self.members[rows[0]] for rows in self.rows_by_signer.values() if _bit(self._checked(bitmap), rows[0]))
        if self.bitmap(signers) != bitmap:
            raise BitmapError("rows of one signer have different bits, or there are bits of no row")
        return signers

    def hit(self, bitmap: bytes) -> int:
        """How many rows count for the contract. Raises `BitmapError`."""
        return hit_rows(self.members, self._checked(bitmap))

    def is_enough(self, signers: Collection[Address]) -> bool:
        """Whether the contract confirms a blob that these signers signed."""
        return is_confirmed(self.signed_rows(signers), self.total)

    def _checked(self, bitmap: bytes) -> bytes:
        if len(bitmap) != _bitmap_bytes(self.total):
            raise BitmapError(f"it has {len(bitmap)} bytes, not {_bitmap_bytes(self.total)}")
        return bitmap


def hit_rows(members: Sequence[Address], bitmap: bytes) -> int:
    """How many rows `getAggPkG1` counts: from a signer's first set bit on, all that it owns, whatever their bits are.

    `bitmap` has a bit for every row.
    """
    added: set[Address] = set()
    hit = 0
    for row, owner in enumerate(members):
        if owner not in added and _bit(bitmap, row):
            added.add(owner)
        hit += owner in added
    return hit


def is_confirmed(hit: int, total: int) -> bool:
    """Whether the entrance contract takes `hit` rows of `total` for enough."""
    return QUORUM_NUMERATOR * total <= QUORUM_DENOMINATOR * hit


def rows_needed(total: int) -> int:
    """The fewest rows that are enough."""
    return -(-QUORUM_NUMERATOR * total // QUORUM_DENOMINATOR)


def oldest_kept_epoch(current: int, window: int) -> int:
    """The first epoch whose rows are still kept in epoch `current`: those go that are more than `window` epochs old."""
    return max(0, current - window)


def _bitmap_bytes(rows: int) -> int:
    return -(-rows // BYTE_BITS)


def _bit(bitmap: bytes, row: int) -> bool:
    return bool(bitmap[row // BYTE_BITS] >> row % BYTE_BITS & 1)
