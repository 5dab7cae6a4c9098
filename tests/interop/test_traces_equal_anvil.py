"""Traces of random transactions are those that anvil makes of the same transactions in the same blocks, but for its known faults."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.interop.against_anvil import running_anvil
from tests.ledger import program
from tests.ledger.counts import LONG, commit_seed
from tests.ledger.in_turn import HISTORY_READER
from tests.ledger.results import record
from tests.ledger.scenario import GAS_LIMIT, Block, Scenario, genesis_json
from zerog._kernel import BlockEnv, Ledger, decode_transaction, keccak256
from zerog.chain.protocol.system_contracts import BEACON_ROOTS, CONSOLIDATION_REQUESTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS

TRANSACTIONS = 500 if LONG else 100
SYSTEM_CONTRACTS: Final = {"0x" + address.hex() for address in (BEACON_ROOTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS)}
LEFT_OUT: Final = SYSTEM_CONTRACTS | {"0x" + HISTORY_READER.hex()}
"""Whoever calls these sees another chain."""
TRACERS: Final[dict[str, dict[str, Any]]] = {
    "callTracer": {"tracer": "callTracer"},
    "callTracer withLog": {"tracer": "callTracer", "tracerConfig": {"withLog": True}},
    "callTracer onlyTopCall": {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}},
    "prestateTracer": {"tracer": "prestateTracer"},
    "prestateTracer diffMode": {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}},
}

FAULTS: Final = {
    "root gas": "callTracer gives the gas limit of the transaction without its intrinsic gas, where geth gives the limit",
    "root gasUsed": "callTracer gives the cumulative gas of the block's receipts, where geth gives the gas of this one",
    "self-destructions": "callTracer with onlyTopCall has the self-destruction of the top call, which in geth is a call of its own",
    "empty members": "the struct logger writes what is empty or 0, where geth leaves it out (eth/tracers/logger)",
    "opcodes": "the struct logger names none that is not defined, where geth gives its number (core/vm/opcodes.go)",
    "refunds": "the struct logger counts them anew in each call, where geth gives those of the transaction (core/state/statedb.go)",
    "errors": "all give a library's names of errors, where geth gives its own words (core/vm/errors.go)",
    "empty accounts": "prestateTracer names accounts that did not exist, where geth does not (eth/tracers/native/prestate.go)",
}
"""What anvil 1.7.1 does otherwise than geth; each is undone below before its answer is compared."""

GETH_WORDS: Final = {
    "StackUnderflow": "stack underflow",
    "NotActivated": "invalid opcode",
    "OpcodeNotFound": "invalid opcode",
    "OutOfOffset": "return data out of bounds",
    "CreateContractStartingWithEF": "invalid code: must not begin with 0xef",
    "StateChangeDuringStaticCall": "write protection",
    "CallNotAllowedInsideStatic": "write protection",
    "OutOfFunds": "insufficient balance for transfer",
    "CreateCollision": "contract address collision",
    "Out of stack": "stack limit reached 1024 (1023)",
    "StackOverflow": "stack limit reached 1024 (1023)",
}


@dataclass
class Anvil:
    """An anvil that mines when it is told to."""

    url: str
    http: httpx.Client
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def post(self, method: str, *params: object) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": list(params)}
        answer: dict[str, Any] = self.http.post(self.url, json=body, timeout=30).json()
        return answer

    def rpc(self, method: str, *params: object) -> Any:
        answer = self.post(method, *params)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def mine(self, block: Block) -> dict[str, Any]:
        """Make a block as near to this one as it can be; returns it."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(block.base_fee_per_gas))
        self.rpc("evm_setNextBlockTimestamp", block.timestamp)
        self.rpc("anvil_setCoinbase", "0x" + block.beneficiary.hex())
        for raw in block.transactions:
            self.post("eth_sendRawTransaction", "0x" + raw.hex())  # Some can be in no block, and are refused.
        self.rpc("evm_mine")
        self.rpc("anvil_dropAllTransactions")
        mined: dict[str, Any] = self.rpc("eth_getBlockByNumber", "latest", False)
        return mined


Compare = Callable[[Ledger, Anvil, bytes], None]
"""Compares what the two say of a transaction, by its hash."""


@contextmanager
def anvil(genesis: bytes, *extra: str) -> Iterator[Anvil]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genesis.json"
        path.write_bytes(genesis)
        arguments = ("--init", str(path), "--no-mining", "--gas-limit", str(GAS_LIMIT), "--order", "fifo", *extra)
        with running_anvil(*arguments) as url, httpx.Client() as http:
            yield Anvil(url, http)


