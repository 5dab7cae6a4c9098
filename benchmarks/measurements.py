"""What is measured on a running node, the same for both: each function drives one node and returns its figures."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.connection import Connection, RpcFailedError, rpc_body
from benchmarks.nodes import Node
from benchmarks.transfers import FUNDS_WEI, Sender, sign_transfers, transaction_hashes

__all__ = ["Flow", "Reads", "block_number", "drive", "fund", "measure_batches", "measure_one_by_one", "measure_reads"]

STALL_S: Final = 5.0
"""A node that includes nothing more for this long has stalled: what it included until then is its figure."""
POLL_S: Final = 0.001
RECEIPTS_A_BATCH: Final = 100
TOKEN_ADDRESS: Final = "0x" + "70" * 20
TOKEN_CODE: Final = "0x6004355f525f60205260405f20545f5260205ff3"
"""Answers the word at keccak256(first argument ‖ 0), as a token's `balanceOf` does."""
BALANCE_OF: Final = "0x70a08231"


@dataclass(frozen=True, slots=True)
class Flow:
    """How a node took a flow of transactions. Seconds run from the first byte sent until the last receipt was readable."""

    sent: int
    included: int
    seconds: float
    accept_seconds: float
    """Until the last request was answered, whether or not its transaction ever came into a block."""
    blocks: int
    written_bytes: int
    processor_seconds: float
    """Of the node, on all cores together."""
    request_ms_p50: float
    request_ms_p95: float
    request_ms_p99: float

    @property
    def per_second(self) -> float:
        return self.included / self.seconds

    @property
    def accepted_per_second(self) -> float:
        return self.sent / self.accept_seconds

    @property
    def stalled(self) -> bool:
        return self.included < self.sent


@dataclass(frozen=True, slots=True)
class Reads:
    """Answers a second to each kind of read and to the three in turn."""

    block_number: float
    balance: float
    call: float
    mixed: float


@dataclass(frozen=True, slots=True)
class Before:
    """A node's counters when a measurement began."""

    block: int
    written_bytes: int
    processor_seconds: float


def fund(connection: Connection, senders: Sequence[Sender]) -> None:
    """Give the senders money by a developer edit and fold it into a block."""
    connection.call_many([("anvil_setBalance", ["0x" + each.address.hex(), hex(FUNDS_WEI)]) for each in senders])
    connection.call("anvil_mine", "0x1")


def measure_one_by_one(node: Node, senders: Sequence[Sender], count: int) -> Flow:
    """Send `count` transfers, one a request, on one connection."""
    signed = sign_transfers(senders, count)
    bodies = [rpc_body("eth_sendRawTransaction", "0x" + raw.hex()) for raw in signed]
    return drive(node, senders, bodies, signed)


def measure_batches(node: Node, senders: Sequence[Sender], count: int, batch: int) -> Flow:
    """Send `count` transfers in batches on one connection."""
    signed = sign_transfers(senders, count)
    calls = [rpc_body("eth_sendRawTransaction", "0x" + raw.hex(), request_id=index) for index, raw in enumerate(signed)]
    bodies = [b"[" + b",".join(calls[first : first + batch]) + b"]" for first in range(0, count, batch)]
    return drive(node, senders, bodies, signed)


def drive(node: Node, senders: Sequence[Sender], bodies: Sequence[bytes], signed: Sequence[bytes]) -> Flow:
    """Send the bodies one after another, wait for the last receipts, and count what came of it."""
    with node.connect() as connection:
        fund(connection, senders)
        requests = [connection.prepare(body) for body in bodies]
        last_hashes = transaction_hashes(signed[-len(senders) :])
        before = Before(block_number(connection), node.written_bytes(), node.processor_seconds())
        durations, answers, hangs_since = [], [], None
        started = time.perf_counter()
        for request in requests:
            sent_at = time.perf_counter()
            try:
                answers.append(connection.send(request))
            except TimeoutError:
                hangs_since = sent_at  # A stall as well: it has what it included until then.
                break
            durations.append(time.perf_counter() - sent_at)
        answered = hangs_since or time.perf_counter()
    require_accepted(answers)
    with node.connect() as connection:
        ended, included = wait_for_receipts(connection, senders, last_hashes, len(signed))
        ended = hangs_since or ended
        cuts = statistics.quantiles(durations, n=100)
        flow = Flow(
            sent=len(signed),
            included=included,
            seconds=ended - started,
            accept_seconds=answered - started,
            blocks=block_number(connection) - before.block,
            written_bytes=node.written_bytes() - before.written_bytes,
            processor_seconds=node.processor_seconds() - before.processor_seconds,
            request_ms_p50=cuts[49] * 1e3,
            request_ms_p95=cuts[94] * 1e3,
            request_ms_p99=cuts[98] * 1e3,
        )
        if not flow.stalled:
            require_all_receipts(connection, signed)
        return flow


