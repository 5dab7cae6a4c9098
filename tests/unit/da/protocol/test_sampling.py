"""Samples: golden qualities, a path that holds for its sub-line alone, and mutants that are refused."""

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog._kernel import keccak256
from zerog.da.protocol.sampling import (
    Sample,
    SampleInvalidError,
    SamplePositionError,
    data_quality,
    line_quality,
    sample_quality,
    verify_sample,
)
from zerog.primitives import Hash32

SEED, ROOT = bytes.fromhex("22" * 32), Hash32(bytes.fromhex("11" * 32))
rows = st.integers(0, 3071)
sublines = st.integers(0, 31)


def test_qualities_are_those_of_the_specification() -> None:
    line = line_quality(SEED, 3, 0, ROOT, 1500)
    assert line.to_bytes(32, "big").hex() == "eac38f4d5906d8cd1b02f84a7fd14863db2e6814c82e9ae6b8f1d83ec103b075"
    data = bytes(range(256)) * 4
    found = data_quality(line, 5, data)
    assert found.to_bytes(32, "big").hex() == "ec9980a544213eb57caef66d289a7d8b99c94894e2afefd4d9ad5a1ef3a567dd"
    assert line + found >= 1 << 256
    assert sample_quality(SEED, 3, 0, ROOT, 1500, 5, data) is None


@given(rows, sublines)
def test_the_quality_of_a_sample_is_the_sum_of_both(row: int, subline: int) -> None:
    line = line_quality(SEED, 3, 0, ROOT, row)
    whole = line + data_quality(line, subline, bytes(1024))
    assert sample_quality(SEED, 3, 0, ROOT, row, subline, bytes(1024)) == (whole if whole < 1 << 256 else None)


class Blob:
    """The trees of a blob of three cosets, built leaf by leaf from all their levels."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.sublines = [[dice.randbytes(32) for _ in range(1 << 15)] for _ in range(3)]
        self.data = dice.randbytes(1024)

    def sample(self, row: int, subline: int) -> tuple[Sample, Hash32]:
        """The data at this place, whatever stands elsewhere."""
        leaves = [keccak256(self.data[start : start + 256]) for start in range(0, 1024, 256)]
        level = list(self.sublines[row // 1024])
        position = row % 1024 * 32 + subline
        level[position] = keccak256(keccak256(leaves[0] + leaves[1]) + keccak256(leaves[2] + leaves[3]))
        path = []
        while len(level) > 1:
            path.append(Hash32(level[position ^ 1]))
            level = [keccak256(left + right) for left, right in zip(level[::2], level[1::2], strict=True)]
            position //= 2
        roots = [Hash32(tree[0]) for tree in self.sublines]
        roots[row // 1024] = Hash32(level[0])
        return Sample(self.data, tuple(path), tuple(roots)), Hash32(keccak256(keccak256(roots[0] + roots[1]) + roots[2]))


@cache
def sample_at(row: int, subline: int) -> tuple[Sample, Hash32]:
    return Blob(1).sample(row, subline)


PLACES = [(0, 0), (1023, 31), (1024, 5), (1500, 17), (2048, 0), (3071, 31)]


@pytest.mark.parametrize(("row", "subline"), PLACES)
def test_a_sample_leads_to_its_root_from_its_place_alone(row: int, subline: int) -> None:
    sample, root = sample_at(row, subline)
    verify_sample(sample, root, row, subline)
    for other_row, other_subline in ((row ^ 1, subline), (row, subline ^ 1), ((row + 1024) % 3072, subline)):
        with pytest.raises(SampleInvalidError):
            verify_sample(sample, root, other_row, other_subline)


@given(st.sampled_from(PLACES), st.integers(0, (1024 + 15 * 32 + 3 * 32 + 32) * 8 - 1))
def test_a_sample_with_any_bit_flipped_is_refused(place: tuple[int, int], bit: int) -> None:
    sample, root = sample_at(*place)
    parts = bytearray(sample.data + b"".join(sample.path) + b"".join(sample.coset_roots) + root)
    parts[bit // 8] ^= 1 << bit % 8
    hashes = [Hash32(bytes(parts[start : start + 32])) for start in range(1024, len(parts), 32)]
    mutant = Sample(bytes(parts[:1024]), tuple(hashes[:15]), tuple(hashes[15:18]))
    with pytest.raises(SampleInvalidError):
        verify_sample(mutant, hashes[18], *place)


def test_a_sample_of_another_size_is_refused() -> None:
    sample, root = sample_at(0, 0)
    for mutant in (
        Sample(sample.data[:-1], sample.path, sample.coset_roots),
        Sample(sample.data, sample.path[:-1], sample.coset_roots),
        Sample(sample.data, sample.path, sample.coset_roots[:2]),
    ):
        with pytest.raises(SampleInvalidError):
            verify_sample(mutant, root, 0, 0)


@pytest.mark.parametrize(("row", "subline"), [(-1, 0), (3072, 0), (0, 32), (0, -1)])
def test_places_that_no_blob_has_are_refused(row: int, subline: int) -> None:
    sample, root = sample_at(0, 0)
    with pytest.raises(SamplePositionError):
        verify_sample(sample, root, row, subline)
