"""What Python sees of the encoder: slices and their checks, rows and their paths, samples, the decoder."""

import random

import pytest

from tests.unit.da.amt_vectors import TAU, data_of, setup_of
from zerog import _kernel
from zerog._kernel import keccak256
from zerog.da.protocol.constants import BLOB_BYTES_MAX, BLOB_ROWS, ENCODED_ROWS, ROW_BYTES, SLICE_BYTES, SUBLINE_BYTES, SUBLINES
from zerog.storage.protocol.merkle import file_root

NO_HASH = bytes(32)
DATA = random.Random(1).randbytes(100_000)
"""No two rows are equal."""


@pytest.fixture(scope="module")
def blob() -> _kernel.EncodedBlob:
    return setup_of(development=False).encode(DATA)


def rows_of(blob: _kernel.EncodedBlob, indexes: range | list[int]) -> list[tuple[int, bytes]]:
    return [(index, blob.rows(index, index + 1)) for index in indexes]


def test_the_data_root_is_the_root_of_the_encoded_file_in_storage(blob: _kernel.EncodedBlob) -> None:
    assert file_root(blob.rows(0, ENCODED_ROWS)) == blob.data_root
    first, second, third = blob.coset_roots
    assert keccak256(keccak256(first + second) + third) == blob.data_root


def test_a_coset_has_the_root_of_its_rows(blob: _kernel.EncodedBlob) -> None:
    rows = [row for _, row in rows_of(blob, range(ENCODED_ROWS))]
    for coset, root in enumerate(blob.coset_roots):
        assert _kernel.amt_coset_root(rows[coset * BLOB_ROWS : (coset + 1) * BLOB_ROWS]) == root
    with pytest.raises(ValueError, match="1,024 rows"):
        _kernel.amt_coset_root(rows[: BLOB_ROWS - 1])


def test_all_slices_of_a_blob_pass_at_once(blob: _kernel.EncodedBlob) -> None:
    slices = blob.slices(0, ENCODED_ROWS)
    assert {len(encoded) for encoded in slices} == {SLICE_BYTES}
    setup = setup_of(development=False)
    assert setup.verify_slices(slices, blob.data_root, blob.commitment) == list(range(ENCODED_ROWS))
    bad = bytearray(slices[2000])
    bad[-1] ^= 1
    slices[2000] = bytes(bad)
    with pytest.raises(_kernel.SliceError, match=r"^verification failed: ") as refused:
        setup.verify_slices(slices, blob.data_root, blob.commitment)
    assert refused.value.position == 2000


def test_a_setup_is_named_by_its_tau_and_size() -> None:
    assert setup_of(development=True).knows_tau
    setups = [setup_of(development=True), setup_of(development=False), _kernel.AmtSetup.insecure((TAU + 1).to_bytes(32, "big"))]
    assert len({setup.fingerprint for setup in setups}) == len(setups)
    assert _kernel.AmtSetup.insecure(TAU.to_bytes(32, "big")).fingerprint == setups[1].fingerprint
    with pytest.raises(_kernel.SetupError, match="choose another"):
        _kernel.AmtSetup.insecure(bytes(32))


def test_a_slice_says_what_is_in_it(blob: _kernel.EncodedBlob) -> None:
    for index in (0, 1023, 1024, 3071):
        row_index, row, path, roots = _kernel.amt_slice_parts(blob.slices(index, index + 1)[0])
        assert (row_index, row, roots) == (index, blob.rows(index, index + 1), blob.coset_roots)
        assert _kernel.amt_row_path(row, index, path, roots, blob.data_root)
        assert not _kernel.amt_row_path(row, index ^ 1, path, roots, blob.data_root)
        assert not _kernel.amt_row_path(row, index, path, roots[::-1], blob.data_root)
        assert not _kernel.amt_row_path(row, index, path[:-32], roots, blob.data_root)
        assert not _kernel.amt_row_path(row[:-1], index, path, roots, blob.data_root)
        assert not _kernel.amt_row_path(row, index + ENCODED_ROWS, path, roots, blob.data_root)
        assert not _kernel.amt_row_path(row, index, path, roots, NO_HASH)


