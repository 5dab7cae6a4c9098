"""The bitmap of held segments agrees with a plain set, and is small where little is held."""

from hypothesis import given
from hypothesis import strategies as st

from zerog.storage.node.store import Held
from zerog.storage.node.store.held import CHUNK_SEGMENTS

INDEXES = st.one_of(st.integers(0, 40), st.integers(CHUNK_SEGMENTS - 5, 3 * CHUNK_SEGMENTS), st.integers(0, 1 << 54))
RANGES = st.builds(
    range,
    st.integers(0, 2 * CHUNK_SEGMENTS),
    st.one_of(st.integers(0, 4 * CHUNK_SEGMENTS), st.just(1 << 54)),
    st.one_of(st.integers(1, 9), st.sampled_from([1 << power for power in (0, 1, 5, 11, 12, 13, 40)])),
)


@given(added=st.lists(INDEXES), removed=st.lists(INDEXES), asked=RANGES)
def test_it_agrees_with_a_set(added: list[int], removed: list[int], asked: range) -> None:
    held, plain = Held(added), set(added)
    for index in [*removed, *added[::2]]:
        held.discard(index)
        plain.discard(index)
    assert list(held) == sorted(plain)
    assert len(held) == len(plain)
    assert all(index in held for index in plain)
    assert not any(index in held for index in {*added, *removed} - plain)
    assert held.count_in(asked) == sum(index in asked for index in plain)
    assert held.has_all(asked) == (held.count_in(asked) == len(asked))
    assert held.chunk_count == len({index // CHUNK_SEGMENTS for index in plain})


@given(st.integers(0, 3 * CHUNK_SEGMENTS))
def test_the_first_ones(count: int) -> None:
    held = Held.first(count)
    assert len(held) == count
    assert held.has_all(range(count))
    assert count not in held
    assert held.bitmap(count) == ((1 << count) - 1).to_bytes(-(-count // 8), "little")


@given(st.sets(st.integers(0, 2 * CHUNK_SEGMENTS)), st.integers(0, 2 * CHUNK_SEGMENTS))
def test_the_bitmap_is_little_endian(indexes: set[int], count: int) -> None:
    bitmap = Held(indexes).bitmap(count)
    assert len(bitmap) == -(-count // 8)
    assert {index for index in range(8 * len(bitmap)) if bitmap[index // 8] >> index % 8 & 1} == {
        index for index in indexes if index < count
    }


def test_a_copy_stays_as_it_was() -> None:
    held = Held([1, 2])
    copy = held.copy()
    held.add(3)
    held.discard(1)
    assert list(copy) == [1, 2]
