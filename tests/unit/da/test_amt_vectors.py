"""The encoder gives what the official one gives, byte for byte, at both sizes."""

import hashlib
from typing import Any

import pytest

from tests.unit.da.amt_vectors import data_of, flagless, from_hex, setup_of, vectors
from zerog import _kernel
from zerog.da.protocol.constants import BLOB_BYTES_MAX, ELEMENT_BYTES, ENCODED_ROWS, ROW_BYTES, SLICE_BYTES

PRODUCTION = vectors("amt_production")
DEVELOPMENT = vectors("amt_development")
PROOF = slice(8, 34_216)
"""The part of a slice before its Merkle path, which the vectors of proofs are over."""
HIGH = slice(34_152, 34_216)


def length_of(vector: dict[str, Any]) -> str:
    return f"{vector['length']} bytes"


@pytest.mark.parametrize("vector", PRODUCTION["blobs"], ids=length_of)
def test_roots_and_commitments_of_production_size_are_official(vector: dict[str, Any]) -> None:
    blob = setup_of(development=False).encode(data_of(vector["length"]))
    assert blob.data_root == from_hex(vector["data_root"])
    assert blob.commitment == flagless(vector["commitment"])


def test_rows_and_proofs_of_production_size_are_official() -> None:
    details = PRODUCTION["details"]
    blob = setup_of(development=False).encode(data_of(details["length"]))
    assert list(blob.coset_roots) == [from_hex(root) for root in details["coset_roots"]]
    for element in details["elements"]:
        row = blob.rows(element["row"], element["row"] + 1)
        assert len(row) == ROW_BYTES
        assert row[element["column"] * ELEMENT_BYTES :][:ELEMENT_BYTES] == from_hex(element["bytes"])
    for row_index in (0, 1500, ENCODED_ROWS - 1):
        (encoded,) = blob.slices(row_index, row_index + 1)
        assert len(encoded) == SLICE_BYTES
        assert hashlib.sha256(encoded[PROOF]).digest() == from_hex(details["proofs_sha256"][str(row_index)])
        unsigned = encoded[HIGH][:-1] + bytes([encoded[HIGH][-1] & 0x3F])
        assert unsigned == flagless(details["high"])


@pytest.mark.parametrize("vector", DEVELOPMENT["blobs"], ids=length_of)
def test_slices_of_development_size_are_official(vector: dict[str, Any]) -> None:
    blob = setup_of(development=True).encode(data_of(vector["length"]))
    assert blob.data_root == from_hex(vector["data_root"])
    assert hashlib.sha256(b"".join(blob.slices(0, 192))).digest() == from_hex(vector["slices_sha256"])


def test_the_commitment_on_the_wire_has_no_flags() -> None:
    vector = DEVELOPMENT["commitment"]
    assert setup_of(development=True).encode(data_of(vector["length"])).commitment == from_hex(vector["bytes"])


@pytest.mark.parametrize(
    ("development", "length"),
    [(False, 30), (False, 31 * 1024 - 1), (False, 31 * 1024), (False, BLOB_BYTES_MAX - 1)]
    + [(True, length) for length in (1, 30, 31, 32, 31 * 32 - 1, 31 * 32, 63_483, 63_484)],
)
def test_roots_do_not_depend_on_how_a_blob_is_encoded(development: bool, length: int) -> None:
    """With points and without, and from memory of another kind."""
    data = data_of(length)
    blob = setup_of(development=development).encode(memoryview(bytearray(data)))
    assert _kernel.amt_roots(data, development=development) == (blob.data_root, blob.coset_roots)


@pytest.mark.parametrize(("development", "longest"), [(False, BLOB_BYTES_MAX), (True, 63_484)], ids=["production", "development"])
def test_a_blob_that_does_not_fit_is_refused_in_the_official_words(development: bool, longest: int) -> None:
    text = rf"^TooLargeBlob {{ actual: {longest + 1}, expected_max: {longest} }}$"
    with pytest.raises(_kernel.BlobSizeError, match=text):
        setup_of(development=development).encode(bytes(longest + 1))
    with pytest.raises(_kernel.BlobSizeError, match=text):
        _kernel.amt_roots(bytes(longest + 1), development=development)
