"""Embeddings without a model: texts that share words point in similar directions. Source: OpenAI's API reference, "Embeddings"."""

import base64
import hashlib
import math
import struct
from typing import Any, Final

from zerog.compute.provider.engines.tokens import split_tokens
from zerog.testing.scripted.answers import ENGINE, InvalidRequestError
from zerog.testing.scripted.chat import encode

__all__ = ["embeddings"]

DIMENSIONS: Final = 256
DIMENSIONS_MAX: Final = 4_096
INPUTS_MAX: Final = 2_048
PLACES: Final = 4
"""Where one word shows in a vector."""


def embeddings(asked: dict[str, Any], model: str) -> bytes:
    """The answer to a request. Raises `InvalidRequestError`."""
    texts = _inputs(asked.get("input"))
    dimensions = asked.get("dimensions") or DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= DIMENSIONS_MAX:
        raise InvalidRequestError(f"dimensions is from 1 to {DIMENSIONS_MAX}")
    is_packed = asked.get("encoding_format") == "base64"
    tokens, rows = 0, []
    for index, text in enumerate(texts):
        pieces = split_tokens(text)
        tokens += len(pieces)
        packed = struct.pack(f"<{dimensions}f", *_vector(pieces, dimensions))
        vector: object = base64.b64encode(packed).decode() if is_packed else list(struct.unpack(f"<{dimensions}f", packed))
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return encode({"object": "list", "data": rows, "model": model, "usage": usage, "system_fingerprint": ENGINE})


def _inputs(given: object) -> list[str]:
    """A text, texts, tokens or lists of tokens; numbers of tokens count as words."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given and len(given) <= INPUTS_MAX:
        if all(isinstance(each, str) for each in given):
            return [str(each) for each in given]
        if all(isinstance(each, int) for each in given):
            return [" ".join(str(each) for each in given)]
        if all(isinstance(each, list) and all(isinstance(token, int) for token in each) for each in given):
            return [" ".join(str(token) for token in each) for each in given]
    raise InvalidRequestError(f"input is a text, tokens, or a list of at most {INPUTS_MAX} of them")


def _vector(pieces: list[str], dimensions: int) -> list[float]:
    """Of length 1. Each word adds ±1 in a few places that its hash names; an empty text has a direction too."""
    vector = [0.0] * dimensions
    for piece in pieces or [""]:
        digest = hashlib.blake2s(piece.strip().lower().encode()).digest()
        for (place,) in struct.iter_unpack("<Q", digest[: 8 * PLACES]):
            vector[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:  # All of it cancelled out.
        vector[0] = length = 1.0
    return [value / length for value in vector]
