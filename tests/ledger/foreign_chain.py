"""A chain made by the executable specification of Ethereum that crosses every fork, and what the specification says of it.

Usage: `python -m tests.ledger.foreign_chain SEED FOLDER` writes the small chain that is committed in tests/ledger/vectors/every_fork.
"""

import json
import lzma
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from tests.ledger.oracle import ask, eels_python
from tests.ledger.program import ProgramWriter
from tests.ledger.transactions import REVERTER, REVERTER_CODE, Key, TransactionWriter, keys
from zerog._kernel import keccak256
from zerog.chain.protocol.system_contracts import SYSTEM_CONTRACTS

__all__ = ["GETTER", "BlockFacts", "Facts", "ForeignChain", "build", "load", "save"]

Json = dict[str, Any]
PROGRAM: Final = Path(__file__).parent / "eels" / "build_chain.py"
FORKS: Final = (
    ("frontier", ()),
    ("homestead", ("homesteadBlock",)),
    ("tangerine_whistle", ("eip150Block",)),
    ("spurious_dragon", ("eip155Block", "eip158Block")),
    ("byzantium", ("byzantiumBlock",)),
    ("constantinople", ("constantinopleBlock", "petersburgBlock")),
    ("istanbul", ("istanbulBlock",)),
    ("muir_glacier", ("muirGlacierBlock",)),
    ("berlin", ("berlinBlock",)),
    ("london", ("londonBlock",)),
    ("arrow_glacier", ("arrowGlacierBlock",)),
    ("gray_glacier", ("grayGlacierBlock",)),
    ("paris", ("mergeNetsplitBlock",)),
    ("shanghai", ("shanghaiTime",)),
    ("cancun", ("cancunTime",)),
    ("prague", ("pragueTime",)),
    ("osaka", ("osakaTime",)),
    ("bpo1", ("bpo1Time",)),
    ("bpo2", ("bpo2Time",)),
)
"""Forks as the specification names them, with what names their beginning in a genesis."""
NEWEST_KIND: Final = {"berlin": 1, "london": 2, "prague": 4}
"""Types of transactions by the fork that brought them."""
BLOB_SCHEDULE: Final = {
    "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
    "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
    "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
    "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193},
    "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671},
}
START_TIME: Final = 1_700_000_000
BLOCK_TIME_S: Final = 12
GAS_LIMIT: Final = 4_000_000
FUNDS_WEI: Final = 10**26
GETTER: Final = b"\x6e" * 20
GETTER_CODE: Final = bytes.fromhex("6000355460005260206000f3")
"""Returns the slot that its first argument names."""
COUNTER: Final = b"\xc0" * 20
COUNTER_CODE: Final = bytes.fromhex("6000546001018060005580600052602060006000a100")
"""Adds one to its slot 0, and logs."""


class Facts(msgspec.Struct, frozen=True):
    """What the specification says of a state."""

    accounts: dict[str, tuple[int, int, str]]
    """(nonce, balance in wei, hash of the code) by address."""
    slots: list[tuple[str, str, int]]


class ReceiptFacts(msgspec.Struct, frozen=True):
    """What the specification says of a transaction."""

    hash: str
    root: str | None
    succeeded: bool | None
    cumulative_gas_used: int
    logs: list[Json]


class BlockFacts(msgspec.Struct, frozen=True):
    """What the specification says of a block, and of the state after it."""

    number: int
    fork: str
    rlp: str
    hash: str
    state_root: str
    difficulty: int
    receipts: list[ReceiptFacts]
    facts: Facts | None = None


class ForeignChain(msgspec.Struct, frozen=True):
    """The genesis in geth's form, and the blocks in order."""

    genesis: Json
    genesis_hash: str
    blocks: list[BlockFacts]

    @property
    def rlp(self) -> bytes:
        """The blocks as a file of them."""
        return b"".join(bytes.fromhex(block.rlp[2:]) for block in self.blocks)


