"""Hex quantities and data: strict out, tolerant in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import decode_data, decode_quantity, encode_data, encode_quantity


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_a_quantity_survives_the_wire(value: int) -> None:
    text = encode_quantity(value)
    assert decode_quantity(text) == value
    assert text == "0x0" or not text.startswith("0x0")


@given(st.binary(max_size=200))
def test_data_survives_the_wire_in_either_case(value: bytes) -> None:
    text = encode_data(value)
    assert decode_data(text) == value
    assert decode_data("0x" + text[2:].upper()) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty hex string"),
        ("12", "without 0x prefix"),
        ("0x", '"0x"'),
        ("0x1g", "invalid hex string"),
        ("0x 1", "invalid hex string"),
        ("0x1_0", "invalid hex string"),
        ("0x-1", "invalid hex string"),
        ("0x" + "f" * 65, "256 bits"),
    ],
)
def test_what_is_no_quantity_is_refused_in_geths_words(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode_quantity(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty hex string"),
        ("abcd", "without 0x prefix"),
        ("0xabc", "odd length"),
        ("0xzz", "invalid hex string"),
        ("0xab cd ", "invalid"),
    ],
)
def test_what_is_no_data_is_refused_in_geths_words(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode_data(text)


def test_a_negative_number_has_no_quantity() -> None:
    with pytest.raises(ValueError, match="negative"):
        encode_quantity(-1)