def commit_as(ledger: Ledger, mined: dict[str, Any], block: Block) -> list[bytes]:
    """Make the same block in our ledger; returns the hashes of its transactions."""
    raws = {"0x" + keccak256(raw).hex(): raw for raw in block.transactions}

    def number(name: str) -> int:
        return int(mined[name], 16)

    def data(name: str) -> bytes:
        return bytes.fromhex(mined[name][2:])

    env = BlockEnv(
        timestamp=number("timestamp"),
        gas_limit=number("gasLimit"),
        base_fee_per_gas=number("baseFeePerGas"),
        beneficiary=data("miner"),
        prev_randao=data("mixHash"),
        extra_data=data("extraData"),
        parent_beacon_block_root=data("parentBeaconBlockRoot"),
        excess_blob_gas=number("excessBlobGas"),
    )
    executed = ledger.execute(env, [raws[transaction_hash] for transaction_hash in mined["transactions"]])
    assert executed.dropped == []
    ledger.commit(executed)
    return executed.included


def without_faults(tracer: str, theirs: Any, receipt: dict[str, Any], gas_limit: str) -> Any:
    """Anvil's trace as it would be without `FAULTS`."""
    if tracer.startswith("callTracer"):
        for frame in frames_of(theirs):
            if error := frame.get("error"):
                frame["error"] = "out of gas" if error.startswith("out of gas") else GETH_WORDS.get(error, error)
        right = theirs | {"gas": gas_limit, "gasUsed": receipt["gasUsed"]}
        if tracer == "callTracer onlyTopCall":
            right.pop("calls", None)
        return right
    if tracer == "prestateTracer":
        return {
            address: account
            for address, account in theirs.items()
            if "nonce" in account or "code" in account or account["balance"] != "0x0"
        }
    return theirs


