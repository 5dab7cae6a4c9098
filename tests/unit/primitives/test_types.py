"""Addresses, hashes and numbers as they come from JSON."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import Address, Data, Hash32, Quantity, Uint64, Uint128, checksum_address, decode_hook


class Sample(msgspec.Struct):
    """One field of each type."""

    address: Address
    hash: Hash32
    data: Data
    number: Quantity


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 2**256 - 1))
def test_our_types_are_read_from_json_by_the_hook(address: bytes, word: bytes, data: bytes, number: int) -> None:
    text = msgspec.json.encode(
        {"address": "0x" + address.hex(), "hash": "0x" + word.hex(), "data": "0x" + data.hex(), "number": hex(number)}
    )
    sample = msgspec.json.decode(text, type=Sample, dec_hook=decode_hook)
    assert (sample.address, sample.hash, sample.data, sample.number) == (address, word, data, number)


# The examples of EIP-55, section "Test Cases".
@pytest.mark.parametrize(
    "text",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_print_with_their_checksum(text: str) -> None:
    address = Address.from_json(text.lower())
    assert str(address) == text
    assert checksum_address(address) == text


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        (Address, "0x1234", "want 40 for common.Address"),
        (Address, None, "cannot unmarshal null into Go value of type common.Address"),
        (Hash32, "0x00", "want 64 for common.Hash"),
        (Hash32, 7, "cannot unmarshal number"),
        (Data, {}, "cannot unmarshal object into Go value of type hexutil.Bytes"),
        (Quantity, True, "cannot unmarshal bool"),
        (Quantity, -1, "negative"),
        (Quantity, [], "cannot unmarshal array"),
        (Uint64, "0x10000000000000000", "> 64 bits"),
        (Uint128, hex(2**128), "> 128 bits"),
    ],
)
def test_what_does_not_fit_is_refused_in_geths_words(kind: type[Quantity], value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        kind.from_json(value)


def test_a_bare_number_is_a_quantity_too() -> None:
    assert Quantity.from_json(255) == Quantity.from_json("0xff") == 255


def test_an_unknown_type_is_a_bug_and_not_a_refusal() -> None:
    with pytest.raises(NotImplementedError):
        decode_hook(object, "0x")
