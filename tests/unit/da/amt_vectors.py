"""Golden vectors of the DA encoder, and the setups and inputs that they were made with."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from zerog._kernel import AmtSetup

VECTORS = Path(__file__).parent.parent.parent / "vectors" / "da"
TAU = 123_456_789


@cache
def vectors(name: str) -> dict[str, Any]:
    """The vectors in the file `name`; `about` and `source` in it say what they are."""
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    assert loaded["tau"] == TAU
    return loaded


def data_of(length: int) -> bytes:
    """The input of a vector."""
    return (bytes((7 * index + 3) % 256 for index in range(256)) * (length // 256 + 1))[:length]


@cache
def setup_of(*, development: bool) -> AmtSetup:
    return AmtSetup.insecure(TAU.to_bytes(32, "big"), development=development)


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def flagless(coordinates: list[str] | None) -> bytes:
    """Decimal coordinates as a commitment's bytes; of none (infinity) zeros."""
    return b"".join(int(value).to_bytes(32, "little") for value in coordinates or ["0", "0"])
