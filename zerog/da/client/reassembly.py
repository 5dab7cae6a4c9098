"""From rows to the blob that a root names, and what to make of rows that lead to something else. Blocks; runs in threads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Final

from zerog._kernel import RecoveryError, amt_coset_root, amt_recover, amt_roots, keccak256
from zerog.da.protocol.constants import BLOB_ROWS, COSETS
from zerog.primitives import Address, Hash32

__all__ = ["ClaimedRows", "Reassembled", "are_roots_of", "reassemble", "search"]

ROOT_BYTES: Final = 32
TRIES_MAX: Final = 24
"""Ways to leave signers out that are tried; each decodes and encodes the blob once."""


@dataclass(slots=True)
class ClaimedRows:
    """Rows that came for one blob."""

    proven: dict[int, bytes] = field(default_factory=dict)
    """By index; a path leads from each to the root."""
    claimed: dict[Address, dict[int, bytes]] = field(default_factory=dict)
    """By signer and index, from nodes that send no paths."""
    coset_roots: tuple[bytes, bytes, bytes] | None = None
    """Those that make the root."""

    def copy(self) -> "ClaimedRows":
        """As they are now: more may come while a thread looks at them."""
        return ClaimedRows(dict(self.proven), {signer: dict(rows) for signer, rows in self.claimed.items()}, self.coset_roots)

    def of_all(self, *, without: Iterable[Address] = ()) -> dict[int, bytes]:
        """All of them, but for those that some signers claim."""
        left_out = set(without)
        rows = dict(self.proven)
        for signer, claimed in self.claimed.items():
            if signer not in left_out:
                rows |= claimed
        return rows


@dataclass(frozen=True, slots=True)
class Reassembled:
    """The blob, and who is to blame that it took more than one try."""

    data: bytes = field(repr=False)
    liars: tuple[Address, ...] = ()


def are_roots_of(coset_roots: Sequence[bytes], root: Hash32) -> bool:
    """Whether three roots of cosets make a blob's root."""
    if len(coset_roots) != COSETS or any(len(each) != ROOT_BYTES for each in coset_roots):
        return False
    first, second, third = coset_roots
    return keccak256(keccak256(first + second) + third) == root


def reassemble(rows: ClaimedRows, root: Hash32) -> bytes | None:
    """The blob, `None` where the rows that were chosen are not those of one. Takes the blob's own rows where they are all there."""
    everything = rows.of_all()
    chosen = sorted(everything)[:BLOB_ROWS]
    is_systematic = chosen == list(range(BLOB_ROWS))
    if is_systematic and not all(index in rows.proven for index in chosen) and rows.coset_roots is not None:
        if amt_coset_root([everything[index] for index in chosen]) != rows.coset_roots[0]:
            return None
        return _recovered(everything, chosen)
    data = _recovered(everything, chosen)
    if data is None or (is_systematic and all(index in rows.proven for index in chosen)):
        return data
    return data if _is_of(data, root) else None


def search(rows: ClaimedRows, root: Hash32) -> Reassembled | None:
    """The blob without the rows of signers who send no paths and lied; `None` where it does not come out without one or two of them.

    Each of those is held against the blob alone then, so that nobody is named for having been left out.
    """
    signers = list(rows.claimed)
    ways = chain(combinations(signers, 1), combinations(signers, 2))
    for _, left_out in zip(range(TRIES_MAX), ways, strict=False):
        some = rows.of_all(without=left_out)
        if len(some) < BLOB_ROWS:
            continue
        true = {index: some[index] for index in sorted(some)[:BLOB_ROWS]}
        data = _recovered(true, list(true))
        if data is not None and _is_of(data, root):
            liars = [signer for signer in left_out if not _fits(rows.claimed[signer], true, root)]
            return Reassembled(data, tuple(liars))
    return None


def _fits(claimed: Mapping[int, bytes], true: Mapping[int, bytes], root: Hash32) -> bool:
    """Whether rows lead to the blob together with such that do."""
    new = dict(list({index: row for index, row in claimed.items() if true.get(index) != row}.items())[:BLOB_ROWS])
    if not new:
        return True
    fill = [index for index in true if index not in new][: BLOB_ROWS - len(new)]
    mixed = new | {index: true[index] for index in fill}
    data = _recovered(mixed, list(mixed))
    return data is not None and _is_of(data, root)


def _recovered(rows: Mapping[int, bytes], indexes: Sequence[int]) -> bytes | None:
    try:
        return amt_recover([(index, rows[index]) for index in indexes])
    except RecoveryError:
        return None


def _is_of(data: bytes, root: Hash32) -> bool:
    found, _ = amt_roots(data)
    return found == root
