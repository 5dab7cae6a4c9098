"""Random blocks and the developer edits between them, drawn from one seed: the same seed on the same state gives the same steps."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from tests.ledger import in_turn
from tests.ledger.program import ProgramWriter
from tests.ledger.transactions import Key, TransactionWriter, keys
from zerog._kernel import BlockEnv, Ledger, keccak256
from zerog.chain.protocol.fees import next_base_fee
from zerog.chain.protocol.genesis import Hardfork, genesis_document
from zerog.chain.protocol.system_contracts import BEACON_ROOTS, CONSOLIDATION_REQUESTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS
from zerog.networks import load

__all__ = ["Block", "Edit", "Scenario", "apply_edit", "block_env", "genesis_json"]

GAS_LIMIT: Final = 1_500_000
"""Small, so that the base fee moves both ways."""
FUNDS_WEI: Final = 10**24
SENDERS: Final = 12
AUTHORITIES: Final = 5
CONTRACTS: Final = 16
ABSENT: Final = tuple(bytes([0xAB]) * 19 + bytes([index]) for index in range(4))
P256_VERIFY: Final = (0x100).to_bytes(20, "big")
PRECOMPILES: Final = (*(bytes(19) + bytes([index]) for index in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 17)), P256_VERIFY)
DELEGATION: Final = b"\xef\x01\x00"
"""What the code of a delegated account begins with. Source: EIP-7702."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A developer's change of state between two blocks."""

    kind: Literal["balance", "nonce", "code", "storage"]
    address: bytes
    value: int | bytes
    slot: bytes = b""


@dataclass(frozen=True, slots=True)
class Block:
    """What a producer hands to the ledger."""

    timestamp: int
    base_fee_per_gas: int
    beneficiary: bytes
    prev_randao: bytes
    extra_data: bytes
    parent_beacon_block_root: bytes
    withdrawals: tuple[tuple[int, int, bytes, int], ...]
    transactions: tuple[bytes, ...]
    gas_limit: int = GAS_LIMIT


Step = Edit | Block


def block_env(block: Block) -> BlockEnv:
    """The kernel's form of a block's environment."""
    return BlockEnv(
        timestamp=block.timestamp,
        gas_limit=block.gas_limit,
        base_fee_per_gas=block.base_fee_per_gas,
        beneficiary=block.beneficiary,
        prev_randao=block.prev_randao,
        extra_data=block.extra_data,
        parent_beacon_block_root=block.parent_beacon_block_root,
        withdrawals=block.withdrawals,
    )


def apply_edit(ledger: Ledger, edit: Edit) -> None:
    """Make an edit on the newest block."""
    match edit:
        case Edit("balance", address, int(value)):
            ledger.set_balance(address, value)
        case Edit("nonce", address, int(value)):
            ledger.set_nonce(address, value)
        case Edit("code", address, bytes(value)):
            ledger.set_code(address, value)
        case Edit("storage", address, bytes(value), slot):
            ledger.set_storage(address, slot, value)
        case _:
            raise TypeError(edit)


def genesis_json(seed: int, hardfork: Hardfork = "prague", gas_limit: int = GAS_LIMIT) -> bytes:
    """The local network's genesis under these rules, with funded senders and random contracts in it."""
    document = json.loads(genesis_document(load("local"), hardfork, (), {}))
    document["gasLimit"] = hex(gas_limit)
    dice = Random(f"genesis {seed}")
    addresses = contract_addresses()
    writer = ProgramWriter(dice, [*addresses, *ABSENT, *PRECOMPILES, *(key.address for key in keys("sender", SENDERS))])
    for key in [*keys("sender", SENDERS), *keys("authority", AUTHORITIES), in_turn.LENDER]:
        document["alloc"]["0x" + key.address.hex()] = {"balance": hex(FUNDS_WEI)}
    for address, code in in_turn.CONTRACTS.items():
        document["alloc"]["0x" + address.hex()] = {"balance": "0x0", "nonce": "0x1", "code": "0x" + code.hex()}
    for address in addresses:
        document["alloc"]["0x" + address.hex()] = {
            "balance": hex(dice.choice((0, 1, 10**6, 10**18))),
            "nonce": "0x1",
            "code": "0x" + writer.program().hex(),
            "storage": {f"0x{slot:064x}": f"0x{dice.choice((1, 2, dice.getrandbits(256) | 1)):064x}" for slot in range(dice.randrange(5))},
        }
    return json.dumps(document).encode()


