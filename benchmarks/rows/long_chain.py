"""What a long chain costs: memory, disk, and the time until a node that is started on it answers."""

import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.long_chain import HOLDERS, TRANSFERS_A_BLOCK, LongChain, holder, long_chain
from benchmarks.measurements import block_number, fund, measure_batches
from benchmarks.nodes import ZEROG_COMMAND, Node, anvil, process_tree, resident_bytes, start_zerog, stop_zerog, wait_for_port
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_transfers

__all__ = ["long_chain_costs"]

BLOCKS: Final = 100_000
RESTARTS: Final = 5
MORE_BLOCKS: Final = 1_000
READS: Final = 2_000
READS_A_BATCH: Final = 100
PEER_BLOCKS: Final = 2_000
PEER_S_MAX: Final = 30.0
MEGABYTE: Final = 1e6
RESIDENT_TARGET_MB: Final = 300.0
GROWTH_MAX: Final = 1.1
"""Bytes of the second half of the chain by those of the first, that still pass for linear."""
RESTART_TARGET_S: Final = 1.5
STOP_LIMIT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Served:
    """How a node served the chain. Resident bytes are the most that each of its processes had."""

    restart_s: list[float]
    after_kill_s: float
    """Restart after SIGKILL, with the blocks that were made since the start in the log only."""
    resident_bytes: list[int]


def long_chain_costs(bench: Bench) -> None:
    """100,000 blocks of ten transfers, made by the ledger and served by `zerog up`."""
    with long_chain("transfers", BLOCKS) as (folder, made):
        served = serve(folder, bench.environment)
    with anvil(bench.environment) as node:
        peer_blocks = make_on_peer(node)
        theirs = sum(resident_bytes(pid)[1] for pid in process_tree(node.pid))
    bench.details["long-chain"] = {
        "made": asdict(made),
        "zerog": asdict(served),
        "anvil": {"blocks": peer_blocks, "resident_bytes": theirs},
    }
    resident = max(sum(served.resident_bytes), made.resident_bytes_max) / MEGABYTE
    bench.rows += [
        Row(
            f"{BLOCKS:,} blocks of {TRANSFERS_A_BLOCK} transfers: resident memory at most",
            "MB",
            resident,
            theirs / MEGABYTE,
            "≤ 300 MB",
            resident <= RESIDENT_TARGET_MB,
            resident_note(made, served) + f"; anvil's is that of {peer_blocks:,} blocks",
        ),
        disk_row(made),
        *restart_rows(served),
    ]


def resident_note(made: LongChain, served: Served) -> str:
    processes = " + ".join(f"{each / MEGABYTE:.0f} MB" for each in served.resident_bytes)
    return (
        f"the processes of zerog up had {processes} after {READS:,} reads of old states and {MORE_BLOCKS:,} more blocks; "
        f"the ledger had {made.resident_bytes_max / MEGABYTE:.0f} MB while it made the chain, in {made.seconds:.0f} s"
    )


def disk_row(made: LongChain) -> Row:
    """Whether the second half of the chain takes as much as the first."""
    empty, half, whole = made.disk_bytes
    growth = (whole - half) / (half - empty)
    return Row(
        "  disk: the second 50,000 blocks by the first",
        "×",
        growth,
        None,
        "linear: ≤ 1.1",
        growth <= GROWTH_MAX,
        f"{half / MEGABYTE:,.0f} MB at {made.blocks // 2:,} blocks, {whole / MEGABYTE:,.0f} MB at {made.blocks:,}: "
        f"{whole / made.transactions:,.0f} bytes a transfer; anvil keeps nothing",
    )


def restart_rows(served: Served) -> list[Row]:
    seconds = statistics.median(served.restart_s)
    what = "  zerog up, until eth_blockNumber is answered"
    return [
        Row(
            what,
            "s",
            seconds,
            None,
            "≤ 1.5 s",
            seconds <= RESTART_TARGET_S,
            f"median of {RESTARTS}, the longest {max(served.restart_s):.2f} s",
        ),
        Row(f"  the same after SIGKILL, with {MORE_BLOCKS:,} blocks just made", "s", served.after_kill_s, None, "reported", None),
    ]


