"""The digests that DA nodes sign, against points that the reference hashes them to."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog._kernel import keccak256
from zerog.da.protocol.messages import blob_digest, epoch_digest, ownership_digest
from zerog.primitives import Address, Hash32

SIGNER = Address(bytes.fromhex("9685C4EB29309820CDC62663CC6CC82F3D42E964"))
CHAIN_ID = 8888
MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Of the base field. Source: EIP-196."""


def hash_to_curve(digest: bytes) -> tuple[int, int]:
    """The first x from the digest on whose x³ + 3 is a square, with the root that exponentiation gives."""
    x = int.from_bytes(digest, "big") % MODULUS
    while True:
        square = (x**3 + 3) % MODULUS
        y = pow(square, (MODULUS + 1) // 4, MODULUS)
        if y * y % MODULUS == square:
            return x, y
        x = (x + 1) % MODULUS


@pytest.mark.parametrize(
    ("digest", "point"),
    [
        (
            ownership_digest(SIGNER, CHAIN_ID),
            (
                17347288745752564851578145205408924577042674846071448492673629564958667746090,
                21456041422468658262738002909407073439935597271458862589356790821116767485654,
            ),
        ),
        (
            epoch_digest(SIGNER, 1, CHAIN_ID),
            (
                13283083124528531674735853832182424672122091139683454761857829308708073730285,
                21773064143788270772276852950775943855438706734263253481317981346601766662828,
            ),
        ),
        (
            blob_digest(Hash32(b"\x11" * 32), 1, 2, (1).to_bytes(32, "big") + (2).to_bytes(32, "big")),
            (
                3104132272622526655068902279970515367044771064982988265068273751564440697689,
                14983672482514514723382346054400511740670770934276906876175822994665721348371,
            ),
        ),
    ],
    ids=["ownership", "epoch", "blob"],
)
def test_digests_lead_to_the_points_of_the_reference(digest: Hash32, point: tuple[int, int]) -> None:
    assert hash_to_curve(digest) == point


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1))
def test_an_epoch_counts_with_eight_bytes_and_a_chain_with_thirty_two(signer: bytes, epoch: int, chain_id: int) -> None:
    expected = keccak256(signer + epoch.to_bytes(8, "big") + chain_id.to_bytes(32, "big"))
    assert epoch_digest(Address(signer), epoch, chain_id) == expected


def test_each_fact_of_a_blob_changes_what_is_signed() -> None:
    root, commitment = Hash32(hashlib.sha256(b"root").digest()), bytes(range(64))
    digests = {
        blob_digest(root, 1, 2, commitment),
        blob_digest(Hash32(bytes(32)), 1, 2, commitment),
        blob_digest(root, 2, 1, commitment),
        blob_digest(root, 1, 3, commitment),
        blob_digest(root, 1, 2, commitment[::-1]),
    }
    assert len(digests) == 5


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_commitment_of_another_length_is_no_commitment(length: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        blob_digest(Hash32(bytes(32)), 0, 0, bytes(length))
