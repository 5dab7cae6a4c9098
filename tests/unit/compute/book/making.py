"""Charges and clocks for tests of the book."""

from dataclasses import dataclass
from uuid import uuid4

from zerog.compute.provider.book import Charge
from zerog.primitives import Address, Hash32
from zerog.runtime.clock import SystemClock

ONE = 10**18
ALICE = Address(bytes.fromhex("a1" * 20))
BOB = Address(bytes.fromhex("b0" * 20))


def new_id() -> str:
    return str(uuid4())


def charge_of(request_id: str, user: Address = ALICE, fee_wei: int = 7) -> Charge:
    """A charge with papers of their usual sizes."""
    return Charge(
        request_id=request_id,
        user=user,
        fee_wei=fee_wei,
        receipt=b'{"id":"' + request_id.encode() + b'"' + b" " * 700 + b"}",
        leaf=Hash32(b"\x11" * 32),
        receipt_signature=b"\x22" * 65,
        signed_text="ab" * 32 + ":" + "cd" * 32,
        text_signature=b"\x33" * 65,
        signing_address=Address(b"\x44" * 20),
        created_at_ms=1_700_000_000_000,
    )


@dataclass
class ShiftedClock(SystemClock):
    """The machine's clock, ahead by as much as a test says."""

    ahead_s: float = 0.0

    def unix_s(self) -> float:
        return super().unix_s() + self.ahead_s
