"""A contract that moves nothing but leaves logs as a token does when it is handed out to many: one for each address in the input."""

from typing import Final

from zerog._kernel import keccak256

__all__ = ["DEPLOYMENT", "LOGS_A_CALL", "MATCH_EVERY", "TRANSFER_TOPIC", "WANTED", "emit_call", "emitter_address"]

TRANSFER_TOPIC: Final = keccak256(b"Transfer(address,address,uint256)")
RUNTIME: Final = bytes.fromhex("60015f525f5b368114603a578035337f" + TRANSFER_TOPIC.hex() + "60205fa36020016005565b00")
"""For each word w of the input: LOG3 of the word 1, with the topics Transfer, CALLER and w."""
DEPLOYMENT: Final = bytes([0x60, len(RUNTIME), 0x80, 0x60, 9, 0x5F, 0x39, 0x5F, 0xF3]) + RUNTIME

LOGS_A_CALL: Final = 10
MATCH_EVERY: Final = 100
"""Of so many blocks one has a log with the address that is searched."""
HOLDERS: Final = 10_000
WANTED: Final = keccak256(b"zerog benchmark wanted holder")[12:]


def emit_call(number: int) -> bytes:
    """Input of the call in block `number`: ten holders in turn, but in every hundredth block the wanted one in place of one of them."""
    words = [keccak256(b"zerog benchmark log holder %d" % ((number * LOGS_A_CALL + index) % HOLDERS))[12:] for index in range(LOGS_A_CALL)]
    if number % MATCH_EVERY == 0:
        words[number // MATCH_EVERY % LOGS_A_CALL] = WANTED
    return b"".join(word.rjust(32, b"\0") for word in words)


def emitter_address(creator: bytes, nonce: int) -> bytes:
    """Where the contract stands that `creator` makes with this nonce below 128: keccak256(rlp([creator, nonce])), its last 20 bytes."""
    assert nonce < 128
    return keccak256(b"\xd6\x94" + creator + bytes([nonce or 0x80]))[12:]
