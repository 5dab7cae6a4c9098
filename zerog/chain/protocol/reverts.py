"""Why a contract reverted, from the data that it returned. Source: ethereum/go-ethereum, accounts/abi/abi.go (UnpackRevert)."""

from typing import Final

from zerog._kernel import DecodeError, abi_decode

__all__ = ["revert_message", "revert_reason"]

ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
"""`Error(string)`, which `require` and `revert` with a text use."""
PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")
"""`Panic(uint256)`, which the Solidity compiler's own checks use."""

PANIC_TEXTS: Final = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
"""Source: Solidity documentation, "Panic via assert and Error via require"; wording: ethereum/go-ethereum, accounts/abi/abi.go."""


def revert_reason(data: bytes) -> str | None:
    """The text in revert data, or `None` when it is empty or a custom error."""
    try:
        match data[:4]:
            case selector if selector == ERROR_SELECTOR:
                return str(abi_decode(["string"], data[4:])[0])
            case selector if selector == PANIC_SELECTOR:
                code = int.from_bytes(data[4:36], "big")
                return PANIC_TEXTS.get(code, f"unknown panic code: {code:#x}")
    except DecodeError:
        return None  # The contract wrote the selector, but not what belongs to it.
    return None


def revert_message(data: bytes) -> str:
    """What an error says of a call that reverted with `data`."""
    reason = revert_reason(data)
    return "execution reverted" if reason is None else f"execution reverted: {reason}"