def build(seed: int, blocks_per_fork: int, transactions_max: int) -> ForeignChain:
    """Have the specification make a chain with so many blocks a fork, the transactions drawn by `seed`."""
    dice = Random(f"foreign chain {seed}")
    writer = Writer(dice, blocks_per_fork, transactions_max)
    genesis = genesis_document(dice, blocks_per_fork)
    process = subprocess.Popen([eels_python(), PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ask(process, {**genesis, "eels": [[name, 1 + index * blocks_per_fork] for index, (name, _) in enumerate(FORKS)]})
        begun = json.loads(answer(process))
        blocks = [writer.block(process, number) for number in range(1, len(FORKS) * blocks_per_fork + 1)]
    finally:
        process.communicate(timeout=30)
    genesis["config"]["terminalTotalDifficulty"] = int(genesis["difficulty"], 16) + sum(block.difficulty for block in blocks)
    return ForeignChain(genesis, begun["hash"], blocks)


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the specification stopped; its traceback stands on stderr"
    return line


def contracts() -> list[bytes]:
    return [keccak256(b"foreign contract %d" % index)[12:] for index in range(8)]


def senders() -> list[Key]:
    return keys("foreign sender", 6)


def genesis_document(dice: Random, blocks_per_fork: int) -> Json:
    """A genesis that begins with Frontier; its accounts hold programs for every fork."""
    config: Json = {"chainId": 31337, "blobSchedule": BLOB_SCHEDULE, "depositContractAddress": "0x" + "00" * 20}
    for index, (_, names) in enumerate(FORKS):
        first = 1 + index * blocks_per_fork
        config.update(dict.fromkeys(names, START_TIME + first * BLOCK_TIME_S if names and names[0].endswith("Time") else first))
    programs = ProgramWriter(
        dice, [*contracts(), *(key.address for key in senders()), *(bytes(19) + bytes([number]) for number in range(1, 18))]
    )
    alloc: Json = {hex_of(key.address): {"balance": hex(FUNDS_WEI)} for key in [*senders(), *keys("authority", 3), *keys("odd", 1)]}
    for address in contracts():
        alloc[hex_of(address)] = {"balance": "0x5", "nonce": "0x1", "code": hex_of(programs.program()), "storage": {word(1): word(7)}}
    own = {REVERTER: REVERTER_CODE, GETTER: GETTER_CODE, COUNTER: COUNTER_CODE}
    for address, code in [*SYSTEM_CONTRACTS.items(), *own.items()]:
        alloc[hex_of(address)] = {"balance": "0x0", "nonce": "0x1", "code": hex_of(code)}
    alloc[hex_of(GETTER)]["storage"] = {word(slot): word(slot * slot + 1) for slot in range(1, 5)}
    return {
        "config": config,
        "nonce": "0x42",
        "timestamp": hex(START_TIME),
        "extraData": hex_of(b"every fork"),
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": hex(0x20000),
        "mixHash": word(0),
        "coinbase": "0x" + "00" * 20,
        "alloc": alloc,
    }


class Writer:
    """Draws blocks and questions."""

    def __init__(self, dice: Random, blocks_per_fork: int, transactions_max: int) -> None:
        self.dice, self.blocks_per_fork, self.transactions_max = dice, blocks_per_fork, transactions_max

    def block(self, process: subprocess.Popen[str], number: int) -> BlockFacts:
        """Have a block made, and ask about the state after it."""
        fork = FORKS[(number - 1) // self.blocks_per_fork][0]
        ask(process, {"accounts": [hex_of(key.address) for key in [*senders(), *keys("authority", 3)]], "slots": []})
        known = msgspec.json.decode(answer(process), type=Facts)
        nonces = {bytes.fromhex(address[2:]): nonce for address, (nonce, _, _) in known.accounts.items()}
        ask(process, self.request(number, fork, nonces))
        block = msgspec.json.decode(answer(process), type=BlockFacts)
        touched = [*contracts(), COUNTER, GETTER, REVERTER, *(key.address for key in senders()), b"\xbe" * 20, b"\x5e" * 20]
        slots = [(hex_of(address), word(slot)) for address in [*contracts()[:4], COUNTER] for slot in range(3)]
        ask(process, {"accounts": [hex_of(address) for address in touched], "slots": slots})
        return msgspec.structs.replace(block, facts=msgspec.json.decode(answer(process), type=Facts))

    def request(self, number: int, fork: str, nonces: dict[bytes, int]) -> Json:
        names = [name for name, _ in FORKS[: [name for name, _ in FORKS].index(fork) + 1]]
        newest_kind = max((kind for name, kind in NEWEST_KIND.items() if name in names), default=0)
        targets = [*contracts(), *contracts(), *(key.address for key in senders()[:2]), bytes(19) + b"\x03", COUNTER]
        writer = TransactionWriter(
            self.dice, nonces.__getitem__, senders(), keys("authority", 3), contracts(), targets,
            newest_kind=newest_kind, replay_protected="spurious_dragon" in names,
        )  # fmt: skip
        transactions = [writer.sign(to=COUNTER, gas_limit=100_000), *writer.write(self.dice.randint(0, self.transactions_max))]
        return {
            "timestamp": START_TIME + number * BLOCK_TIME_S,
            "coinbase": hex_of(self.dice.choice((b"\xbe" * 20, contracts()[0], senders()[0].address))),
            "prev_randao": hex_of(self.dice.randbytes(32)),
            "extra_data": hex_of(self.dice.randbytes(self.dice.choice((0, 7, 32)))),
            "withdrawals": list(self.withdrawals(number)),
            "transactions": [hex_of(raw) for raw in transactions],
            "odd_key": hex_of(keys("odd", 1)[0].private_key),
            "blobs": self.dice.choice((1, 3, 6)),
            "blob_target": hex_of(COUNTER),
        }

    def withdrawals(self, number: int) -> Iterator[tuple[int, int, str, int]]:
        for index in range(self.dice.choice((0, 1, 3))):
            yield number * 10 + index, index, hex_of(self.dice.choice((b"\x5e" * 20, contracts()[1]))), self.dice.choice((0, 5, 10**9))


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


def word(number: int) -> str:
    return f"0x{number:064x}"


def save(chain: ForeignChain, folder: Path) -> None:
    """Write genesis.json, chain.rlp.xz and expected.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.json").write_text(json.dumps(chain.genesis, indent=1) + "\n", encoding="utf-8")
    (folder / "chain.rlp.xz").write_bytes(lzma.compress(chain.rlp))
    blocks = [msgspec.structs.replace(block, rlp="") for block in chain.blocks]
    (folder / "expected.json").write_bytes(msgspec.json.encode(ForeignChain({}, chain.genesis_hash, blocks)) + b"\n")


def load(folder: Path) -> ForeignChain:
    """What `save` wrote; the blocks' bytes stay in their file."""
    expected = msgspec.json.decode((folder / "expected.json").read_bytes(), type=ForeignChain)
    return msgspec.structs.replace(expected, genesis=json.loads((folder / "genesis.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    save(build(int(sys.argv[1]), blocks_per_fork=2, transactions_max=3), Path(sys.argv[2]))