def test_a_sample_leads_to_its_row(blob: _kernel.EncodedBlob) -> None:
    row_index, row, path, roots = _kernel.amt_slice_parts(blob.slices(1500, 1501)[0])
    for subline in (0, 5, SUBLINES - 1):
        piece, siblings = _kernel.amt_sample(row, subline)
        assert piece == row[subline * SUBLINE_BYTES :][:SUBLINE_BYTES]
        leaves = [keccak256(piece[start : start + 256]) for start in range(0, SUBLINE_BYTES, 256)]
        node = keccak256(keccak256(leaves[0] + leaves[1]) + keccak256(leaves[2] + leaves[3]))
        way = [*siblings, *(path[start : start + 32] for start in range(0, len(path), 32))]
        position = (row_index % BLOB_ROWS) * SUBLINES + subline
        for height, sibling in enumerate(way):
            node = keccak256(sibling + node if position >> height & 1 else node + sibling)
        assert node == roots[row_index // BLOB_ROWS]
    with pytest.raises(IndexError):
        _kernel.amt_sample(row, SUBLINES)
    with pytest.raises(ValueError, match="32,768"):
        _kernel.amt_sample(row[1:], 0)


@pytest.mark.parametrize(
    "indexes",
    [
        range(BLOB_ROWS),
        range(BLOB_ROWS, 2 * BLOB_ROWS),
        range(2 * BLOB_ROWS, ENCODED_ROWS),
        random.Random(5).sample(range(ENCODED_ROWS), 1100),
    ],
    ids=["blob", "first parity", "second parity", "any"],
)
def test_any_third_of_the_rows_gives_the_blob_back(blob: _kernel.EncodedBlob, indexes: range | list[int]) -> None:
    assert _kernel.amt_recover(rows_of(blob, indexes)) == DATA


def test_one_row_less_is_too_few_however_often_the_others_are_given(blob: _kernel.EncodedBlob) -> None:
    rows = rows_of(blob, range(500, 500 + BLOB_ROWS - 1))
    with pytest.raises(_kernel.RecoveryError, match=r"^1023 different rows are too few"):
        _kernel.amt_recover([*rows, *rows[:10]])


def test_a_wrong_row_shows_in_the_root() -> None:
    data = data_of(63_000)
    blob = setup_of(development=True).encode(data)
    rows = rows_of(blob, range(64))
    wrong = bytearray(rows[7][1])
    wrong[0] ^= 1
    recovered = _kernel.amt_recover([*rows[:7], (7, bytes(wrong)), *rows[8:]], development=True)
    assert recovered != data
    assert _kernel.amt_roots(recovered, development=True)[0] != blob.data_root


@pytest.mark.parametrize("size", [0, 1, 7, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 2296])
def test_bytes_that_are_no_slice_are_refused(blob: _kernel.EncodedBlob, size: int) -> None:
    junk = random.Random(size).randbytes(size)
    with pytest.raises(_kernel.SliceError, match=r"^failed to deserialize slice: "):
        _kernel.amt_slice_parts(junk)
    with pytest.raises(_kernel.SliceError, match=r"^failed to deserialize slice: "):
        setup_of(development=False).verify_slices([junk], NO_HASH, blob.commitment)


def test_a_commitment_that_is_no_point_is_refused() -> None:
    for commitment in (bytes(64), b"\xff" * 64, b"\x01" + bytes(63)):
        with pytest.raises(_kernel.PointError):
            setup_of(development=True).verify_slices([], NO_HASH, commitment)
    with pytest.raises(ValueError, match="64"):
        setup_of(development=True).verify_slices([], NO_HASH, bytes(63))


def test_rows_outside_a_blob_are_refused(blob: _kernel.EncodedBlob) -> None:
    for start, stop in ((2, 1), (0, ENCODED_ROWS + 1)):
        with pytest.raises(IndexError):
            blob.slices(start, stop)
        with pytest.raises(IndexError):
            blob.rows(start, stop)
    assert (blob.slices(5, 5), blob.rows(5, 5)) == ([], b"")
    assert len(blob.rows(0, ENCODED_ROWS)) == ENCODED_ROWS * ROW_BYTES > 3 * BLOB_BYTES_MAX


def test_mutants_are_refused_by_name() -> None:
    """Any bit of a slice, also through Python; the kernel's own tests flip thousands."""
    setup = setup_of(development=True)
    blob = setup.encode(data_of(63_000))
    slices = blob.slices(0, 192)
    chance = random.Random(3)
    for _ in range(40):
        position = chance.randrange(192)
        mutant = bytearray(slices[position])
        mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
        with pytest.raises(_kernel.SliceError) as refused:
            setup.verify_slices([*slices[:position], bytes(mutant), *slices[position + 1 :]], blob.data_root, blob.commitment)
        assert refused.value.position == position
