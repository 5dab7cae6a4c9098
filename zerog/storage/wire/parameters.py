"""Parameters of `zgs_*` in the forms that clients send."""

from typing import Final, Self

from zerog.primitives import Hash32
from zerog.primitives.types import wrong_kind

__all__ = ["FileName", "Number"]

BITS_MAX: Final = 64
DIGITS_MAX: Final = 20


class Number(int):
    """At most 64 bits: a JSON number, a decimal string, or a hex quantity."""

    __slots__ = ()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError`."""
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= DIGITS_MAX:
            value = int(value)
        elif isinstance(value, str) and value[:2] in ("0x", "0X") and 2 < len(value) <= 2 + BITS_MAX // 4:
            value = int(value, 16)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_kind(value, "uint64")
        if not 0 <= value < 1 << BITS_MAX:
            raise ValueError(f"{value} has no place in {BITS_MAX} bits without a sign")
        return cls(value)


class FileName:
    """A file by the number of a submission, or by its root."""

    __slots__ = ("name",)

    def __init__(self, name: Hash32 | int) -> None:
        self.name: Final = name

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError`."""
        is_root = isinstance(value, str) and len(value) == 2 + 2 * Hash32.LENGTH
        return cls(Hash32.from_json(value) if is_root else int(Number.from_json(value)))
