"""Keccak-256 against another implementation."""

from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from zerog._kernel import keccak256, keccak256_many


@given(st.binary(max_size=1000))
def test_hashes_agree_with_pycryptodome(data: bytes) -> None:
    assert keccak256(data) == keccak(data)


def test_large_data_hashes_without_the_interpreter_lock() -> None:
    data = bytes(range(256)) * 4096
    assert keccak256(data) == keccak(data)


@given(st.lists(st.binary(max_size=64), max_size=200))
def test_many_are_the_same_as_one_by_one(items: list[bytes]) -> None:
    assert keccak256_many(items) == [keccak256(item) for item in items]
