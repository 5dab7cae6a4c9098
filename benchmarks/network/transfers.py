"""What a transfer feels of everything else: a full blob that is encoded and a chat that streams, on the same two cores."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Final

import anyio

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.da.network import transfer, while_encoding
from benchmarks.measurements import fund
from benchmarks.network.place import Whole, whole
from benchmarks.nodes import START_LIMIT_S, Node, anvil
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_transfers

__all__ = ["beside_all"]

P95_MS_MAX: Final = 5.0
IDLE: Final = 1_000
SIGNED: Final = 40_000
AT_ONCE: Final = 50
"""Transfers to one node before the other one has its turn."""


def beside_all(bench: Bench) -> None:
    """Transfers one by one to our chain and to anvil in turn: first on an idle machine, then while the network encodes and streams."""
    senders = [sender(0)]
    with whole(bench) as net, anvil(bench.environment) as peer:
        nodes = (net.chain, peer)
        for node in nodes:
            with node.connect() as connection:
                fund(connection, senders)
        signed = sign_transfers(senders, SIGNED)
        idle = [transfer(node, signed[:IDLE]) for node in nodes]
        with streaming(net) as pieces:
            busy = anyio.run(encode_beside, net, nodes, signed[IDLE:])
    quiet, loaded = ([p95_ms(each) for each in both] for both in (idle, busy))
    bench.details["beside_all"] = {
        "idle_p95_ms": quiet, "loaded_p95_ms": loaded, "transfers": [len(each) for each in busy], "pieces": pieces[0],
    }  # fmt: skip
    note = f"{len(busy[0])} transfers while the blob was encoded and {pieces[0]} pieces of answers came; the peer beside the same load"
    what = "one transfer while a full blob encodes and a chat streams, p95"
    bench.rows += [
        Row(what, "ms", loaded[0], loaded[1], "≤ 5 ms", loaded[0] <= P95_MS_MAX, note),
        Row("  while nothing happens, p95", "ms", quiet[0], quiet[1], "", None),
    ]


async def encode_beside(net: Whole, nodes: Sequence[Node], signed: Sequence[bytes]) -> list[list[float]]:
    """For each node the seconds of the transfers that it took while the blob was at the encoder."""
    sent: list[list[tuple[float, float]]] = [[] for _ in nodes]

    def send(index: int, first: int) -> None:
        at = time.perf_counter()
        for seconds in transfer(nodes[index], signed[first : first + AT_ONCE]):
            sent[index].append((at, seconds))
            at += seconds

    def turns() -> Iterator[Callable[[], None]]:
        for turn, index in zip(range(len(signed) // AT_ONCE * len(nodes)), cycle(range(len(nodes))), strict=False):
            yield partial(send, index, turn // len(nodes) * AT_ONCE)

    began, ended = await while_encoding(net.disperser, turns())
    return [[seconds for at, seconds in each if began <= at < ended] for each in sent]


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
