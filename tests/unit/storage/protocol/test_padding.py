"""Sizes of files in sectors and segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.protocol.vectors import FILES, FileVector
from zerog.storage.protocol.errors import EmptyFileError
from zerog.storage.protocol.padding import (
    padded_sectors_of,
    padded_sectors_of_segment,
    padded_segments_of,
    sectors_of,
    segments_of,
    uploaded_bytes_of_segment,
)
from zerog.storage.protocol.units import SECTOR_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS


def test_the_root_of_a_segment_is_a_complete_subtree() -> None:
    assert SEGMENT_SECTORS == 1 << SEGMENT_HEIGHT


@pytest.mark.parametrize("vector", FILES, ids=lambda vector: str(vector.size_bytes))
def test_sizes_agree_with_the_official_client(vector: FileVector) -> None:
    size = vector.size_bytes
    assert sectors_of(size) == vector.sectors
    assert padded_sectors_of(size) == vector.padded_sectors
    assert segments_of(size) == vector.segments
    assert padded_segments_of(size) == vector.padded_segments


@pytest.mark.parametrize("rule", [sectors_of, padded_sectors_of, segments_of, padded_segments_of], ids=lambda rule: rule.__name__)
def test_an_empty_file_has_no_size(rule: object) -> None:
    assert callable(rule)
    with pytest.raises(EmptyFileError, match="file is empty"):
        rule(0)


@given(st.integers(min_value=1, max_value=2**63))
def test_padding_is_less_than_a_sixteenth_of_the_next_power_of_two(size_bytes: int) -> None:
    sectors, padded = sectors_of(size_bytes), padded_sectors_of(size_bytes)
    power = 1 << (sectors - 1).bit_length()
    assert 0 <= (padded - sectors) * 16 < max(power, 16)
    assert padded.bit_count() <= 4


@given(st.integers(min_value=1, max_value=40 * SEGMENT_SECTORS * SECTOR_BYTES))
def test_segments_share_out_the_sectors_of_a_file(size_bytes: int) -> None:
    indexes = range(padded_segments_of(size_bytes) + 1)
    assert sum(padded_sectors_of_segment(size_bytes, index) for index in indexes) == padded_sectors_of(size_bytes)
    uploaded = [uploaded_bytes_of_segment(size_bytes, index) for index in indexes]
    assert sum(uploaded) == sectors_of(size_bytes) * SECTOR_BYTES
    assert [bool(part) for part in uploaded] == [index < segments_of(size_bytes) for index in indexes]