def serve(folder: Path, environment: Mapping[str, str]) -> Served:
    """Start the network again and again; let it work, end it the hard way, and start it once more."""
    url = start_zerog(folder, environment).url  # The first start chooses the port, and it stays.
    stop_zerog(folder)
    restarts = []
    for _ in range(RESTARTS):
        with started(folder, url, environment) as (_, seconds):
            restarts.append(seconds)
    with started(folder, url, environment) as (node, _):
        head = work(node)
        processes = process_tree(node.pid)
        resident = [resident_bytes(pid)[1] for pid in processes]
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
    with started(folder, url, environment) as (node, after_kill_s), node.connect() as connection:
        if block_number(connection) != head:
            raise RpcFailedError(f"after SIGKILL the node stands at block {block_number(connection):,}, not {head:,}")
    return Served(restarts, after_kill_s, resident)


@contextmanager
def started(folder: Path, url: str, environment: Mapping[str, str]) -> Iterator[tuple[Node, float]]:
    """`zerog up` in the foreground, and the seconds from its start to its first answer, which is the number of the newest block."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*ZEROG_COMMAND, "up", "--only", "chain", "--dir", str(folder)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    node = Node("zerog", url, process.pid)
    try:
        wait_for_port(urlsplit(url).port or 0)
        with node.connect() as connection:
            head, seconds = block_number(connection), time.perf_counter() - begin
        if head < BLOCKS:
            raise RpcFailedError(f"the node serves block {head:,}, not {BLOCKS:,}")
        yield node, seconds
    finally:
        stop_zerog(folder)
        process.wait(timeout=STOP_LIMIT_S)


def work(node: Node) -> int:
    """Read old states, which must be what the transfers made of them, then make more blocks; the number of the newest."""
    draw = random.Random(READS)
    with node.connect() as connection:
        for _ in range(0, READS, READS_A_BATCH):
            wanted = [(draw.randrange(HOLDERS), draw.randrange(1, BLOCKS)) for _ in range(READS_A_BATCH)]
            balances = connection.call_many([("eth_getBalance", ["0x" + holder(number).hex(), hex(block)]) for number, block in wanted])
            for (number, block), balance in zip(wanted, balances, strict=True):
                received = len(range(number, block * TRANSFERS_A_BLOCK, HOLDERS))
                if int(str(balance), 16) != received:
                    raise RpcFailedError(f"holder {number} has {balance} at block {block:,}, not {received}")
    senders = [sender(number) for number in range(TRANSFERS_A_BLOCK)]
    flow = measure_batches(node, senders, MORE_BLOCKS * TRANSFERS_A_BLOCK, TRANSFERS_A_BLOCK)
    if flow.stalled:
        raise RpcFailedError(f"the node took {flow.included:,} of {flow.sent:,} transfers")
    with node.connect() as connection:
        return block_number(connection)


def make_on_peer(node: Node) -> int:
    """Blocks of the same contents on anvil, until there are enough or the time is over; how many it made."""
    senders = [sender(number) for number in range(TRANSFERS_A_BLOCK)]
    holders = [holder(number) for number in range(HOLDERS)]
    signed = sign_transfers(senders, PEER_BLOCKS * TRANSFERS_A_BLOCK, recipients=holders)
    with node.connect() as connection:
        fund(connection, senders)
        connection.call("evm_setAutomine", False)
        deadline = time.perf_counter() + PEER_S_MAX
        for made in range(PEER_BLOCKS):
            if time.perf_counter() > deadline:
                return made
            group = signed[made * TRANSFERS_A_BLOCK : (made + 1) * TRANSFERS_A_BLOCK]
            connection.call_many([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in group])
            connection.call("evm_mine")
    return PEER_BLOCKS
