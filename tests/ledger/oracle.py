"""The executable specification of Ethereum beside our ledger: hands it the same blocks and names every difference."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.ledger.scenario import Block, Edit
from zerog._kernel import Ledger
from zerog.chain.protocol.genesis import Hardfork

__all__ = ["BlockResult", "Oracle", "ask", "differences", "eels_python", "ledger_result", "oracle"]

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = Path(__file__).parent / "eels" / "execute_blocks.py"
END_LIMIT_S: Final = 30.0


class Log(msgspec.Struct, frozen=True):
    """One log of a transaction."""

    address: str
    topics: tuple[str, ...]
    data: str


class TransactionResult(msgspec.Struct, frozen=True):
    """What a transaction did."""

    hash: str
    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]


class BlockResult(msgspec.Struct, frozen=True):
    """What a block did: the header's fields that follow from it, and its transactions."""

    hash: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    gas_used: int
    requests_hash: str
    withdrawals_root: str
    transactions: tuple[TransactionResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Oracle:
    """A running specification; `genesis` is what it made of the genesis."""

    process: subprocess.Popen[str]
    genesis: BlockResult

    def execute(self, edits: Sequence[Edit], block: Block, included: Sequence[bytes]) -> BlockResult:
        """Apply the edits and a block with exactly the `included` transactions. Raises `AssertionError` for a block it finds invalid."""
        fields = {key: wire(value) for key, value in asdict(block).items() if key != "transactions"}
        ask(self.process, {**fields, "edits": [edit_json(edit) for edit in edits], "transactions": wire(included)})
        return read_answer(self.process)


def eels_python() -> str:
    """The interpreter of the environment that holds the specification."""
    return os.environ.get("ZEROG_EELS_PYTHON", str(ROOT / ".venv-eels" / "bin" / "python"))


@contextmanager
def oracle(genesis: bytes, hardfork: Hardfork = "prague") -> Iterator[Oracle]:
    """Start the specification on this genesis, under these rules."""
    process = subprocess.Popen([eels_python(), PROGRAM, hardfork], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ask(process, json.loads(genesis))
        yield Oracle(process, read_answer(process))
    finally:
        process.communicate(timeout=END_LIMIT_S)


def ask(process: subprocess.Popen[str], document: Mapping[str, object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(document) + "\n")
    process.stdin.flush()


def read_answer(process: subprocess.Popen[str]) -> BlockResult:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the specification refused the block; its traceback stands on stderr"
    return msgspec.json.decode(line, type=BlockResult)


def wire(value: object) -> object:
    """Byte strings as hex, in whatever they stand."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def edit_json(edit: Edit) -> dict[str, object]:
    value = "0x" + edit.value.hex() if isinstance(edit.value, bytes) else edit.value
    return {"kind": edit.kind, "address": wire(edit.address), "value": value, "slot": wire(edit.slot)}


class RpcBlock(msgspec.Struct, rename="camel"):
    """The fields of an RPC block object that are compared."""

    hash: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    gas_used: str
    requests_hash: str
    withdrawals_root: str


class RpcReceipt(msgspec.Struct, rename="camel"):
    """The fields of an RPC receipt that are compared."""

    transaction_hash: str
    status: str
    gas_used: str
    logs: tuple[Log, ...]


def ledger_result(ledger: Ledger, number: int) -> BlockResult:
    """What our ledger says of one of its blocks."""
    block_json, receipts_json = ledger.block_json(number, False), ledger.receipts_json(number)
    assert block_json is not None
    assert receipts_json is not None
    block = msgspec.json.decode(block_json, type=RpcBlock)
    receipts = msgspec.json.decode(receipts_json, type=list[RpcReceipt])
    return BlockResult(
        hash=block.hash,
        state_root=block.state_root,
        transactions_root=block.transactions_root,
        receipts_root=block.receipts_root,
        logs_bloom=block.logs_bloom,
        gas_used=int(block.gas_used, 16),
        requests_hash=block.requests_hash,
        withdrawals_root=block.withdrawals_root,
        transactions=tuple(
            TransactionResult(receipt.transaction_hash, receipt.status == "0x1", int(receipt.gas_used, 16), receipt.logs)
            for receipt in receipts
        ),
    )


def differences(ours: BlockResult, theirs: BlockResult) -> list[str]:
    """Each field in which two results differ, in words; the smallest things first."""
    found = []
    if len(ours.transactions) != len(theirs.transactions):
        found.append(f"{len(ours.transactions)} transactions, not {len(theirs.transactions)}")
    for index, (our, their) in enumerate(zip(ours.transactions, theirs.transactions, strict=False)):
        found += [f"transaction {index} ({their.hash}): {text}" for text in field_differences(our, their)]
    return found + field_differences(ours, theirs)


def field_differences(ours: msgspec.Struct, theirs: msgspec.Struct) -> list[str]:
    return [
        f"{name} is {getattr(ours, name)}, not {getattr(theirs, name)}"
        for name in ours.__struct_fields__
        if name != "transactions" and getattr(ours, name) != getattr(theirs, name)
    ]
