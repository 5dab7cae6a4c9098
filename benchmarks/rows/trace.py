"""A trace of calls of a transaction that runs long: the node executes it again, step by step, and reports one call."""

import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError, rpc_body
from benchmarks.measurements import fund
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_call, transaction_hashes

__all__ = ["trace"]

LOOP_ADDRESS: Final = "0x" + "71" * 20
LOOP_CODE: Final = "0x5b6127105a1160005700"
"""JUMPDEST PUSH2 10000 GAS GT PUSH1 0 JUMPI STOP: again and again while more than 10,000 gas is left."""
TRANSACTION_GAS: Final = 5_000_000
GAS_USED_MIN: Final = TRANSACTION_GAS - 20_000
TRACES: Final = 15


@dataclass(frozen=True, slots=True)
class Traces:
    """Milliseconds of each trace after the first, from the request to the last byte of the answer."""

    gas_used: int
    milliseconds: list[float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.milliseconds)


def trace(bench: Bench) -> None:
    """`debug_traceTransaction` with the callTracer."""
    ours, theirs = bench.both(measure)
    bench.details["trace"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
    what = "debug_traceTransaction, callTracer, 5 M gas"
    note = f"median of {TRACES}, the best {min(ours.milliseconds):.2f} ms and anvil's {min(theirs.milliseconds):.2f} ms"
    bench.rows.append(Row(what, "ms", ours.median_ms, theirs.median_ms, "≤ anvil", ours.median_ms <= theirs.median_ms, note))


def measure(node: Node) -> Traces:
    """Trace the same transaction again and again on one connection."""
    with node.connect() as connection:
        caller = sender(0)
        fund(connection, [caller])
        connection.call("anvil_setCode", LOOP_ADDRESS, LOOP_CODE)
        signed = sign_call(caller, nonce=0, to=bytes.fromhex(LOOP_ADDRESS[2:]), gas_limit=TRANSACTION_GAS)
        connection.call("eth_sendRawTransaction", "0x" + signed.hex())
        (transaction_hash,) = transaction_hashes([signed])
        connection.wait_for_receipt(transaction_hash)
        request = connection.prepare(rpc_body("debug_traceTransaction", transaction_hash, {"tracer": "callTracer"}))
        gas_used = gas_used_by(connection.send(request))
        milliseconds = []
        for _ in range(TRACES):
            started = time.perf_counter()
            connection.send(request)
            milliseconds.append((time.perf_counter() - started) * 1e3)
    return Traces(gas_used, milliseconds)


def gas_used_by(answer: bytes) -> int:
    """Gas of the call in a trace, which must be nearly all that the transaction had."""
    frame = json.loads(answer).get("result", {})
    if frame.get("type") != "CALL" or int(frame["gasUsed"], 16) < GAS_USED_MIN:
        raise RpcFailedError(f"the trace is not one of a long call: {answer[:300]!r}")
    return int(frame["gasUsed"], 16)
