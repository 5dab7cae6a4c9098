"""Hexadecimal as the Ethereum JSON-RPC writes it: strict in what we say, tolerant where tools need it in what we hear."""

import re
from typing import Final

__all__ = ["decode_data", "decode_quantity", "encode_data", "encode_quantity"]

QUANTITY_DIGITS_MAX: Final = 2 + 64
"""No quantity on Ethereum is wider than a word of the EVM."""

_QUANTITY: Final = re.compile(r"0[xX][0-9a-fA-F]+")


def encode_quantity(value: int) -> str:
    """A number as `0x` and hex digits without leading zeros. Raises `ValueError` when it is negative."""
    if value < 0:
        raise ValueError(f"{value} is negative and has no hex quantity")
    return f"{value:#x}"


def encode_data(value: bytes) -> str:
    """Bytes as `0x` and two lower-case hex digits each."""
    return "0x" + value.hex()


def decode_quantity(text: str) -> int:
    """The number that a hex quantity names; upper case and leading zeros are accepted. Raises `ValueError` in geth's words."""
    if not text:
        raise ValueError("empty hex string")
    if text[:2] not in ("0x", "0X"):
        raise ValueError("hex string without 0x prefix")
    if len(text) == 2:
        raise ValueError('hex string "0x"')
    if _QUANTITY.fullmatch(text) is None:
        raise ValueError("invalid hex string")
    if len(text) > QUANTITY_DIGITS_MAX:
        raise ValueError("hex number > 256 bits")
    return int(text, 16)


def decode_data(text: str) -> bytes:
    """The bytes that a hex string names; upper case is accepted. Raises `ValueError` in geth's words."""
    if not text:
        raise ValueError("empty hex string")
    if text[:2] not in ("0x", "0X"):
        raise ValueError("hex string without 0x prefix")
    if len(text) % 2:
        raise ValueError("hex string of odd length")
    try:
        value = bytes.fromhex(text[2:])
    except ValueError:
        raise ValueError("invalid hex string") from None
    if len(value) * 2 != len(text) - 2:  # bytes.fromhex skips white space, which no hex string holds.
        raise ValueError("invalid hex string")
    return value
