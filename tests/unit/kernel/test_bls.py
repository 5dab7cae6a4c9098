"""Signatures over BN254: golden vectors, py_ecc as another implementation, and everything that is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bn128

from zerog._kernel import (
    PointError,
    ZerogError,
    bls_aggregate_g1,
    bls_aggregate_g2,
    bls_hash_to_g1,
    bls_public_key,
    bls_sign,
    bls_verify,
    g1_from_flagged,
    g1_from_flagless,
    g1_to_flagged,
    g1_to_flagless,
    keccak256,
)

curve: Any = optimized_bn128
VECTORS: Any = msgspec.json.decode((Path(__file__).parents[2] / "vectors/da/bls.json").read_bytes())
ADDRESS = bytes.fromhex(VECTORS["address"][2:])
INFINITY = bytes(64)
ORDER, MODULUS = curve.curve_order, curve.field_modulus

secrets = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def numbers(words: bytes) -> list[int]:
    return [int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)]


def g1_of(words: bytes) -> Any:
    x, y = numbers(words)
    return curve.FQ(x), curve.FQ(y), curve.FQ(1)


def g2_of(words: bytes) -> Any:
    x0, x1, y0, y1 = numbers(words)
    return curve.FQ2((x0, x1)), curve.FQ2((y0, y1)), curve.FQ2((1, 0))


def words_of(point: Any) -> bytes:
    """Words of a point of either group of py_ecc."""
    return b"".join(word(int(number)) for part in curve.normalize(point) for number in getattr(part, "coeffs", [part]))


def digest_of(name: str) -> bytes:
    chain_id = word(VECTORS["chain_id"])
    match name:
        case "registration":
            return keccak256(ADDRESS + chain_id + b"0G_BN254_Pubkey_Registration")
        case "epoch":
            return keccak256(ADDRESS + VECTORS["epoch"]["epoch"].to_bytes(8, "big") + chain_id)
        case _:
            blob = VECTORS["blob"]
            x, y = (word(int(number)) for number in blob["commitment"])
            return keccak256(bytes.fromhex(blob["data_root"][2:]) + word(blob["epoch"]) + word(blob["quorum_id"]) + x + y)


@pytest.mark.parametrize("name", ["registration", "epoch", "blob"])
def test_digests_stand_for_the_points_of_the_vectors(name: str) -> None:
    assert numbers(bls_hash_to_g1(digest_of(name))) == [int(VECTORS[name]["x"]), int(VECTORS[name]["y"])]


def test_the_signature_of_the_vectors_is_made_and_verified() -> None:
    secret, wire = word(VECTORS["blob"]["secret"]), bytes.fromhex(VECTORS["blob"]["signature"][2:])
    signature = bls_sign(secret, digest_of("blob"))
    assert g1_to_flagged(signature) == wire
    assert g1_from_flagged(wire) == signature
    assert bls_verify(digest_of("blob"), signature, bls_public_key(secret)[1])


@settings(max_examples=5, deadline=None)
@given(secrets, digests)
def test_keys_hashes_and_signatures_agree_with_py_ecc(secret: bytes, digest: bytes) -> None:
    number = int.from_bytes(secret, "big")
    key_g1, key_g2 = bls_public_key(secret)
    assert key_g1 == words_of(curve.multiply(curve.G1, number))
    assert key_g2 == words_of(curve.multiply(curve.G2, number))
    x = int.from_bytes(digest, "big") % MODULUS
    while pow(square := (x**3 + 3) % MODULUS, (MODULUS - 1) // 2, MODULUS) == MODULUS - 1:
        x = (x + 1) % MODULUS
    assert bls_hash_to_g1(digest) == word(x) + word(pow(square, (MODULUS + 1) // 4, MODULUS))
    assert bls_sign(secret, digest) == words_of(curve.multiply(g1_of(bls_hash_to_g1(digest)), number))


def test_a_signature_satisfies_the_pairing_of_py_ecc() -> None:
    secret, digest = word(123456789), keccak256(b"pairing")
    hashed, signature, key = g1_of(bls_hash_to_g1(digest)), g1_of(bls_sign(secret, digest)), g2_of(bls_public_key(secret)[1])
    assert curve.pairing(key, hashed) == curve.pairing(curve.G2, signature)


@settings(max_examples=15, deadline=None)
@given(st.lists(secrets, min_size=1, max_size=5), digests)
def test_the_sum_of_signatures_is_verified_by_the_sum_of_the_keys(keys: list[bytes], digest: bytes) -> None:
    signature = bls_aggregate_g1([bls_sign(key, digest) for key in keys])
    key_g2 = bls_aggregate_g2([bls_public_key(key)[1] for key in keys])
    total = sum(int.from_bytes(key, "big") for key in keys) % ORDER
    assert (signature, key_g2) == (bls_sign(word(total), digest), bls_public_key(word(total))[1])
    assert bls_verify(digest, signature, key_g2)
    assert not bls_verify(keccak256(digest), signature, key_g2)


def test_a_signature_by_another_key_or_with_another_sign_is_not_verified() -> None:
    digest, key_g2 = keccak256(b"other"), bls_public_key(word(8))[1]
    signature = bls_sign(word(9), digest)
    x, y = numbers(bls_sign(word(8), digest))
    assert bls_verify(digest, word(x) + word(y), key_g2)
    for other in (signature, word(x) + word(MODULUS - y), INFINITY):
        assert not bls_verify(digest, other, key_g2)
    assert not bls_verify(digest, INFINITY, bytes(128))


def test_points_off_the_curve_or_outside_the_group_are_refused() -> None:
    digest, (key_g1, key_g2) = keccak256(b"points"), bls_public_key(word(3))
    x, y = numbers(key_g1)
    for bad in (word(x) + word(y + 1), word(x + MODULUS) + word(y), b"\xff" * 64):
        for use in (lambda: bls_verify(digest, bad, key_g2), lambda: bls_aggregate_g1([key_g1, bad]), lambda: g1_to_flagged(bad)):  # noqa: B023
            with pytest.raises(PointError):
                use()
    c0, c1, *rest = numbers(key_g2)
    swapped = b"".join(word(number) for number in (c1, c0, *rest))
    for bad in (swapped, b"\xff" * 128, key_g2[:-1] + bytes([key_g2[-1] ^ 1])):
        with pytest.raises(PointError):
            bls_verify(digest, bls_sign(word(3), digest), bad)
        with pytest.raises(PointError):
            bls_aggregate_g2([key_g2, bad])
    assert issubclass(PointError, ZerogError)


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"", b"\1" * 33])
def test_secrets_out_of_range_are_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match=r"secret key|expected 32 bytes"):
        bls_public_key(secret)
    with pytest.raises(ValueError, match=r"secret key|expected 32 bytes"):
        bls_sign(secret, bytes(32))


@settings(max_examples=20, deadline=None)
@given(secrets)
def test_both_little_endian_forms_read_what_they_write(secret: bytes) -> None:
    words, _ = bls_public_key(secret)
    x, y = numbers(words)
    plain = x.to_bytes(32, "little") + y.to_bytes(32, "little")
    assert (g1_to_flagless(words), g1_from_flagless(plain)) == (plain, words)
    flagged = plain[:-1] + bytes([plain[-1] | (0x80 if y > MODULUS - y else 0)])
    assert (g1_to_flagged(words), g1_from_flagged(flagged)) == (flagged, words)


def test_infinity_has_a_flag_and_no_flagless_form() -> None:
    assert g1_to_flagged(INFINITY) == bytes(63) + b"\x40"
    assert g1_from_flagged(bytes(63) + b"\x40") == INFINITY
    assert bls_aggregate_g1([]) == INFINITY
    for bad in (INFINITY, bytes(63) + b"\x80"):
        with pytest.raises(PointError):
            g1_from_flagless(bad)
    for bad in (INFINITY, b"\1" + bytes(62) + b"\x40", b"\xff" * 64):
        with pytest.raises(PointError):
            g1_from_flagged(bad)