def contract_addresses() -> list[bytes]:
    return [keccak256(b"zerog test contract %d" % index)[12:] for index in range(CONTRACTS)]


@dataclass(slots=True)
class Scenario:
    """Draws steps for the newest state of `ledger`; the caller carries each out before it asks for the next block's."""

    seed: int
    ledger: Ledger
    edits: bool = True
    dice: Random = field(init=False)
    senders: list[Key] = field(init=False)
    authorities: list[Key] = field(init=False)
    contracts: list[bytes] = field(init=False)
    withdrawal_index: int = field(init=False, default=0)
    turns: dict[bytes, str] = field(init=False, default_factory=dict)
    """Which turn a transaction was written for, by its hash."""

    def __post_init__(self) -> None:
        self.dice = Random(f"scenario {self.seed}")
        self.senders = keys("sender", SENDERS)
        self.authorities = [*keys("authority", AUTHORITIES), *self.senders[:3]]
        self.contracts = contract_addresses()

    def next_edits(self) -> list[Edit]:
        """Edits before the next block: none, mostly."""
        if not self.edits or self.dice.random() < 0.8:
            return []
        return [self.edit() for _ in range(self.dice.randint(1, 4))]

    def next_block(self) -> Block:
        """A block on top of the newest one."""
        head = self.ledger.head()
        if head.number % 25 == 0:
            self.find_contracts()
        writer = self.transaction_writer()
        turn, transactions = in_turn.in_turn(head.number + 1, writer)
        self.turns.update((keccak256(raw), turn) for raw in transactions)
        transactions += writer.write(self.dice.choice((1, 1, 2, 3, 4, 6, 9, 14, 14)) if transactions else 0)
        return Block(
            timestamp=head.timestamp + self.dice.randint(1, 20),
            base_fee_per_gas=next_base_fee(head.base_fee_per_gas, head.gas_used, head.gas_limit),
            beneficiary=self.dice.choice((bytes(20), b"\xbe" * 20, self.senders[0].address, self.dice.choice(self.contracts), ABSENT[0])),
            prev_randao=self.dice.randbytes(32),
            extra_data=self.dice.randbytes(self.dice.choice((0, 5, 32))),
            parent_beacon_block_root=self.dice.randbytes(32),
            withdrawals=tuple(self.withdrawals()),
            transactions=tuple(transactions),
        )

    def find_contracts(self) -> None:
        """Learn which contracts there are by now, without those that draws leave alone."""
        accounts = self.ledger.accounts(limit=5000)
        coded = (address for address, _, _, code, _ in accounts if code and not code.startswith(DELEGATION))
        found = [address for address in coded if address not in in_turn.CONTRACTS]
        self.contracts = [*contract_addresses(), *found[-40:]]

    def withdrawals(self) -> Iterator[tuple[int, int, bytes, int]]:
        for _ in range(self.dice.choice((0, 0, 0, 1, 3))):
            yield (
                self.withdrawal_index,
                self.dice.randrange(100),
                self.dice.choice([*ABSENT, *self.contracts]),
                self.dice.choice((0, 1, 10**9)),
            )
            self.withdrawal_index += 1

    def edit(self) -> Edit:
        address = self.dice.choice([*self.contracts, self.senders[-1].address, *ABSENT[2:]])
        contract = self.dice.choice(contract_addresses())
        match self.dice.randrange(5):
            case 0 | 1:
                return Edit("balance", address, self.dice.choice((0, 1, FUNDS_WEI)))
            case 2:
                return Edit("nonce", address, self.ledger.nonce(address) + self.dice.randint(1, 3))
            case 3:
                return Edit("code", contract, ProgramWriter(self.dice, self.targets()).program())
            case _:
                slot = self.dice.randrange(6).to_bytes(32, "big")
                return Edit("storage", contract, self.dice.choice((bytes(32), self.dice.randbytes(32))), slot)

    def transaction_writer(self) -> TransactionWriter:
        return TransactionWriter(self.dice, self.ledger.nonce, self.senders, self.authorities, self.contracts, self.targets())

    def targets(self) -> list[bytes]:
        """Addresses worth touching, contracts more than others."""
        signers = [key.address for key in [*self.senders[:3], *self.authorities]]
        system = [BEACON_ROOTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS]
        return [*self.contracts, *self.contracts, *signers, *PRECOMPILES, *ABSENT, *system]