def difference(ours: Any, theirs: Any, path: str = "") -> str:
    """Where two traces differ first; nothing where they do not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        pairs = [(f"{path}.{name}", ours.get(name), theirs.get(name)) for name in {**ours, **theirs}]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return "" if ours == theirs else f"{path}: we say {ours!r}, anvil says {theirs!r}"
    return next((found for where, one, other in pairs if (found := difference(one, other, where))), "")


def trace(ledger: Ledger, transaction_hash: bytes, options: dict[str, Any]) -> Any:
    return json.loads(ledger.trace_transaction(transaction_hash, json.dumps(options).encode()))


def is_apart(ledger: Ledger, transaction_hash: bytes, frames: list[Any]) -> bool:
    """Whether a transaction sees what differs between the chains.

    Anvil's first block has an empty state root, so all hashes of blocks differ, and it calls no system contracts around a block.
    """
    if any(frame.get("to") in SYSTEM_CONTRACTS and "error" not in frame for frame in frames):
        return True
    steps = trace(ledger, transaction_hash, {"disableStack": True, "disableStorage": True})["structLogs"]
    return any(step["op"] == "BLOCKHASH" for step in steps)


def without_system_calls(block: Block) -> Block:
    """The block without transactions to system contracts, and to the one that does nothing else than call them."""
    kept = (raw for raw in block.transactions if "0x" + (decode_transaction(raw).to or b"").hex() not in LEFT_OUT)
    return replace(block, transactions=tuple(kept))


def compare_round(seed: int, most: int, compare: Compare, *arguments: str) -> list[Any]:
    """Compare traces on a chain of its own until there are enough, or the chains part; returns the calls of those compared."""
    genesis = genesis_json(seed)
    ledger = Ledger.open(None, genesis)
    scenario = Scenario(seed, ledger, edits=False)
    compared: list[Any] = []
    with anvil(genesis, *arguments) as peer:
        while len(compared) < most:
            block = without_system_calls(scenario.next_block())
            for transaction_hash in commit_as(ledger, peer.mine(block), block):
                calls = trace(ledger, transaction_hash, TRACERS["callTracer withLog"])
                if is_apart(ledger, transaction_hash, list(frames_of(calls))):
                    return compared
                compare(ledger, peer, transaction_hash)
                compared.append(calls)
    return compared


def compare_tracers(ledger: Ledger, peer: Anvil, transaction_hash: bytes) -> None:
    name = "0x" + transaction_hash.hex()
    receipt = json.loads(ledger.receipt_json(transaction_hash) or b"")
    gas_limit = json.loads(ledger.transaction_json(transaction_hash) or b"")["gas"]
    for tracer, options in TRACERS.items():
        ours = trace(ledger, transaction_hash, options)
        theirs = without_faults(tracer, peer.rpc("debug_traceTransaction", name, options), receipt, gas_limit)
        assert not (found := difference(ours, theirs, tracer)), f"{name}: {found}"


def compare_steps(ledger: Ledger, peer: Anvil, transaction_hash: bytes) -> None:
    """Each step of the struct logger. One that fails tells why in other words, and is compared up to there.

    Of storage anvil lists only what a step warmed or changed, so a slot that was warm already (an access list, an earlier frame) is missing
    there; geth lists every slot that a contract has read or written. Compared is what anvil lists, and once a store has failed, of which
    anvil forgets some and never corrects others, the slot that a step uses, with the value on anvil's stack.
    """
    options = {"enableMemory": True, "enableReturnData": True}
    empty = {"refund": 0, "returnData": "0x", "memory": []}
    name = "0x" + transaction_hash.hex()
    ours, theirs = trace(ledger, transaction_hash, options), peer.rpc("debug_traceTransaction", name, options)
    assert (ours["failed"], ours["returnValue"]) == (theirs["failed"], theirs["returnValue"])
    assert len(ours["structLogs"]) == len(theirs["structLogs"])
    has_failed = False
    for index, (one, other) in enumerate(zip(ours["structLogs"], theirs["structLogs"], strict=True)):
        listed = used_slot(theirs["structLogs"], index) if has_failed else other.get("storage", {})
        has_failed |= other["op"] == "SSTORE" and "error" in other
        one["storage"], other["storage"] = {slot: value for slot, value in one.get("storage", {}).items() if slot in listed}, listed
        members = {"pc", "op", "gas", "depth", "stack"} if "error" in other else {*one, *other}
        members -= {"op"} if other["op"] == "Unknown" else set()
        members -= {"refund"} if other["depth"] > 1 else set()
        first, second = (
            {member: it[member] for member in members if member in it and it[member] != empty.get(member)} for it in (one, other)
        )
        assert not (found := difference(first, second, f"structLogs[{index}]")), f"{name}: {found}"


def used_slot(steps: list[dict[str, Any]], index: int) -> dict[str, str]:
    """The slot that a step loads or stores, and its value: that of a load lies on the stack of the step after it."""
    step = steps[index]
    if step["op"] not in ("SLOAD", "SSTORE") or "error" in step:
        return {}
    value = steps[index + 1]["stack"][-1] if step["op"] == "SLOAD" else step["stack"][-2]
    return {f"{int(step['stack'][-1], 16):#066x}": f"{int(value, 16):#066x}"}


def compare_all(monkeypatch: pytest.MonkeyPatch, transactions: int, compare: Compare, *arguments: str) -> list[Any]:
    """Compare so many transactions, on as many chains as that takes."""
    monkeypatch.setattr(program, "ONE_OPERAND", bytes(opcode for opcode in program.ONE_OPERAND if opcode not in program.BLOCK_READS))
    seed = commit_seed()
    print(f"seed {seed}")
    compared: list[Any] = []
    rounds = count(seed)
    while len(compared) < transactions:
        compared += compare_round(next(rounds), transactions - len(compared), compare, *arguments)
    return compared


@pytest.mark.timeout(600 if LONG else 120)
def test_steps_equal_those_of_anvil(monkeypatch: pytest.MonkeyPatch) -> None:
    compare_all(monkeypatch, TRANSACTIONS // 5, compare_steps, "--steps-tracing")


@pytest.mark.timeout(600 if LONG else 120)
def test_traces_equal_those_of_anvil(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = compare_all(monkeypatch, TRANSACTIONS, compare_tracers)
    require_variety(compared)
    record("traces_equal_to_anvil", seed=commit_seed(), transactions=len(compared), traces=len(compared) * len(TRACERS))


def require_variety(traces: list[Any]) -> None:
    """The transactions did something: calls of every kind at some depth, creations, logs, reverts and other failures."""
    frames = [frame for trace in traces for frame in frames_of(trace)]
    kinds = {frame["type"] for frame in frames}
    assert {"CALL", "DELEGATECALL", "CREATE"} | ({"CALLCODE", "STATICCALL", "CREATE2", "SELFDESTRUCT"} if LONG else set()) <= kinds
    assert {"execution reverted", "invalid opcode"} <= {frame.get("error") for frame in frames}
    assert any(frame.get("logs") for frame in frames)


def frames_of(frame: Any) -> Iterator[Any]:
    yield frame
    for inner in frame.get("calls", ()):
        yield from frames_of(inner)
