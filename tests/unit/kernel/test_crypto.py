"""secp256k1 against eth-keys, and what is refused."""

import pytest
from eth_keys.datatypes import PrivateKey, Signature
from hypothesis import given, settings
from hypothesis import strategies as st

from zerog._kernel import SignatureError, ZerogError, address_of, public_key_of, secp256k1_recover, secp256k1_recover_many, secp256k1_sign

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the curve. Source: SEC 2."""

private_keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


@settings(max_examples=20, deadline=None)
@given(private_keys, digests)
def test_keys_and_signatures_agree_with_eth_keys(private_key: bytes, digest: bytes) -> None:
    other = PrivateKey(private_key)
    assert public_key_of(private_key) == other.public_key.to_bytes()
    assert address_of(private_key) == other.public_key.to_canonical_address()
    signature = secp256k1_sign(digest, private_key)
    assert signature == other.sign_msg_hash(digest).to_bytes()
    assert Signature(signature).recover_public_key_from_msg_hash(digest) == other.public_key
    assert secp256k1_recover(digest, signature) == address_of(private_key)
    assert secp256k1_recover(digest, signature[:64] + bytes([signature[64] + 27])) == address_of(private_key)


@pytest.mark.parametrize("private_key", [b"", bytes(32), bytes(31), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\1" * 33])
def test_keys_out_of_range_are_refused(private_key: bytes) -> None:
    for use in (public_key_of, address_of):
        with pytest.raises(SignatureError):
            use(private_key)
    with pytest.raises(SignatureError):
        secp256k1_sign(bytes(32), private_key)


def test_signatures_that_fit_no_key_are_refused() -> None:
    digest, private_key = b"\5" * 32, b"\7" * 32
    signature = secp256k1_sign(digest, private_key)
    high = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    refused = [
        b"",
        signature[:64],
        signature + b"\0",
        signature[:64] + b"\2",
        bytes(65),
        signature[:32] + high + bytes([1 - signature[64]]),
    ]
    for bad in refused:
        with pytest.raises(SignatureError):
            secp256k1_recover(digest, bad)
    with pytest.raises(SignatureError):
        secp256k1_recover(digest[1:], signature)
    assert issubclass(SignatureError, ZerogError)


def test_many_recover_in_their_order() -> None:
    items = [(bytes([number]) * 32, secp256k1_sign(bytes([number]) * 32, bytes([number + 1]) * 32)) for number in range(40)]
    items[7] = (items[7][0], bytes(65))
    senders = secp256k1_recover_many(items)
    assert senders[7] is None
    assert [sender for sender in senders if sender] == [address_of(bytes([number + 1]) * 32) for number in range(40) if number != 7]
