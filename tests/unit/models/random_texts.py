"""Texts from a seed, made of what splits and merges differently: scripts, digits, spaces, marks, contractions, names of control tokens."""

import random
import unicodedata
from collections.abc import Iterator
from typing import Final

__all__ = ["random_texts"]

WORDS: Final = """
's 't 're 've 'm 'll 'd 'S 'RE ' '' n't o'clock I'm we've the The THE ing tion un 3.14 1,000 2024 0x1F $5 50% C++ e-mail
<|im_start|> <|im_end|> <|endoftext|> <s> </s> <b> </b> <| |> < > <repo_name> | || -> => != /* */ // :: ... -- __ ;)
"""
SPACES: Final = (
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    "\t\t",
    " ",
    "  ",
    "   ",
    " \n",
    "\n ",
    "\u00a0",
    "\u3000",
    "\u2028",
    "\u200b",
    "\x85",
    "\v",
)
PIECES: Final = (*WORDS.split(), *SPACES)
RANGES: Final = (
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x30, 0x39), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xD7F),
    (0xE00, 0xEFF), (0x10A0, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
    (0xE000, 0xF8FF), (0xFE00, 0xFFEF), (0x10000, 0x10FFF), (0x1D400, 0x1D7FF), (0x1F000, 0x1FAFF), (0x20000, 0x2A6DF),
)  # fmt: skip
LONG_S: Final = "\u017f"
"""A regular expression without regard to case takes it for an `s`; llama.cpp, and so we, do not."""


def random_texts(seed: int, count: int) -> Iterator[str]:
    """`count` texts of up to some 150 characters."""
    dice = random.Random(seed)
    for _ in range(count):
        yield "".join(_piece(dice) for _ in range(dice.randint(1, 25)))


def _piece(dice: random.Random) -> str:
    if dice.random() < 0.4:
        return dice.choice(PIECES)
    low, high = dice.choice(RANGES)
    drawn = (chr(dice.randint(low, high)) for _ in range(dice.randint(1, 8)))
    # Characters without a meaning yet have one in some tables and none in others.
    return "".join(character for character in drawn if unicodedata.category(character) != "Cn" and character != LONG_S)
