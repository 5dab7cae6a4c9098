"""Quorums: rows, bitmaps, what the contract counts, and how long rows are kept."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.da.protocol.quorum import BitmapError, Quorum, hit_rows, is_confirmed, oldest_kept_epoch, rows_needed
from zerog.primitives import Address

SIGNERS = [Address(bytes([number]) * 20) for number in range(1, 6)]
members_lists = st.lists(st.sampled_from(SIGNERS), min_size=1, max_size=70)


def quorum_of(members: Sequence[Address]) -> Quorum:
    return Quorum(3, 1, tuple(members))


def counted_by_the_contract(members: Sequence[Address], bitmap: bytes) -> int:
    """The loop of `getAggPkG1`, word for word."""
    added, hit = [], 0
    for index, member in enumerate(members):
        if member in added:
            hit += 1
        elif bitmap[index // 8] & (1 << (index % 8)):
            hit += 1
            added.append(member)
    return hit


@given(members_lists, st.sets(st.sampled_from(SIGNERS)))
def test_a_bitmap_says_who_signed_and_all_their_rows_count(members: list[Address], signed: set[Address]) -> None:
    quorum = quorum_of(members)
    bitmap = quorum.bitmap(signed)
    assert set(quorum.signers_of(bitmap)) == signed & set(members)
    assert quorum.hit(bitmap) == quorum.signed_rows(signed) == sum(member in signed for member in members)


@given(members_lists, st.binary(min_size=9, max_size=9))
def test_any_bitmap_counts_as_the_contract_counts_it(members: list[Address], bits: bytes) -> None:
    assert hit_rows(members, bits) == counted_by_the_contract(members, bits)


def test_only_rows_from_the_first_set_bit_on_count() -> None:
    members = [SIGNERS[0], SIGNERS[1], SIGNERS[0], SIGNERS[0]]
    assert [hit_rows(members, bytes([1 << row])) for row in range(4)] == [3, 1, 2, 1]


@given(members_lists, st.sets(st.sampled_from(SIGNERS)), st.data())
def test_a_bitmap_with_any_bit_flipped_is_refused_or_says_other_signers(
    members: list[Address], signed: set[Address], data: st.DataObject
) -> None:
    quorum = quorum_of(members)
    bitmap = bytearray(quorum.bitmap(signed))
    bit = data.draw(st.integers(0, 8 * len(bitmap) - 1))
    bitmap[bit // 8] ^= 1 << bit % 8
    try:
        found = quorum.signers_of(bytes(bitmap))
    except BitmapError:
        return
    assert len(quorum.rows_of(members[bit])) == 1
    assert set(found) ^ (signed & set(members)) == {members[bit]}


@pytest.mark.parametrize("size", [0, 383, 385])
def test_a_bitmap_of_another_length_is_refused(size: int) -> None:
    quorum = quorum_of([SIGNERS[row % 3] for row in range(3072)])
    with pytest.raises(BitmapError, match="not 384"):
        quorum.signers_of(bytes(size))
    with pytest.raises(BitmapError, match="not 384"):
        quorum.hit(bytes(size))


def test_two_thirds_are_enough() -> None:
    assert [is_confirmed(hit, 3072) for hit in (2047, 2048)] == [False, True]
    assert rows_needed(3072) == 2048
    assert all(is_confirmed(rows_needed(total), total) and not is_confirmed(rows_needed(total) - 1, total) for total in range(1, 200))


def test_enough_signers_are_those_with_two_thirds_of_the_rows() -> None:
    quorum = quorum_of([SIGNERS[row % 3] for row in range(3072)])
    assert not quorum.is_enough([SIGNERS[0], SIGNERS[0]])
    assert quorum.is_enough([SIGNERS[0], SIGNERS[2]])
    assert not quorum.is_enough([SIGNERS[0], SIGNERS[4]])


@pytest.mark.parametrize(("current", "window", "oldest"), [(0, 300, 0), (300, 300, 0), (301, 300, 1), (10, 0, 10)])
def test_rows_are_kept_for_the_window(current: int, window: int, oldest: int) -> None:
    """An epoch goes once it and the window together are below the current one."""
    assert oldest_kept_epoch(current, window) == oldest
    assert all((epoch + window < current) == (epoch < oldest) for epoch in range(current + 1))
