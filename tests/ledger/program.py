"""Random EVM programs that live long enough to do something: each statement leaves the stack as it found it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

__all__ = ["ProgramWriter", "creation_of"]

PUSH0: Final = 0x5F
DUP1, CODECOPY = 0x80, 0x39
CREATION_BYTES: Final = 10
"""Length of the init code that stands before a runtime code."""
JUMPDEST: Final = b"\x5b"
SLOTS: Final = 6
"""Few slots, so that programs meet each other's writes and their own."""
MEMORY_BYTES: Final = 256
INTERESTING: Final = (0, 1, 2, 31, 32, 33, 255, 256, 2**32 - 1, 2**64 - 1, 2**128, 2**255 - 1, 2**255, 2**256 - 1)
# Opcodes by number of words taken; each gives one. Source: ethereum/execution-specs, vm/instructions.
ZERO_OPERANDS: Final = bytes.fromhex("30323334363a3d3841424344454647483a4a5a595858")
ONE_OPERAND: Final = bytes.fromhex("15193135403b3f4954545c5c51")
TWO_OPERANDS: Final = bytes.fromhex("0102030405060710111213141617181a1b1c1d0b")
THREE_OPERANDS: Final = bytes.fromhex("0809")
EXPONENT: Final = 0x0A
KECCAK: Final = 0x20
CLZ: Final = 0x1E
"""Count of leading zeros, from Osaka on (EIP-7939)."""
NUMBER: Final = 0x43
REFUSED_CODES: Final = (b"", b"\xef\0", b"\xef\x01\0" + bytes(20))
"""No code, and code that EIP-3541 refuses."""
BLOCK_READS: Final = bytes.fromhex("40")
ADDRESS_READS: Final = bytes.fromhex("313b3f")
SLOT_READS: Final = bytes.fromhex("545c")
MEMORY_READS: Final = bytes.fromhex("51")
SSTORE, TSTORE, MSTORE, MSTORE8, MCOPY = 0x55, 0x5D, 0x52, 0x53, 0x5E
CREATE, CREATE2 = 0xF0, 0xF5
CALLS: Final = (0xF1, 0xF1, 0xF1, 0xF2, 0xF4, 0xF4, 0xFA)
CALLS_WITH_VALUE: Final = (0xF1, 0xF2)
COPIES: Final = (0x37, 0x39, 0x3E)
EXTCODECOPY: Final = 0x3C
ENDLESS_LOOP: Final = bytes.fromhex("5b5f586002900356")
"""Pushes a zero at each turn, so that it ends by a full stack if gas lasts."""
RETURN, REVERT, INVALID, SELFDESTRUCT, STOP = 0xF3, 0xFD, 0xFE, 0xFF, 0x00


def push(value: int | bytes) -> bytes:
    """The shortest push of a number, or a push of exactly these bytes."""
    data = value if isinstance(value, bytes) else value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([PUSH0 + len(data)]) + data


def creation_of(runtime: bytes) -> bytes:
    """Init code that deploys `runtime`: it copies what follows itself into memory and returns it."""
    head = push(len(runtime).to_bytes(2, "big")) + bytes([DUP1]) + push(bytes([CREATION_BYTES])) + bytes([PUSH0, CODECOPY, PUSH0, RETURN])
    assert len(head) == CREATION_BYTES
    return head + runtime


