"""DASigners written anew from its rules: what it answers, and what its storage holds. Points are bytes in words.

Rules: 0glabs/0g-geth, core/vm/dasigners.go. Nothing here is shared with the kernel but hashing and sums of points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from zerog._kernel import bls_aggregate_g1, bls_public_key, bls_sign, keccak256

ROWS = 3072
QUORUMS_MAX = 10
VOTES_MAX = 102_400


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Signer:
    """One who signs: an address, a secret, and where it listens."""

    address: bytes
    secret: bytes
    socket: bytes = b"127.0.0.1:34010"

    @property
    def keys(self) -> tuple[bytes, bytes]:
        return bls_public_key(self.secret)

    def possession(self, chain_id: int) -> bytes:
        """The signature that proves that it has its key."""
        return bls_sign(self.secret, keccak256(self.address + word(chain_id) + b"0G_BN254_Pubkey_Registration"))

    def entry(self, epoch: int, chain_id: int) -> bytes:
        """The signature with which it enters an epoch."""
        return bls_sign(self.secret, keccak256(self.address + epoch.to_bytes(8, "big") + word(chain_id)))


def signer(index: int, socket: bytes = b"127.0.0.1:34010") -> Signer:
    """One of as many signers as a test needs."""
    name = keccak256(b"signer" + word(index))
    return Signer(name[12:], word(int.from_bytes(keccak256(name), "big") >> 3), socket)


def quorums(entries: Sequence[tuple[bytes, bytes, int]]) -> list[list[bytes]]:
    """Who keeps which rows, from (address, signature, votes) of all who entered: draw all ballots, sort them, cut them into quorums."""
    ballots: list[tuple[bytes, bytes]] = []
    for address, signature, votes in entries:
        content = keccak256(signature)
        for _ in range(min(votes, VOTES_MAX)):
            ballots.append((content, address))
            content = keccak256(content)
    drawn = [address for _, address in sorted(ballots)]
    if not drawn:
        return []
    if len(drawn) < ROWS:
        return [[drawn[row % len(drawn)] for row in range(ROWS)]]
    full = [drawn[start : start + ROWS] for start in range(0, len(drawn) - ROWS + 1, ROWS)][:QUORUMS_MAX]
    return full if len(drawn) % ROWS == 0 or len(full) == QUORUMS_MAX else [*full, drawn[-ROWS:]]


def aggregate(quorum: Sequence[bytes], bitmap: bytes, keys: dict[bytes, bytes]) -> tuple[bytes, int, int]:
    """The sum of keys in G1, all rows, and the rows that count."""
    added: list[bytes] = []
    hit = 0
    for row, address in enumerate(quorum):
        if address in added:
            hit += 1
        elif bitmap[row // 8] & (1 << row % 8):
            hit += 1
            added.append(address)
    return bls_aggregate_g1([keys[address] for address in added]), len(quorum), hit


@dataclass(slots=True)
class Storage:
    """The storage that the contract leaves, slot by slot."""

    slots: dict[bytes, bytes] = field(default_factory=dict)

    def put(self, key: bytes, value: int | bytes) -> None:
        self.slots[keccak256(key)] = word(value) if isinstance(value, int) else value.rjust(32, b"\0")

    def put_bytes(self, key: bytes, value: bytes) -> None:
        base = keccak256(keccak256(key))
        self.slots[base] = word(len(value))
        for index in range(0, len(value), 32):
            self.slots[keccak256(base + (index // 32).to_bytes(8, "big"))] = value[index : index + 32].ljust(32, b"\0")

    def register(self, signer: Signer) -> None:
        key_g1, key_g2 = signer.keys
        x, y = (packed_number(key_g1[at : at + 32]) for at in (0, 32))
        parts = [packed_number(key_g2[at : at + 32]) for at in (0, 32, 64, 96)]
        packed = b"\x84" + name("Signer") + packed_address(signer.address) + name("Socket") + packed_text(signer.socket)
        packed += name("PkG1") + b"\x82" + name("X") + x + name("Y") + y
        packed += name("PkG2") + b"\x82" + name("X") + b"\x92" + parts[0] + parts[1] + name("Y") + b"\x92" + parts[2] + parts[3]
        self.put_bytes(b"\0" + signer.address, packed)

    def enter(self, epoch: int, index: int, address: bytes, signature: bytes, votes: int) -> None:
        at = epoch.to_bytes(8, "big")
        self.put(b"\2" + at + address, keccak256(signature))
        self.put(b"\3" + at + address, votes)
        self.put(b"\7" + at, index + 1)
        self.put(b"\x08" + at + index.to_bytes(8, "big"), address)

    def make(self, epoch: int, block: int, made: Sequence[Sequence[bytes]]) -> None:
        at = epoch.to_bytes(8, "big")
        for index, quorum in enumerate(made):
            packed = b"\xdc" + len(quorum).to_bytes(2, "big") + b"".join(map(packed_address, quorum))
            self.put_bytes(b"\1" + at + index.to_bytes(8, "big"), packed)
        self.put(b"\4" + at, len(made))
        self.put(b"\5", epoch)
        self.put(b"\6" + at, block)


def name(text: str) -> bytes:
    return bytes([0xA0 | len(text)]) + text.encode()


def packed_text(text: bytes) -> bytes:
    return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text


def packed_address(address: bytes) -> bytes:
    return b"\xc4\x2a0x" + address.hex().encode()


def packed_number(number: bytes) -> bytes:
    digits = str(int.from_bytes(number, "big")).encode()
    return b"\xc4" + bytes([len(digits)]) + digits
