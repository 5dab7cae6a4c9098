"""Addresses as people write them: a slip of one letter is found where there is a checksum."""

from dataclasses import dataclass

from zerog.primitives import Address
from zerog.primitives.errors import RefusalError

__all__ = ["AddressMalformedError", "ChecksumError", "address_of"]

TEXT_MAX = 60
"""Characters of what somebody wrote that are repeated."""


@dataclass(eq=False)
class AddressMalformedError(RefusalError):
    """A text that is no address."""

    text: str
    cause: str

    code = "address_malformed"
    remedy = "an address is 0x and 40 hex digits; `zerog account` lists those of this network"

    def __str__(self) -> str:
        return f"{self.text[:TEXT_MAX]!r} is no address: {self.cause}"


@dataclass(eq=False)
class ChecksumError(RefusalError):
    """An address whose capital letters are not those of its checksum."""

    text: str

    code = "checksum_mismatch"
    remedy = "copy the address again; one that is right in lower case alone has no checksum, and is taken as it is"

    def __str__(self) -> str:
        return f"a letter of {self.text} is wrong: its capital letters are a checksum (EIP-55) that does not fit"


def address_of(text: str) -> Address:
    """Raises `AddressMalformedError`; `ChecksumError` (EIP-55) where capital and small letters are mixed."""
    try:
        address = Address.from_json(text)
    except ValueError as error:
        raise AddressMalformedError(text, str(error)) from None
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and digits != str(address)[2:]:
        raise ChecksumError(text)
    return address
