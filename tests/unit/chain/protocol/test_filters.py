"""Filters as a state machine: cursors, expiry, going back."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zerog.chain.protocol.constants import FILTER_EXPIRY_S
from zerog.chain.protocol.errors import FilterNotFoundError
from zerog.chain.protocol.filters import BlockFilter, FilterBook, LogFilter, PendingFilter
from zerog.chain.protocol.logs import LogCriteria, LogQuery
from zerog.chain.protocol.tags import BlockByNumber, Tag


def test_a_filter_reports_each_block_once() -> None:
    book = FilterBook(1)
    filter_id = book.install(BlockFilter(), 5, 0.0)
    assert book.advance(filter_id, 8, 1.0) == 5
    assert book.advance(filter_id, 8, 2.0) == 8
    assert book.advance(filter_id, 9, 3.0) == 8


def test_a_filter_that_nobody_polls_is_forgotten() -> None:
    book = FilterBook(1)
    polled = book.install(BlockFilter(), 0, 0.0)
    forgotten = book.install(BlockFilter(), 0, 0.0)
    book.look(polled, FILTER_EXPIRY_S)
    with pytest.raises(FilterNotFoundError):
        book.look(forgotten, FILTER_EXPIRY_S + 1)
    assert book.look(polled, FILTER_EXPIRY_S + 1) == BlockFilter()


def test_an_uninstalled_filter_is_gone() -> None:
    book = FilterBook(7)
    filter_id = book.install(BlockFilter(), 0, 0.0)
    assert book.uninstall(filter_id)
    assert not book.uninstall(filter_id)
    with pytest.raises(FilterNotFoundError):
        book.advance(filter_id, 1, 0.0)


def test_going_back_restores_cursors_and_clips_younger_filters() -> None:
    book = FilterBook(1)
    old = book.install(BlockFilter(), 3, 0.0)
    cursors = book.cursors()
    book.advance(old, 9, 0.0)
    young = book.install(BlockFilter(), 9, 0.0)
    arrivals = book.install(PendingFilter(False), 100, 0.0)
    book.rewind(cursors, 5, 90)
    assert book.cursors() == {old: 3, young: 5, arrivals: 90}


def test_only_what_was_reported_can_be_told_to_be_gone() -> None:
    book = FilterBook(1)
    everything, bounded, late = (
        book.install(LogFilter(LogQuery(LogCriteria(), first=BlockByNumber(0), last=last)), cursor, 0.0)
        for last, cursor in ((Tag.LATEST, 3), (BlockByNumber(6), 3), (Tag.LATEST, 8))
    )

    def reported(first: int) -> dict[int, range]:
        return {filter_id: heights for filter_id, _, heights in book.reported(first)}

    assert reported(0) == {}
    cursors = book.cursors()
    for filter_id in (everything, bounded, late):
        book.advance(filter_id, 10, 0.0)
    assert reported(5) == {everything: range(5, 10), bounded: range(5, 7), late: range(8, 10)}
    book.rewind(cursors, 5, 0)
    assert reported(0) == {everything: range(3, 5), bounded: range(3, 5)}
    book.rewind(cursors, 2, 0)
    assert reported(0) == {}


class FiltersMachine(RuleBasedStateMachine):
    """Whatever is polled in whatever order, every block is reported to a living filter exactly once and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.book = FilterBook(1)
        self.head = 0
        self.now_s = 0.0
        self.reported: dict[int, int] = {}

    @rule()
    def install(self) -> None:
        self.reported[self.book.install(BlockFilter(), self.head + 1, self.now_s)] = self.head

    @rule(blocks=st.integers(1, 5))
    def mine(self, blocks: int) -> None:
        self.head += blocks

    @rule(seconds=st.sampled_from([1.0, FILTER_EXPIRY_S + 1]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(index=st.integers(0, 10))
    def poll(self, index: int) -> None:
        if not self.reported:
            return
        filter_id = list(self.reported)[index % len(self.reported)]
        try:
            begin = self.book.advance(filter_id, self.head + 1, self.now_s)
        except FilterNotFoundError:
            del self.reported[filter_id]
            return
        assert begin == self.reported[filter_id] + 1
        self.reported[filter_id] = self.head

    @invariant()
    def ids_are_never_used_twice(self) -> None:
        assert len(self.book.entries) <= self.book.next_id - 1


TestFilters = FiltersMachine.TestCase
