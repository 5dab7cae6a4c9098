"""Tokens without a model: pieces of text that are about as long as those of the usual vocabularies, and the same on every machine."""

import re
from typing import Final

__all__ = ["count_tokens", "split_tokens"]

PIECE: Final = re.compile(r"\s*\w{1,6}|\s*[^\w\s]|\s+")
"""Words in parts of six letters at most, signs one by one, each with the space before it. English prose: about 1.3 tokens a word."""


def split_tokens(text: str) -> list[str]:
    """The tokens; joined they are `text`."""
    return PIECE.findall(text)


def count_tokens(text: str) -> int:
    """How many there are."""
    return sum(1 for _ in PIECE.finditer(text))
