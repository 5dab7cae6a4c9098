"""Tiny contracts in EVM code, and data for them."""

from zerog._kernel import abi_encode

ECHO = "0x365f5f37365ff3"
"""Returns its call data."""
REVERT_ECHO = "0x365f5f37365ffd"
"""Reverts with its call data."""
LOGGER = "0x5f355f5fa100"
"""Emits an event without data whose topic is the first word of the call data."""
STORE = "0x6020355f355500"
"""Writes the second word of the call data at the slot that the first word names."""
LOOP = "0x5b5f56"
"""Never ends."""
INVALID = "0xfe"
"""The invalid opcode."""
TIMESTAMP = "0x425f5260205ff3"
NUMBER = "0x435f5260205ff3"
BASE_FEE = "0x485f5260205ff3"
PREVRANDAO = "0x445f5260205ff3"
COINBASE = "0x415f5260205ff3"
GAS_PRICE = "0x3a5f5260205ff3"
LOAD = "0x5f35545f5260205ff3"
"""Returns the word at the slot that the call data names."""


def creation(runtime: str) -> str:
    """Code that creates a contract with this runtime code (of less than 256 bytes)."""
    size = (len(runtime) - 2) // 2
    return f"0x60{size:02x}8060095f395ff3" + runtime[2:]  # PUSH size, DUP, PUSH 9, PUSH 0, CODECOPY, PUSH 0, RETURN.


def word(number: int) -> str:
    """32 bytes of hex."""
    return f"0x{number:064x}"


def error_text(reason: str) -> str:
    """The data of `revert(reason)`."""
    return "0x08c379a0" + abi_encode(["string"], [reason]).hex()


def panic(code: int) -> str:
    """The data of a failed check of Solidity."""
    return f"0x4e487b71{code:064x}"
