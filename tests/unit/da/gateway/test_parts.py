"""Parts of messages that come in pieces, and what the gateway writes down: bounded, and true after a restart."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.da.gateway.book import Book
from zerog.da.gateway.chunks import PENDING_MAX, SILENCE_S_MAX, PendingMessages
from zerog.da.gateway.errors import ChunksError, PayloadTooLargeError
from zerog.da.protocol.commitments import GenericCommitment
from zerog.da.protocol.names import BlobName
from zerog.primitives import Hash32

ROOT, OTHER = Hash32(b"r" * 32), Hash32(b"o" * 32)


@dataclass
class Hands:
    """A clock that stands."""

    now_s: float = 1_000.0

    def unix_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50), st.randoms())
def test_a_message_is_what_its_parts_are(message: bytes, size: int, dice: random.Random) -> None:
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    order = list(enumerate(parts)) * 2
    dice.shuffle(order)
    pending = PendingMessages(1_000, Hands())
    number = pending.start(len(parts), size, len(message))
    for index, part in order:
        pending.add(number, index, part)
    assert pending.finish(number) == message


@pytest.mark.parametrize(("count", "size", "total"), [(0, 1, 0), (1, 0, 1), (2, 10, 10), (1, 10, 11), (2**17, 1, 2**17)])
def test_parts_have_to_add_up(count: int, size: int, total: int) -> None:
    with pytest.raises(ChunksError):
        PendingMessages(2**20, Hands()).start(count, size, total)


def test_wrong_parts_are_refused_and_a_contradiction_ends_the_message() -> None:
    pending = PendingMessages(100, Hands())
    number = pending.start(2, 10, 15)
    for index, part in ((2, b"x" * 10), (0, b"x" * 9), (1, b"x" * 10)):
        with pytest.raises(ChunksError):
            pending.add(number, index, part)
    pending.add(number, 0, b"x" * 10)
    with pytest.raises(ChunksError, match="other bytes"):
        pending.add(number, 0, b"y" * 10)
    with pytest.raises(ChunksError, match="no message"):
        pending.finish(number)


def test_a_message_that_is_not_all_there_is_refused() -> None:
    pending = PendingMessages(100, Hands())
    number = pending.start(2, 10, 15)
    pending.add(number, 1, b"x" * 5)
    with pytest.raises(ChunksError, match="1 of 2"):
        pending.finish(number)


def test_so_many_messages_and_bytes_are_under_way_at_most() -> None:
    hands = Hands()
    pending = PendingMessages(100, hands)
    with pytest.raises(PayloadTooLargeError):
        pending.start(1, 101, 101)
    for _ in range(2):
        pending.start(1, 100, 100)
    with pytest.raises(ChunksError, match="under way"):
        pending.start(1, 1, 1)
    hands.now_s += SILENCE_S_MAX + 1
    for _ in range(PENDING_MAX):
        pending.start(1, 1, 1)
    with pytest.raises(ChunksError, match="under way"):
        pending.start(1, 1, 1)


def test_a_poster_that_is_heard_keeps_its_message() -> None:
    hands = Hands()
    pending = PendingMessages(100, hands)
    number = pending.start(2, 10, 20)
    for index in range(2):
        hands.now_s += SILENCE_S_MAX - 1
        pending.add(number, index, b"x" * 10)
    hands.now_s += SILENCE_S_MAX + 1
    with pytest.raises(ChunksError, match="no message"):
        pending.finish(number)


def test_what_was_written_down_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "book"
    first = GenericCommitment((BlobName(ROOT, 1, 2),))
    second = GenericCommitment((BlobName(ROOT, 1, 2), BlobName(OTHER, 2**64 - 1, 0)))
    book = Book(path)
    book.note_payload(ROOT, first)
    book.note_payload(ROOT, second)
    book.note_names("chain", [BlobName(ROOT, 2, 9), BlobName(ROOT, 2**63, 1), BlobName(ROOT, 2**63, 0), BlobName(OTHER, 1, 1)], 17)
    book.copy_to(tmp_path / "copy")
    book.close()
    for kept in (Book(path), Book(tmp_path / "copy")):
        assert kept.find_payload(ROOT) == second
        assert kept.find_payload(OTHER) is None
        assert kept.find_name(ROOT) == BlobName(ROOT, 2**63, 1)
        assert kept.find_name(Hash32(bytes(32))) is None
        assert (kept.next_block("chain"), kept.next_block("another chain")) == (17, 0)
        kept.close()
