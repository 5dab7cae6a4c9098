"""How fast a node that lost everything has a gibibyte again from two others, beside aria2 that fetches the same files from two servers."""

import time
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.storage.held import storage_node
from benchmarks.upkeep.aria2 import aria2_mib_s
from benchmarks.upkeep.filled import FILE_MIB, FILES, Filled, filled
from zerog.storage.client import NodeClient

__all__ = ["repair"]

RUNS: Final = 3
TARGET_MIB_S: Final = 150.0
LOOK_S: Final = 0.01
LIMIT_S: Final = 120.0
"""More than any machine needs."""


def repair(bench: Bench) -> None:
    """Three nodes on one machine: the rate holds for what all three do together. Both sides check every piece against its hash."""
    with filled(bench) as held:
        copy = held.copy("second")
        with storage_node(held.chain.url, held.folder) as (one, one_pid), storage_node(held.chain.url, copy) as (other, other_pid):
            peers = [Node("zerog", one, one_pid), Node("zerog", other, other_pid)]
            runs = [repair_once(held, peers, held.folder.with_name(f"wiped-{run}")) for run in range(RUNS)]
        theirs = max(aria2_mib_s(held.files, held.folder.parent / f"aria2-{run}") for run in range(RUNS))
    ours = max(pace for pace, _, _ in runs)
    names = ("mib_s", "node_s", "peers_s")
    bench.details["repair"] = [dict(zip(names, run, strict=True)) for run in runs]
    _, own, served = max(runs)
    note = f"processor seconds a GiB: {own:.1f} of the node, {served:.1f} of its two peers; {ours / theirs:.2f} times aria2"
    met = ours >= TARGET_MIB_S
    bench.rows.append(
        Row("repair of 1 GiB from two peers", "MiB/s", ours, None, f"≥ {TARGET_MIB_S:.0f} MiB/s", met, note, second_peer=theirs)
    )


def repair_once(held: Filled, peers: list[Node], folder: Path) -> tuple[float, float, float]:
    """MiB/s from the moment at which the empty node answers until all files are complete, and processor seconds of it and of its peers."""
    flags = [part for peer in peers for part in ("--peers", peer.url)]
    before = sum(peer.processor_seconds() for peer in peers)
    with storage_node(held.chain.url, folder, flags=flags) as (url, pid), NodeClient(url) as client:
        node, started = Node("zerog", url, pid), time.perf_counter()
        own = node.processor_seconds()
        while not all(client.are_finalized(held.roots)):
            if time.perf_counter() - started > LIMIT_S:
                raise OSError("the node did not fetch the files")
            time.sleep(LOOK_S)  # noqa: TID251 - the node tells nobody that a file is complete.
        seconds = time.perf_counter() - started
        return FILES * FILE_MIB / seconds, node.processor_seconds() - own, sum(peer.processor_seconds() for peer in peers) - before
