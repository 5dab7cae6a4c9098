"""Loose numbers and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.chain.wire.numbers import LooseNumber, StorageSlot


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_read_from_hex_decimal_and_json(number: int) -> None:
    assert {LooseNumber.from_json(value) for value in (hex(number), str(number), number)} == {number}


@pytest.mark.parametrize("value", ["", "0x", "ten", -1, 1.5, None, 2**64, "1" * 80])
def test_other_forms_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        LooseNumber.from_json(value)


@given(st.integers(0, 2**256 - 1))
def test_a_word_is_read_from_a_quantity_or_its_bytes(number: int) -> None:
    word = number.to_bytes(32, "big")
    assert StorageSlot.from_json(hex(number)) == word
    assert StorageSlot.from_json("0x" + word.hex()) == word
    assert StorageSlot.from_json(number) == word


@pytest.mark.parametrize(("value", "complaint"), [("0x" + "0" * 65, "too long"), ("0xzz", "unable to decode storage key"), (None, "null")])
def test_what_is_no_word_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StorageSlot.from_json(value)
