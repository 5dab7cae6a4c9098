"""What is cut, packed, chosen and awaited: the parts of uploads and downloads that need no network."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.storage.client.peers import EnoughError
from zerog.storage.client import LocalFileError, NodeClient, WaitTimeoutError
from zerog.storage.client.piece import Piece, messages_to
from zerog.storage.client.selection import KnownNode, in_order
from zerog.storage.client.source import Source, fragment_ranges, groups_of
from zerog.storage.client.waiting import Deadline, in_parallel
from zerog.storage.protocol.padding import segments_of, uploaded_bytes_of_segment
from zerog.storage.protocol.shards import EVERYTHING, Shard
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.files import Availability

NODE = KnownNode(NodeClient("http://127.0.0.1:1"), EVERYTHING)


@given(st.integers(1, 10**9), st.integers(1, 2**24).filter(lambda size: size > 10**5))
def test_fragments_cover_a_file_in_powers_of_two(size_bytes: int, fragment_bytes: int) -> None:
    ranges = fragment_ranges(size_bytes, fragment_bytes)
    step = len(ranges[0])
    assert [part.start for part in ranges[1:]] == [part.stop for part in ranges[:-1]]
    assert (ranges[0].start, ranges[-1].stop) == (0, size_bytes)
    if len(ranges) > 1:
        assert step.bit_count() == 1
        assert fragment_bytes <= step < 2 * fragment_bytes
        assert all(len(part) == step for part in ranges[:-1])


def test_a_fragment_has_at_least_a_sector() -> None:
    assert [len(part) for part in fragment_ranges(600, 1)] == [256, 256, 88]


@given(
    st.lists(st.integers(1, 12 * SEGMENT_BYTES), min_size=1, max_size=20),
    st.integers(1, 5 * SEGMENT_BYTES),
    st.integers(1, 6),
    st.data(),
)
@settings(max_examples=40)
def test_messages_carry_each_missing_segment_once_and_are_not_too_large(
    sizes: list[int], bytes_max: int, pieces_max: int, data: st.DataObject
) -> None:
    zeros = memoryview(bytes(12 * SEGMENT_BYTES))
    pieces = [Piece(Source(zeros), zeros[:size]) for size in sizes]
    missing = [(piece, sorted(data.draw(st.sets(st.integers(0, segments_of(piece.size_bytes) - 1))))) for piece in pieces]
    messages = list(messages_to(NODE, missing, bytes_max=bytes_max, pieces_max=pieces_max))
    sent = [(piece, index) for message in messages for piece, indexes in message.entries for index in indexes]
    assert sent == [(piece, index) for piece, indexes in missing for index in indexes]
    for message in messages:
        indexes = [index for _, some in message.entries for index in some]
        assert message.size_bytes == sum(
            uploaded_bytes_of_segment(piece.size_bytes, index) for piece, some in message.entries for index in some
        )
        assert message.size_bytes <= bytes_max or len(indexes) == 1
        assert 1 <= len(message.entries) <= pieces_max


@given(st.sets(st.integers(0, 200)), st.integers(201, 300))
def test_a_bitmap_tells_what_is_held(held: set[int], segments: int) -> None:
    bits = Availability.bitmap(held, segments)
    assert len(bits) == -(-segments // 8)
    assert int.from_bytes(bits, "little") == sum(1 << index for index in held)


def test_small_files_go_together_and_large_ones_alone(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"s")
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    groups = list(groups_of([b"a", tmp_path / "large", tmp_path / "small", bytes(2**21)]))
    assert groups == [[(1, tmp_path / "large")], [(3, bytes(2**21))], [(0, b"a"), (2, b"s")]]
    assert [len(group) for group in groups_of([b"x"] * 2_500)] == [1_000, 1_000, 500]
    assert [len(group) for group in groups_of([bytes(2**20)] * 40)] == [32, 8]
    with pytest.raises(LocalFileError):
        list(groups_of([tmp_path / "missing"]))


def test_nodes_stand_in_the_order_of_the_official_methods() -> None:
    shards = [Shard(4, 1), Shard(1, 0), Shard(2, 1), Shard(2, 0)]
    nodes = [KnownNode(NODE.client, shard) for shard in shards]
    assert [node.shard for node in in_order(nodes, "min")] == [Shard(1, 0), Shard(2, 0), Shard(2, 1), Shard(4, 1)]
    assert [node.shard for node in in_order(nodes, "max")] == [Shard(4, 1), Shard(2, 1), Shard(2, 0), Shard(1, 0)]
    assert [node.shard for node in in_order(nodes, "2")] == [Shard(2, 1), Shard(2, 0)]
    assert [node.shard for node in in_order(nodes, "random", lambda found: found.reverse())] == shards[::-1]
    with pytest.raises(ValueError, match="not 'best'"):
        in_order(nodes, "best")


def test_a_wait_ends_with_what_was_awaited() -> None:
    with pytest.raises(WaitTimeoutError, match=r"the rain has not come within 0\.05 s"):
        for _ in Deadline(0.05).pauses("the rain has not come"):
            pass


def test_work_is_drawn_when_a_thread_is_free_and_the_first_error_ends_it() -> None:
    drawn: list[int] = []
    done: list[int] = []
    lock = threading.Lock()

    def items() -> Iterator[int]:
        for number in count():  # Only the error ends it.
            drawn.append(number)
            yield number

    def work(number: int) -> None:
        if number == 20:
            raise EnoughError
        with lock:
            done.append(number)

    with pytest.raises(EnoughError):
        in_parallel(items(), work, threads=3)
    assert len(drawn) > 20
    assert len(done) == len(drawn) - 1
    in_parallel(range(30, 100), work, threads=3)
    assert sorted(done[-70:]) == list(range(30, 100))


def test_an_error_of_the_source_ends_the_work_too() -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        raise EnoughError

    with pytest.raises(EnoughError):
        in_parallel(items(), done.append, threads=2)
    assert done == [1]
