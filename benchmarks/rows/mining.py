"""Many empty blocks at once, as a test makes them to let time pass; each of ours must be one that another node would take."""

import time
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError
from benchmarks.hardhat import hardhat
from benchmarks.measurements import block_number
from benchmarks.nodes import Node, anvil, zerog
from benchmarks.report import Row
from zerog._kernel import Ledger
from zerog.chain.node.chain import network_accounts, network_genesis
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import load

__all__ = ["mining"]

BLOCKS: Final = 100_000
TARGET_S: Final = 5.0
LIMIT_S: Final = 240.0
PEER_S_MAX: Final = 30.0
PEER_CALL_BLOCKS: Final = 2_000
"""anvil slows down with the length of its chain; it is stopped after so many seconds, between two calls of so many blocks."""
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Mined:
    """What a node made. Seconds run until the call was answered, and the last block has the number that it should have."""

    blocks: int
    seconds: float
    written_bytes: int

    @property
    def whole_seconds(self) -> float:
        """For all the blocks; of a node that was stopped, at the pace that it had."""
        return self.seconds * BLOCKS / self.blocks


def mining(bench: Bench) -> None:
    """`hardhat_mine` of so many blocks."""
    with zerog(bench.environment) as node:
        ours = measure(node, BLOCKS)
        require_valid(node)
    with anvil(bench.environment) as node:
        theirs = measure(node, PEER_CALL_BLOCKS)
    with hardhat() as node:
        hardhats = measure(node, BLOCKS)
    bench.details["mining"] = {"zerog": asdict(ours), "anvil": asdict(theirs), "hardhat": asdict(hardhats)}
    said = [
        "each of ours was taken by a second ledger that executes and checks it",
        f"{ours.written_bytes / ours.blocks:,.0f} bytes written a block",
        "hardhat makes a block only when it is asked for it",
    ]
    if theirs.blocks < BLOCKS:
        said.append(f"anvil made {theirs.blocks:,} in {theirs.seconds:.0f} s and was stopped: its figure is that pace for all")
    what = f"hardhat_mine of {BLOCKS:,} blocks"
    met = ours.seconds <= TARGET_S
    bench.rows.append(
        Row(what, "s", ours.whole_seconds, theirs.whole_seconds, "≤ 5 s", met, "; ".join(said), hardhats.whole_seconds),
    )


def measure(node: Node, blocks_a_call: int) -> Mined:
    """Make the blocks, so many a call, until all are made or the time is over."""
    with node.connect(LIMIT_S) as connection:
        before, written_bytes = block_number(connection), node.written_bytes()
        made, started, seconds = 0, time.perf_counter(), 0.0
        while made < BLOCKS and seconds < PEER_S_MAX:
            connection.call("hardhat_mine", hex(blocks_a_call))
            made += blocks_a_call
            seconds = time.perf_counter() - started
        head = block_number(connection)
        if head != before + made:
            raise RpcFailedError(f"{node.name} stands at block {head:,} after {made:,} blocks on top of {before:,}")
        return Mined(made, seconds, node.written_bytes() - written_bytes)


def require_valid(node: Node) -> None:
    """Outside the measured time: a fresh ledger in memory takes every block by the rules for blocks of others, up to the same hash."""
    network = load("local")
    ledger = Ledger.open(None, network_genesis(network, ChainNodeSettings(), network_accounts(network)))
    with node.connect() as connection:
        head = block_number(connection)
        for first in range(1, head + 1, BATCH):
            numbers = range(first, min(first + BATCH, head + 1))
            blocks = connection.call_many([("debug_getRawBlock", [hex(number)]) for number in numbers])
            ledger.import_blocks([bytes.fromhex(str(block)[2:]) for block in blocks])
        newest = connection.call("eth_getBlockByNumber", hex(head), False)
    if not isinstance(newest, dict) or newest["hash"] != "0x" + ledger.head().hash.hex():
        raise RpcFailedError(f"the chain ends with {newest}, another ledger's with {ledger.head().hash.hex()}")
    ledger.close()
