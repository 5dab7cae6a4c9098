"""Numbers and slots in the loose forms that developers' tools send."""

from typing import Final, Self

from zerog.primitives import Hash32, Quantity, encode_quantity
from zerog.primitives.hexadecimal import decode_quantity
from zerog.primitives.types import wrong_kind

__all__ = ["LooseNumber", "ProofSlot", "StorageSlot"]

SLOT_DIGITS_MAX: Final = 64


class LooseNumber(Quantity):
    """At most 64 bits, as a hex quantity, a decimal string or a JSON number."""

    __slots__ = ()
    BITS = 64

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= SLOT_DIGITS_MAX:
            return super().from_json(int(value))
        return super().from_json(value)


class StorageSlot(Hash32):
    """A word of 32 bytes, as a quantity or as up to 32 bytes of hex.

    Source: ethereum/go-ethereum, internal/ethapi/api.go (decodeStorageKey).
    """

    __slots__ = ()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(Quantity.from_json(value).to_bytes(32, "big"))
        if not isinstance(value, str):
            raise wrong_kind(value, "string")
        digits = value[2:] if value[:2] in ("0x", "0X") else value
        if len(digits) > SLOT_DIGITS_MAX:
            raise ValueError("unable to decode storage key: hex string too long, want at most 32 bytes")
        try:
            number = decode_quantity(f"0x{digits or '0'}")
        except ValueError as error:
            raise ValueError(f"unable to decode storage key: {error}") from None
        return cls(number.to_bytes(32, "big"))


class ProofSlot(StorageSlot):
    """A slot that is to be proved, with the form in which it was asked for: the answer names it in the same way."""

    given: str

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        slot = super().from_json(value)
        slot.given = value if isinstance(value, str) else encode_quantity(int.from_bytes(slot, "big"))
        return slot
