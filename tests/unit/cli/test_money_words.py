"""Amounts and addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.cli.addresses import AddressMalformedError, ChecksumError, address_of
from zerog.cli.amounts import AmountError, amount_of, short_amount, shown_amount

WHO = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@given(st.integers(0, 2**256 - 1))
def test_what_is_shown_can_be_given_back(wei: int) -> None:
    assert amount_of(shown_amount(wei)) == wei
    assert amount_of(f"{wei}wei") == wei


@pytest.mark.parametrize(
    ("wei", "text"), [(0, "0 0G"), (7, "7 wei"), (10**18 + 1, "1 0G"), (15 * 10**17, "1.5 0G"), (10**6, "0.000000000001 0G")]
)
def test_little_room_is_enough_for_what_counts(wei: int, text: str) -> None:
    assert short_amount(wei) == text


@pytest.mark.parametrize(
    ("text", "wei"),
    [("3", 3 * 10**18), ("0.5", 5 * 10**17), ("250wei", 250), ("250 Wei", 250), ("0.000000000000000001", 1), (" 2 0g ", 2 * 10**18)],
)
def test_amounts_are_in_0g_or_in_wei(text: str, wei: int) -> None:
    assert amount_of(text) == wei


@pytest.mark.parametrize("text", ["", "much", "-1", "1wei2", "NaN", "1e3", "1.", "0." + "1" * 19, "9" * 90, "9" * 200, "10G", "1 2", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError) as caught:
        amount_of(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", [WHO, WHO.lower(), "0x" + WHO[2:].upper()])
def test_an_address_with_its_checksum_or_without_one_is_taken(text: str) -> None:
    assert str(address_of(text)) == WHO


def test_one_wrong_letter_is_noticed() -> None:
    with pytest.raises(ChecksumError):
        address_of(WHO[:-2] + "c8")


@pytest.mark.parametrize("text", ["", "0x", "0x12", WHO[2:], WHO + "00", "0x" + "g" * 40, "x" * 500])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressMalformedError) as caught:
        address_of(text)
    assert len(str(caught.value)) < 200