def wait_for_receipts(connection: Connection, senders: Sequence[Sender], last_hashes: Sequence[str], sent: int) -> tuple[float, int]:
    """When the last receipt was readable and how many transactions are in blocks; for a node that stalls, when it last moved."""
    included, moved_at = -1, time.perf_counter()
    while True:
        receipts = connection.call_many([("eth_getTransactionReceipt", [each]) for each in last_hashes])
        now = time.perf_counter()
        if all(receipts):
            return now, sent
        nonces = connection.call_many([("eth_getTransactionCount", ["0x" + each.address.hex(), "latest"]) for each in senders])
        total = sum(int(str(nonce), 16) for nonce in nonces)
        if total > included:
            included, moved_at = total, now
        elif now - moved_at > STALL_S:
            return moved_at, included
        time.sleep(POLL_S)  # noqa: TID251 - a foreign node tells nobody when it is done.


def require_accepted(answers: Sequence[bytes]) -> None:
    """No answer is an error: what a node refuses it cannot be slow at."""
    refused = [answer for answer in answers if b'"error"' in answer]
    if refused:
        raise RpcFailedError(f"{len(refused)} of {len(answers)} requests were refused, first: {refused[0][:300]!r}")


def require_all_receipts(connection: Connection, signed: Sequence[bytes]) -> None:
    """Outside the measured time: each transaction has a receipt that says success."""
    hashes = transaction_hashes(signed)
    for first in range(0, len(hashes), RECEIPTS_A_BATCH):
        receipts = connection.call_many([("eth_getTransactionReceipt", [each]) for each in hashes[first : first + RECEIPTS_A_BATCH]])
        for receipt in receipts:
            if not isinstance(receipt, dict) or receipt["status"] != "0x1":
                raise RpcFailedError(f"a transfer has the receipt {receipt}")


def measure_reads(node: Node, account: Sender, count: int) -> Reads:
    """Ask `count` times each, one by one on one connection: a block number, a balance, a token-like call, and the three in turn."""
    with node.connect() as connection:
        fund(connection, [account])
        connection.call("anvil_setCode", TOKEN_ADDRESS, TOKEN_CODE)
        holder = account.address.hex().rjust(64, "0")
        bodies = [
            rpc_body("eth_blockNumber"),
            rpc_body("eth_getBalance", "0x" + account.address.hex(), "latest"),
            rpc_body("eth_call", {"to": TOKEN_ADDRESS, "data": BALANCE_OF + holder}, "latest"),
        ]
        requests = [connection.prepare(body) for body in bodies]
        for request in requests:
            if b'"result"' not in connection.send(request):
                raise RpcFailedError(f"{request!r} is not answered")
        number, balance, call = (answers_per_second(connection, [request], count) for request in requests)
        return Reads(number, balance, call, answers_per_second(connection, requests, count))


def answers_per_second(connection: Connection, requests: Sequence[bytes], count: int) -> float:
    """Rate at which `count` requests, taken in turn, are answered."""
    started = time.perf_counter()
    for index in range(count):
        connection.send(requests[index % len(requests)])
    return count / (time.perf_counter() - started)


def block_number(connection: Connection) -> int:
    """Height of the newest block."""
    return int(str(connection.call("eth_blockNumber")), 16)
