"""What a transfer feels of everything else: a full blob that is encoded and a chat that streams, on the same two cores."""

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import anyio

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.da.network import encode_beside, transfer
from benchmarks.measurements import fund
from benchmarks.network.place import Whole, whole
from benchmarks.nodes import START_LIMIT_S, anvil
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_transfers

__all__ = ["beside_all"]

P95_MS_MAX: Final = 5.0
IDLE: Final = 1_000
SIGNED: Final = 40_000


def beside_all(bench: Bench) -> None:
    """Transfers one by one to our chain and then to anvil: first on an idle machine, then while the network encodes and streams.

    Each has a blob of its own beside it. Once it has answered, anvil goes on to compute for about a millisecond a transfer: in turns it
    would be a load for whoever is measured next.
    """
    senders = [sender(0)]
    with whole(bench) as net, anvil(bench.environment) as peer:
        nodes = (net.chain, peer)
        for node in nodes:
            with node.connect() as connection:
                fund(connection, senders)
        signed = sign_transfers(senders, SIGNED)
        idle = [transfer(node, signed[:IDLE]) for node in nodes]
        with streaming(net) as pieces:
            busy = [anyio.run(partial(encode_beside, net.disperser, node, signed[IDLE:], salt=salt)) for salt, node in enumerate(nodes)]
    quiet, loaded = ([p95_ms(each) for each in both] for both in (idle, busy))
    bench.details["beside_all"] = {
        "idle_p95_ms": quiet, "loaded_p95_ms": loaded, "transfers": [len(each) for each in busy], "pieces": pieces[0],
    }  # fmt: skip
    note = f"{len(busy[0])} transfers while the blob was encoded; the peer beside the same load; {pieces[0]} pieces of answers"
    what = "one transfer while a full blob encodes and a chat streams, p95"
    bench.rows += [
        Row(what, "ms", loaded[0], loaded[1], "≤ 5 ms", loaded[0] <= P95_MS_MAX, note),
        Row("  while nothing happens, p95", "ms", quiet[0], quiet[1], "", None),
    ]


def p95_ms(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[94] * 1e3


@contextmanager
def streaming(net: Whole) -> Iterator[list[int]]:
    """A client that reads answers all the time. In the end the list holds how many pieces it read. Raises `RpcFailedError` if it fails."""
    pieces: list[int] = []
    command = [sys.executable, "-m", "benchmarks.network.streaming", str(net.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        if client.stdin is None or client.stdout is None:
            raise RuntimeError("the process was opened with pipes")
        try:
            if not client.stdout.readline():
                raise RpcFailedError("the client that streams has ended")
            yield pieces
        finally:
            client.stdin.close()
            left = client.stdout.read()
            client.wait(START_LIMIT_S)
        if client.returncode:
            raise RpcFailedError("the client that streams has failed")
        pieces.append(int(left))