@dataclass(slots=True)
class ProgramWriter:
    """Writes random programs from one source of dice; `targets` are the addresses that programs may touch."""

    dice: Random
    targets: Sequence[bytes]
    _nesting: int = field(default=0, init=False)

    def program(self, statements: int | None = None) -> bytes:
        """A whole program: some statements and an end."""
        count = self.dice.randint(2, 14) if statements is None else statements
        return b"".join(self.statement() for _ in range(count)) + self.end()

    def calldata(self) -> bytes:
        """Arguments: words that programs take for numbers, slots and addresses, or plain noise."""
        words = (
            self.dice.choice(INTERESTING).to_bytes(32, "big"),
            self.dice.choice(self.targets).rjust(32, b"\0"),
            self.dice.randbytes(32),
        )
        arguments = b"".join(self.dice.choice(words) for _ in range(self.dice.randint(0, 4)))
        return arguments + self.dice.randbytes(self.dice.choice((0, 0, 4, 17)))

    def statement(self) -> bytes:
        """One statement; its jumps are relative, so it can stand anywhere."""
        kinds: Sequence[tuple[int, Callable[[], bytes]]] = (
            (24, self.store),
            (10, self.write_twice),
            (6, self.store_transient),
            (14, self.write_memory),
            (8, self.copy),
            (10, self.log),
            (18, self.call),
            (5, self.create),
            (8, self.branch),
            (2, self.noise),
        )
        weights = [weight for weight, _ in kinds]
        return self.dice.choices([write for _, write in kinds], weights)[0]()

    def number(self) -> bytes:
        """A constant."""
        match self.dice.randrange(4):
            case 0:
                return push(self.dice.choice(INTERESTING))
            case 1:
                return push(self.dice.randrange(SLOTS))
            case 2:
                return push(self.dice.choice(self.targets))
            case _:
                return push(self.dice.getrandbits(self.dice.choice((8, 64, 256))))

    def value(self, depth: int = 2) -> bytes:
        """An expression that leaves one word on the stack."""
        if depth == 0 or self.dice.random() < 0.25:
            return self.number() if self.dice.random() < 0.6 else bytes([self.dice.choice(ZERO_OPERANDS)])
        match self.dice.randrange(8):
            case 0 | 1:
                opcode = self.dice.choice(ONE_OPERAND)
                return self.operand(opcode, depth) + bytes([opcode])
            case 2:
                return self.value(depth - 1) + self.value(depth - 1) + self.value(0) + bytes([self.dice.choice(THREE_OPERANDS)])
            case 3:
                return push(self.dice.randrange(64)) + self.offset() + bytes([KECCAK])
            case 4 if self.dice.random() < 0.3:
                return push(self.dice.getrandbits(self.dice.choice((4, 16)))) + self.value(depth - 1) + bytes([EXPONENT])
            case _:
                return self.value(depth - 1) + self.value(depth - 1) + bytes([self.dice.choice(TWO_OPERANDS)])

    def operand(self, opcode: int, depth: int) -> bytes:
        """What an opcode of one operand reads: mostly something that is there."""
        if opcode in SLOT_READS:
            return self.slot()
        if opcode in MEMORY_READS:
            return self.offset()
        if opcode in ADDRESS_READS and self.dice.random() < 0.8:
            return push(self.dice.choice(self.targets))
        if opcode in BLOCK_READS:
            return push(self.dice.choice((0, 1, 2, 5, 256, 257))) + bytes([NUMBER, 0x03])
        return self.value(depth - 1)

    def slot(self) -> bytes:
        return push(self.dice.randrange(SLOTS))

    def offset(self) -> bytes:
        return push(self.dice.randrange(MEMORY_BYTES))

    def store(self) -> bytes:
        return self.value() + self.slot() + bytes([SSTORE])

    def write_twice(self) -> bytes:
        """Several writes to one slot with a small set of values, so that every case of EIP-2200's refunds comes up."""
        slot = self.slot()
        writes = [push(self.dice.choice((0, 0, 1, 2))) + slot + bytes([SSTORE]) for _ in range(self.dice.randint(2, 4))]
        return b"".join(writes)

    def store_transient(self) -> bytes:
        return self.value() + self.slot() + bytes([TSTORE])

    def write_memory(self) -> bytes:
        return self.value() + self.offset() + bytes([self.dice.choice((MSTORE, MSTORE, MSTORE8))])

    def copy(self) -> bytes:
        """A copy into memory; reading past the return data ends the program, which is wanted now and then."""
        opcode = self.dice.choice((*COPIES, MCOPY, EXTCODECOPY))
        length = push(0 if opcode == 0x3E and self.dice.random() < 0.8 else self.dice.randrange(64))
        copied = length + self.offset() + self.offset() if opcode != 0x3E else length + push(self.dice.choice((0, 0, 1))) + self.offset()
        return copied + (push(self.dice.choice(self.targets)) if opcode == EXTCODECOPY else b"") + bytes([opcode])

    def log(self) -> bytes:
        topics = self.dice.randrange(5)
        return b"".join(self.value(1) for _ in range(topics)) + push(self.dice.randrange(70)) + self.offset() + bytes([0xA0 + topics])

    def call(self) -> bytes:
        """A call of any kind; its success is kept, so that it shows in the state."""
        opcode = self.dice.choice(CALLS)
        output = push(self.dice.randrange(65)) + self.offset()
        given = push(self.dice.choice((0, 32, 64, 96, 128))) + self.offset()
        value = push(self.dice.choice((0, 0, 0, 1, 12345))) if opcode in CALLS_WITH_VALUE else b""
        target = push(self.dice.choice(self.targets)) if self.dice.random() < 0.9 else bytes([self.dice.choice((0x30, 0x33, 0x41))])
        gas = bytes([0x5A]) if self.dice.random() < 0.6 else push(self.dice.choice((0, 100, 2300, 9000, 40_000)))
        return output + given + value + target + gas + bytes([opcode]) + self.keep_result()

    def create(self) -> bytes:
        """Write a small program's init code into memory and create from it, with CREATE or CREATE2."""
        if self._nesting >= 2:
            return self.log()
        self._nesting += 1
        runtime = self.program(3) if self.dice.random() < 0.8 else self.dice.choice(REFUSED_CODES)
        code = creation_of(runtime) if self.dice.random() < 0.8 else self.program(2)
        self._nesting -= 1
        chunks = [code[first : first + 32] for first in range(0, len(code), 32)]
        written = b"".join(push(chunk.ljust(32, b"\0")) + push(512 + 32 * index) + bytes([MSTORE]) for index, chunk in enumerate(chunks))
        salted = self.dice.random() < 0.5
        arguments = (push(self.dice.randrange(3)) if salted else b"") + push(len(code)) + push(512) + push(self.dice.choice((0, 0, 7)))
        return written + arguments + bytes([CREATE2 if salted else CREATE]) + self.keep_result()

    def keep_result(self) -> bytes:
        """Take the word on the stack into storage or memory."""
        return self.slot() + bytes([SSTORE]) if self.dice.random() < 0.4 else self.offset() + bytes([MSTORE])

    def branch(self) -> bytes:
        """Skip a statement when a value is not zero. The jump is relative: the target is computed from PC."""
        skipped = b"".join(self.statement() for _ in range(self.dice.randint(1, 2)))
        condition = self.value(1)
        # PC, a push of two bytes, ADD and JUMPI take six bytes before what is skipped.
        distance = 6 + len(skipped)
        return condition + b"\x58" + push(distance.to_bytes(2, "big")) + b"\x01\x57" + skipped + JUMPDEST

    def noise(self) -> bytes:
        """Bytes that mean nothing, or an opcode that only newer rules know."""
        return (
            self.value(0) + bytes([CLZ]) + self.keep_result() if self.dice.random() < 0.5 else self.dice.randbytes(self.dice.randint(1, 3))
        )

    def end(self) -> bytes:
        """How a program ends: mostly well."""
        output = push(self.dice.randrange(65)) + self.offset()
        ends = (
            bytes([STOP]),
            output + bytes([RETURN]),
            output + bytes([REVERT]),
            bytes([INVALID]),
            push(self.dice.choice(self.targets)) + bytes([SELFDESTRUCT]),
            ENDLESS_LOOP,
        )
        return self.dice.choices(ends, (10, 10, 3, 1, 2, 1))[0]
