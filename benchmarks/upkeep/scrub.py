"""How fast a node holds a gibibyte against its roots, beside `sha256sum` on the same files, and what that costs at the default rate."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.storage.held import storage_node
from benchmarks.upkeep.filled import MIB, Filled, filled
from zerog.storage.client import NodeClient

__all__ = ["scrubbing"]

RUNS: Final = 3
LANES: Final = 2
TARGET_MIB_S: Final = 500.0
WATCH_S: Final = 15.0
SHARE_TARGET: Final = 5.0
DAILY: Final = ("--scrub-interval", "1")
"""A day has a second."""
LOOK_S: Final = 0.02
BEGIN_S: Final = 30.0


def scrubbing(bench: Bench) -> None:
    """On one admin port of a node that nobody else asks for anything; the files are in the system's memory, then on the disk."""
    with filled(bench) as held:
        with storage_node(held.chain.url, held.folder, flags=DAILY, admin_on_rpc=True) as (url, pid), NodeClient(url) as client:
            node = Node("zerog", url, pid)
            share = share_at_default_rate(node, client)
            read_all(held)
            warm = max(pass_mib_s(client) for _ in range(RUNS))
            cold = pass_mib_s(client, before=held.data_files())
        read_all(held)
        peer_warm = max(sha256sum(held.data_files()) for _ in range(RUNS))
        forget(held.data_files())
        peer_cold = sha256sum(held.data_files())
    bench.details["scrubbing"] = {"warm": warm, "cold": cold, "sha256sum_warm": peer_warm, "sha256sum_cold": peer_cold, "share": share}
    note = "two threads each; the peer is sha256sum"
    bench.rows.append(
        Row("scrubbing of 1 GiB in memory, full speed", "MiB/s", warm, peer_warm, f"≥ {TARGET_MIB_S:.0f} MiB/s", warm >= TARGET_MIB_S, note)
    )
    bench.rows.append(Row("scrubbing of 1 GiB from the disk, full speed", "MiB/s", cold, peer_cold, "reported", None, note))
    bench.rows.append(
        Row(
            "scrubbing at the default rate",
            "% of a core",
            share,
            None,
            f"≤ {SHARE_TARGET:.0f} %",
            share <= SHARE_TARGET,
            "the whole process",
        )
    )


def share_at_default_rate(node: Node, client: NodeClient) -> float:
    """Processor time of the whole node while a pass goes on as a pass does, in percent of a core."""
    deadline = time.perf_counter() + BEGIN_S
    while not scrub_of(client)["is_under_way"]:
        if time.perf_counter() > deadline:
            raise OSError("no pass is under way")
        time.sleep(LOOK_S)  # noqa: TID251 - the node tells nobody that a pass has begun.
    before, started = node.processor_seconds(), time.perf_counter()
    time.sleep(WATCH_S)  # noqa: TID251 - what is measured is what goes on meanwhile.
    seconds = time.perf_counter() - started
    return 100 * (node.processor_seconds() - before) / seconds


def pass_mib_s(client: NodeClient, before: Sequence[Path] = ()) -> float:
    """A pass from the first file on; files in `before` are taken out of the system's memory."""
    forget(before)
    passes = scrub_of(client)["passes"]
    client.request("admin_startScrub")
    while (state := scrub_of(client))["passes"] == passes:
        time.sleep(LOOK_S)  # noqa: TID251 - the node tells nobody that a pass has ended.
    last: Mapping[str, float] = state["last_pass"]
    if last["segments_damaged"]:
        raise OSError("the scrubber calls sound segments damaged")
    return last["bytes_checked"] / MIB / (last["ended_s"] - last["began_s"])


def scrub_of(client: NodeClient) -> Mapping[str, Any]:
    answer: Any = client.request("admin_getUpkeep")
    state: Mapping[str, Any] = answer["scrub"]
    return state


def sha256sum(files: Sequence[Path]) -> float:
    """The same files on as many threads."""
    size_bytes = sum(file.stat().st_size for file in files)
    started = time.perf_counter()
    command = ["xargs", "-0", "-n", "1", "-P", str(LANES), "sha256sum"]
    subprocess.run(command, input=b"\0".join(os.fsencode(file) for file in files), check=True, stdout=subprocess.DEVNULL)
    return size_bytes / MIB / (time.perf_counter() - started)


def read_all(held: Filled) -> None:
    """Bring the files into the system's memory."""
    for path in held.data_files():
        path.read_bytes()


def forget(files: Sequence[Path]) -> None:
    """Take files out of the system's memory."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
