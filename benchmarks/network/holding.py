"""What a network holds in memory and takes of a processor while nothing happens."""

import time
from collections.abc import Iterable
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.hardhat import hardhat
from benchmarks.network.place import Whole, whole
from benchmarks.nodes import Node, anvil, process_processor_seconds, process_tree
from benchmarks.report import Row
from zerog.runtime.memory import memory_bytes

__all__ = ["holding"]

MEGABYTE: Final = 1_000_000
MEMORY_MB_MAX: Final = 500.0
SHARE_MAX: Final = 0.03
SETTLED_S: Final = 75.0
"""After a first start the debt of its chat is settled, receipts go into a file and a blob, and after half a minute without a request the
engine gives the model back."""
WATCHED_S: Final = 40.0


def holding(bench: Bench) -> None:
    """Memory of all processes together and of each role (PSS), then processor time for a while; the peers likewise."""
    with whole(bench) as net:
        let_pass(SETTLED_S)
        by_role = {role: held_by([pid]) for role, pid in net.role_pids().items()}
        together = held_by(process_tree(net.chain.pid))
        share = share_of(net.chain)
        woken = memory_after_a_chat(net)
    with anvil(bench.environment) as node:
        peer, peer_share = at_rest(node)
    with hardhat() as node:
        second, second_share = at_rest(node)
    bench.details["holding"] = {
        "by_role_mb": by_role, "together_mb": together, "share_of_a_core": share, "with_model_mb": woken,
        "peers_mb": [peer, second], "peers_share": [peer_share, second_share],
    }  # fmt: skip
    note = f"PSS over {len(by_role)} processes, the model given back; {woken:,.0f} MB right after a chat. The peers are a chain alone"
    rows = [Row("memory of the idle network", "MB", together, peer, "≤ 500 MB", together <= MEMORY_MB_MAX, note, second)]
    rows += [Row(f"  {role}", "MB", held, None, "", None) for role, held in by_role.items()]
    percent = [100 * each for each in (share, peer_share, second_share)]
    bench.rows += [*rows, Row("  of a core, idle", "%", percent[0], percent[1], "≤ 3 %", share <= SHARE_MAX, "", percent[2])]


def at_rest(node: Node) -> tuple[float, float]:
    """Megabytes of a peer, and its share of a core."""
    let_pass(SETTLED_S / 5)
    return held_by(process_tree(node.pid)), share_of(node)


def held_by(pids: Iterable[int]) -> float:
    """Megabytes of processes together. Raises `RpcFailedError` where the system does not tell."""
    found = [memory_bytes(pid) for pid in pids]
    if any(each is None for each in found):
        raise RpcFailedError("the memory of a process cannot be read: it needs Linux")
    return sum(each for each in found if each is not None) / MEGABYTE


def share_of(node: Node) -> float:
    """Processor time of a node and its descendants, by that of one core."""
    before = {pid: process_processor_seconds(pid) for pid in process_tree(node.pid)}
    started = time.perf_counter()
    let_pass(WATCHED_S)
    taken = sum(process_processor_seconds(pid) - before.get(pid, 0.0) for pid in process_tree(node.pid))
    return taken / (time.perf_counter() - started)


def memory_after_a_chat(net: Whole) -> float:
    """Megabytes with the model in memory."""
    from zerog import connect

    with connect("local", folder=net.folder) as network:
        network.compute.ask("Say one word.")
    return held_by(process_tree(net.chain.pid))


def let_pass(seconds: float) -> None:
    """Watch nothing happen."""
    time.sleep(seconds)  # noqa: TID251 - it is the time itself that is measured.
