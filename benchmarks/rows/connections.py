"""Reads on many connections at once, asked by wrk."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError, rpc_body
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.tokens import balance_call, deploy_token
from benchmarks.transfers import sender
from benchmarks.wrk import INSTALL, Load, WrkMissingError, load

__all__ = ["connections"]

CONNECTIONS: Final = 32
SECONDS: Final = 5
WARM_SECONDS: Final = 1
TARGET_RATIO: Final = 1.2
TARGET: Final = "≥ 1.2× anvil"
METHODS: Final = ("eth_blockNumber", "eth_getBalance", "eth_call")


def connections(bench: Bench) -> None:
    """Three methods, each by itself; the call reads a balance of an ERC-20 token."""
    try:
        ours, theirs = bench.both(measure)
    except WrkMissingError:
        bench.rows.append(Row(f"reads on {CONNECTIONS} connections", "/s", None, None, TARGET, False, INSTALL))
        return
    bench.details["connections"] = {
        "zerog": {method: asdict(each) for method, each in ours.items()},
        "anvil": {method: asdict(each) for method, each in theirs.items()},
    }
    for method in METHODS:
        our_rate, their_rate = ours[method].per_second, theirs[method].per_second
        note = f"p99 {ours[method].latency_ms_p99:.2f} ms, anvil's {theirs[method].latency_ms_p99:.2f} ms"
        what = f"{method} on {CONNECTIONS} connections (wrk)"
        bench.rows.append(Row(what, "/s", our_rate, their_rate, TARGET, our_rate >= TARGET_RATIO * their_rate, note))


def measure(node: Node) -> Mapping[str, Load]:
    """Check that each request has a result, then let wrk ask it."""
    holder = sender(0)
    with node.connect() as connection:
        token = deploy_token(connection, [holder])
        bodies = {
            "eth_blockNumber": rpc_body("eth_blockNumber"),
            "eth_getBalance": rpc_body("eth_getBalance", "0x" + holder.address.hex(), "latest"),
            "eth_call": rpc_body("eth_call", balance_call(token, holder.address), "latest"),
        }
        for method, body in bodies.items():
            answer = connection.send(connection.prepare(body))
            if b'"result":"0x' not in answer:
                raise RpcFailedError(f"{method} is not answered: {answer[:300]!r}")
    ask = partial(load, node, connections=CONNECTIONS)
    for body in bodies.values():
        ask(body, seconds=WARM_SECONDS)
    return {method: ask(body, seconds=SECONDS) for method, body in bodies.items()}
