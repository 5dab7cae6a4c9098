"""Amounts as people write and read them: in 0G, or in wei."""

import re
from dataclasses import dataclass
from typing import Final

from zerog.primitives.errors import RefusalError

__all__ = ["AmountError", "amount_of", "short_amount", "shown_amount"]

DECIMALS: Final = 18
"""An 0G has so many decimal places."""
WEI_END: Final = 2**256
IN_WEI: Final = re.compile(r"([0-9]+) ?wei", re.IGNORECASE)
IN_TOKENS: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?: 0g)?", re.IGNORECASE)
"""The name of the token has a space before it: 10G would be anything from 1 to 10."""
DECIMALS_SHORT: Final = 12
"""Of them are shown where there is little room."""
TEXT_MAX: Final = 100
"""Characters; longer ones are no amounts that anybody has."""


@dataclass(eq=False)
class AmountError(RefusalError):
    """A text that is no amount of money."""

    cause: str

    code = "amount_invalid"
    remedy = "write the amount in 0G, such as 3 or 0.5, or in wei, such as 250wei"

    def __str__(self) -> str:
        return self.cause


def amount_of(text: str) -> int:
    """Wei of an amount such as 3, 0.5, 0.5 0G or 250wei; plain numbers are 0G. Raises `AmountError`."""
    if len(text) > TEXT_MAX:
        raise AmountError(f"{text[:TEXT_MAX]!r}… is no amount")
    if (in_wei := IN_WEI.fullmatch(text.strip())) is not None:
        wei = int(in_wei[1])
    elif (in_tokens := IN_TOKENS.fullmatch(text.strip())) is not None:
        whole, part = in_tokens[1], in_tokens[2] or ""
        if len(part) > DECIMALS:
            raise AmountError(f"{text!r} has more than {DECIMALS} decimal places")
        wei = int(whole + part.ljust(DECIMALS, "0"))
    else:
        raise AmountError(f"{text!r} is no amount")
    if wei >= WEI_END:
        raise AmountError(f"{text!r} is no amount that can be moved")
    return wei


def shown_amount(wei: int) -> str:
    """Exactly, in 0G."""
    whole, part = divmod(wei, 10**DECIMALS)
    digits = f"{part:0{DECIMALS}d}".rstrip("0")
    return f"{whole}.{digits} 0G" if digits else f"{whole} 0G"


def short_amount(wei: int) -> str:
    """The same for little room: rounded down to 12 decimal places, and in wei where that would leave nothing."""
    unit = 10 ** (DECIMALS - DECIMALS_SHORT)
    return f"{wei} wei" if 0 < wei < unit else shown_amount(wei // unit * unit)
