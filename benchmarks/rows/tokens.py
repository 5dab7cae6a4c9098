"""Transfers of an ERC-20 token in batches, until their receipts can be read: each batch before the next one, and without waiting."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import Connection, RpcFailedError, rpc_body
from benchmarks.measurements import Flow, drive
from benchmarks.nodes import Node, anvil, zerog
from benchmarks.report import Row
from benchmarks.rows.flows import flow_note
from benchmarks.tokens import balance_of, deploy_token, recipients, sign_token_transfers
from benchmarks.transfers import sender, transaction_hashes

__all__ = ["tokens"]

TRANSFERS: Final = 20_000
BATCH: Final = 100
SENDERS: Final = 10
RECIPIENTS: Final = 1_000
PACED_S_MAX: Final = 20.0
"""A node that is not done by then is measured by what it did until then."""
BLOCK_A_SECOND: Final = ("--block-time", "1")
TARGET_RATIO: Final = 1.5
TARGET: Final = "≥ 1.5× anvil"


@dataclass(frozen=True, slots=True)
class Paced:
    """Seconds from the first byte of the first batch until the receipts of the last one were read."""

    transfers: int
    seconds: float
    processor_seconds: float
    """Of the node, on all cores together."""

    @property
    def per_second(self) -> float:
        return self.transfers / self.seconds


def tokens(bench: Bench) -> None:
    """ERC-20 transfers in batches. anvil counts by the better of its ways: a block a transaction, or a block a second."""
    ours, theirs = bench.both(paced)
    with zerog(bench.environment) as node:
        streamed = streaming(node)
    with anvil(bench.environment, BLOCK_A_SECOND) as node:
        their_streamed = streaming(node)
    bench.details["tokens"] = {
        "zerog": {"paced": asdict(ours), "streaming": asdict(streamed)},
        "anvil": {"paced": asdict(theirs), "streaming, a block a second": asdict(their_streamed)},
    }
    best = max(theirs.per_second, their_streamed.per_second)
    fast = [rate >= TARGET_RATIO * best for rate in (ours.per_second, streamed.per_second)]
    what = f"ERC-20 transfers in batches of {BATCH}, receipts read before the next"
    bench.rows += [
        Row(what, "/s", ours.per_second, theirs.per_second, TARGET, fast[0], paced_note(ours, theirs)),
        Row(
            f"  {TRANSFERS:,} without waiting, until the last receipts",
            "/s",
            streamed.per_second,
            their_streamed.per_second,
            TARGET,
            fast[1] and not streamed.stalled,
            f"{flow_note(streamed, their_streamed)}; anvil with a block a second",
        ),
    ]


def paced_note(ours: Paced, theirs: Paced) -> str:
    said = [
        f"{name} took {flow.transfers:,} and used {flow.processor_seconds / flow.transfers * 1e6:,.0f} µs of a processor for each"
        for name, flow in (("zerog", ours), ("anvil", theirs))
    ]
    return "; ".join(said)


def prepared(connection: Connection) -> tuple[bytes, list[bytes]]:
    """A token on this node and the signed transfers of it."""
    senders = [sender(number) for number in range(SENDERS)]
    token = deploy_token(connection, senders)
    return token, sign_token_transfers(token, senders, TRANSFERS, recipients(RECIPIENTS))


def paced(node: Node) -> Paced:
    """Send a batch, read all its receipts, send the next."""
    with node.connect() as connection:
        token, signed = prepared(connection)
        sends = [connection.prepare(each) for each in send_batches(signed)]
        reads = [connection.prepare(each) for each in receipt_batches(signed)]
        processor_seconds = node.processor_seconds()
        started = time.perf_counter()
        done = 0
        for send, read in zip(sends, reads, strict=True):
            require_result(connection.send(send))
            wait_for_batch(connection, read)
            done += BATCH
            if time.perf_counter() - started > PACED_S_MAX:
                break
        seconds = time.perf_counter() - started
        require_arrived(connection, token, done)
        return Paced(done, seconds, node.processor_seconds() - processor_seconds)


def wait_for_batch(connection: Connection, read: bytes) -> None:
    """Read the receipts of a batch until none is missing; all must say success."""
    deadline = time.perf_counter() + connection.timeout_s
    while b'"result":null' in (answer := require_result(connection.send(read))):
        if time.perf_counter() > deadline:
            raise RpcFailedError(f"a batch has no receipts after {connection.timeout_s} s")
    if answer.count(b'"status":"0x1"') != BATCH:
        raise RpcFailedError(f"not every transfer of a batch succeeded: {answer[:300]!r}")


def streaming(node: Node) -> Flow:
    """Send all batches one after another, then wait for the last receipts."""
    with node.connect() as connection:
        token, signed = prepared(connection)
    flow = drive(node, [sender(number) for number in range(SENDERS)], send_batches(signed), signed)
    if not flow.stalled:
        with node.connect() as connection:
            require_arrived(connection, token, TRANSFERS)
    return flow


def send_batches(signed: Sequence[bytes]) -> list[bytes]:
    """JSON-RPC batches that send these transactions."""
    return joined([rpc_body("eth_sendRawTransaction", "0x" + raw.hex(), request_id=index) for index, raw in enumerate(signed)])


def receipt_batches(signed: Sequence[bytes]) -> list[bytes]:
    """JSON-RPC batches that read the receipts of these transactions."""
    return joined([rpc_body("eth_getTransactionReceipt", each, request_id=index) for index, each in enumerate(transaction_hashes(signed))])


def joined(calls: Sequence[bytes]) -> list[bytes]:
    return [b"[" + b",".join(calls[first : first + BATCH]) + b"]" for first in range(0, len(calls), BATCH)]


def require_result(answer: bytes) -> bytes:
    """The answer, which is no error."""
    if b'"error"' in answer:
        raise RpcFailedError(f"a batch was refused: {answer[:300]!r}")
    return answer


def require_arrived(connection: Connection, token: bytes, transfers: int) -> None:
    """Outside the measured time: the token says what the transfers did."""
    wanted = -(-transfers // RECIPIENTS)
    held = balance_of(connection, token, recipients(1)[0])
    if held != wanted:
        raise RpcFailedError(f"the first recipient holds {held} units, not {wanted}")
