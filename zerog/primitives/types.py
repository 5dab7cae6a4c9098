"""Addresses, hashes, byte strings and quantities, and how each is read from JSON."""

from functools import lru_cache
from typing import ClassVar, Final, NewType, Self

from zerog._kernel import keccak256
from zerog.primitives.hexadecimal import decode_data, decode_quantity

__all__ = ["ZERO_ADDRESS", "ZERO_HASH", "Address", "Data", "Hash32", "Quantity", "Uint64", "Uint128", "Wei", "checksum_address"]

Wei = NewType("Wei", int)
"""An amount of the native token; 10^18 are one 0G."""


class Data(bytes):
    """Bytes of any length; `str()` gives `0x…`."""

    __slots__ = ()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read `0x…` text. Raises `ValueError` in geth's words."""
        if not isinstance(value, str):
            raise wrong_kind(value, "hexutil.Bytes")
        return cls(decode_data(value))

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class _Fixed(bytes):
    """Bytes of one length."""

    __slots__ = ()
    LENGTH: ClassVar[int]
    GO_NAME: ClassVar[str]
    """What geth calls the type in its errors."""

    def __new__(cls, value: bytes) -> Self:
        """Raises `ValueError` when the length is not the type's."""
        if len(value) != cls.LENGTH:
            raise ValueError(f"hex string has length {2 * len(value)}, want {2 * cls.LENGTH} for {cls.GO_NAME}")
        return super().__new__(cls, value)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read `0x…` text of the type's length. Raises `ValueError` in geth's words."""
        if not isinstance(value, str):
            raise wrong_kind(value, cls.GO_NAME)
        return cls(decode_data(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class Address(_Fixed):
    """20 bytes that name an account; `str()` gives the checksummed form of EIP-55."""

    __slots__ = ()
    LENGTH = 20
    GO_NAME = "common.Address"

    def __str__(self) -> str:
        return checksum_address(self)


class Hash32(_Fixed):
    """32 bytes: a hash, a topic or a word of storage; `str()` gives `0x…`."""

    __slots__ = ()
    LENGTH = 32
    GO_NAME = "common.Hash"

    def __str__(self) -> str:
        return "0x" + self.hex()


class Quantity(int):
    """A number of at most 256 bits; read from `0x…` text, or from a JSON number, as hardhat and anvil accept it."""

    __slots__ = ()
    BITS: ClassVar[int] = 256

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        if isinstance(value, str):
            number = decode_quantity(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise wrong_kind(value, "hexutil.Big")
        if number < 0:
            raise ValueError("number is negative")
        if number.bit_length() > cls.BITS:
            raise ValueError(f"hex number > {cls.BITS} bits")
        return cls(number)


class Uint128(Quantity):
    """A quantity of at most 128 bits: what the kernel takes as a fee."""

    __slots__ = ()
    BITS = 128


class Uint64(Quantity):
    """A quantity of at most 64 bits: nonces, gas, heights and times."""

    __slots__ = ()
    BITS = 64


ZERO_ADDRESS: Final = Address(bytes(20))
ZERO_HASH: Final = Hash32(bytes(32))


@lru_cache(maxsize=4_096)
def checksum_address(address: bytes) -> str:
    """An address with its checksum in the case of the letters. Source: EIP-55."""
    digits = address.hex()
    digest = keccak256(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, digest, strict=False))


def wrong_kind(value: object, go_type: str) -> ValueError:
    """What geth says of a JSON value that cannot become `go_type`."""
    return ValueError(f"json: cannot unmarshal {_json_kind(value)} into Go value of type {go_type}")


def _json_kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"
