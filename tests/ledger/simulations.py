"""Random parameters of `eth_simulateV1`: a few blocks of calls with overrides, on the contracts and senders of a scenario's genesis."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.ledger.program import ProgramWriter, creation_of
from tests.ledger.scenario import ABSENT, PRECOMPILES, contract_addresses
from tests.ledger.transactions import keys

__all__ = ["SimulationWriter", "text", "word"]

Json = dict[str, Any]
POOR: Final = b"\x99" * 20
"""Has nothing, unless an override says otherwise."""
FUNDS_WEI: Final = 10**18
BLOCK_GAS: Final = 30_000_000


@dataclass
class SimulationWriter:
    """Draws parameters for simulations on top of the block with this number and time (seconds)."""

    dice: Random
    number: int
    timestamp: int
    creates: bool = False
    """Whether some calls create a contract."""
    senders: list[bytes] = field(init=False)
    contracts: list[bytes] = field(init=False)
    programs: ProgramWriter = field(init=False)

    def __post_init__(self) -> None:
        self.senders = [key.address for key in keys("sender", 4)]
        self.contracts = contract_addresses()
        self.programs = ProgramWriter(self.dice, [*self.contracts, *ABSENT, *PRECOMPILES, *self.senders])

    def payload(self) -> Json:
        """All parameters but the block to begin on. What anvil would choose otherwise than geth is given."""
        blocks = [self.block(1 + index) for index in range(self.dice.choice((1, 1, 2, 3)))]
        return {"blockStateCalls": blocks, "traceTransfers": self.dice.random() < 0.5}

    def block(self, height: int) -> Json:
        """A block so much above the newest one."""
        return {
            "blockOverrides": {
                "number": hex(self.number + height),
                "time": hex(self.timestamp + 12 * height + self.dice.randrange(12)),
                "gasLimit": hex(BLOCK_GAS),
                "feeRecipient": text(self.dice.choice((b"\xbe" * 20, self.contracts[0]))),
                "prevRandao": text(self.dice.randbytes(32)),
                "baseFeePerGas": "0x0",
            },
            "stateOverrides": dict(self.override() for _ in range(self.dice.choice((0, 0, 1, 2)))),
            "calls": [self.call() for _ in range(self.dice.choice((1, 2, 3, 5)))],
        }

    def override(self) -> tuple[str, Json]:
        """An address and what is pretended of it."""
        address = self.dice.choice([*self.contracts, *ABSENT, POOR])
        kinds: dict[str, Any] = {
            "balance": hex(self.dice.choice((0, 1, FUNDS_WEI))),
            "code": text(self.programs.program()),
            self.dice.choice(("state", "stateDiff")): {word(slot): word(self.dice.choice((0, 1, 2**255))) for slot in range(3)},
        }
        return text(address), {name: kinds[name] for name in self.dice.sample(sorted(kinds), self.dice.randint(1, 3))}

    def call(self) -> Json:
        """A call without a price."""
        sender = self.dice.choice([*self.senders, self.dice.choice(self.contracts), POOR])
        is_rich = sender in self.senders
        call: Json = {
            "from": text(sender),
            "gas": hex(self.dice.choice((60_000, 150_000, 400_000, 2_000_000))),
            "value": hex(self.dice.choice((0, 1, 10**6) if is_rich or self.dice.random() < 0.05 else (0,))),
        }
        if self.creates and self.dice.random() < 0.15:
            return call | {"input": text(creation_of(self.programs.program()))}
        if self.dice.random() < 0.2:
            call["accessList"] = [{"address": text(self.dice.choice(self.contracts)), "storageKeys": [word(self.dice.randrange(3))]}]
        to = self.dice.choice([*self.contracts, *self.contracts, *ABSENT, *PRECOMPILES, self.senders[0]])
        return call | {"to": text(to), "input": text(self.programs.calldata())}


def text(data: bytes) -> str:
    """Bytes as the RPC has them."""
    return "0x" + data.hex()


def word(number: int) -> str:
    """A number as 32 bytes."""
    return f"0x{number:064x}"
