"""A search for few logs among many, on a long chain; anvil, which makes blocks slowly, beside us on a shorter one."""

import json
import statistics
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import Connection, RpcFailedError, rpc_body
from benchmarks.emitter import DEPLOYMENT, LOGS_A_CALL, MATCH_EVERY, TRANSFER_TOPIC, WANTED, emit_call, emitter_address
from benchmarks.long_chain import long_chain
from benchmarks.measurements import block_number, fund
from benchmarks.nodes import Node, start_zerog, stop_zerog
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_call, transaction_hashes
from zerog.chain.node.chain import network_accounts
from zerog.networks import load

__all__ = ["logs"]

BLOCKS: Final = 100_000
SHORT_BLOCKS: Final = 5_000
SEARCHES: Final = 15
TARGET_MS: Final = 50.0
GAS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Search:
    """Milliseconds of each search from the request to the last byte of the answer; `first_ms` is that of the first one after the start."""

    matches: int
    answer_bytes: int
    first_ms: float
    milliseconds: list[float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.milliseconds)


def logs(bench: Bench) -> None:
    """`eth_getLogs` by address and topic over the whole chain."""
    with long_chain("logs", BLOCKS) as (folder, made):
        node = start_zerog(folder, bench.environment)
        try:
            ours = search_long(node)
        finally:
            stop_zerog(folder)
    short, theirs = bench.both(partial(search_short, blocks=SHORT_BLOCKS))
    bench.details["logs"] = {"made": asdict(made), "zerog": asdict(ours), "short": {"zerog": asdict(short), "anvil": asdict(theirs)}}
    bench.rows += [
        Row(
            f"eth_getLogs, {ours.matches:,} of {made.transactions * LOGS_A_CALL / 1e6:.0f} M logs in {BLOCKS:,} blocks",
            "ms",
            ours.median_ms,
            None,
            "≤ 50 ms",
            ours.median_ms <= TARGET_MS,
            f"median of {SEARCHES}, the best {min(ours.milliseconds):.1f} ms, the first after the start {ours.first_ms:.1f} ms; "
            f"{ours.answer_bytes:,} bytes; the ledger made the chain in {made.seconds:.0f} s, then the node served its folder",
        ),
        Row(
            f"  {short.matches:,} of {SHORT_BLOCKS * LOGS_A_CALL:,} in {SHORT_BLOCKS:,} blocks, as many as anvil makes in time",
            "ms",
            short.median_ms,
            theirs.median_ms,
            "",
            None,
        ),
    ]


def search_long(node: Node) -> Search:
    """Search the chain that lies in the node's folder."""
    creator = network_accounts(load("local"))[0]
    with node.connect() as connection:
        if block_number(connection) < BLOCKS:
            raise RpcFailedError(f"the node serves block {block_number(connection)}, not {BLOCKS:,}")
        # The contract came with the first transaction that the account sent on this chain.
        first = connection.call("eth_getTransactionCount", "0x" + creator.address.hex(), "0x0")
        return search(connection, emitter_address(bytes(creator.address), int(str(first), 16)), range(1, BLOCKS + 1))


def search_short(node: Node, blocks: int) -> Search:
    """Make the same contents over JSON-RPC, a transaction and a block at a time, and search them."""
    caller = sender(0)
    with node.connect() as connection:
        fund(connection, [caller])
        connection.call("evm_setAutomine", False)
        begin = block_number(connection)
        contents: list[tuple[bytes | None, bytes]] = [(None, DEPLOYMENT)]
        contract = emitter_address(caller.address, 0)
        contents += [(contract, emit_call(number)) for number in range(begin + 2, begin + 1 + blocks)]
        signed = [sign_call(caller, nonce=nonce, to=to, gas_limit=GAS, data=data) for nonce, (to, data) in enumerate(contents)]
        for raw in signed:
            connection.call("eth_sendRawTransaction", "0x" + raw.hex())
            connection.call("evm_mine")
        connection.wait_for_receipt(transaction_hashes(signed[-1:])[0])
        return search(connection, contract, range(begin + 1, begin + 1 + blocks))


def search(connection: Connection, contract: bytes, blocks: range) -> Search:
    """Search again and again on one connection. Every hundredth of the blocks must be found, and no other."""
    topics = ["0x" + TRANSFER_TOPIC.hex(), None, "0x" + WANTED.rjust(32, b"\0").hex()]
    wanted = {"address": "0x" + contract.hex(), "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
    request = connection.prepare(rpc_body("eth_getLogs", wanted))
    times, answer = [], b""
    for _ in range(SEARCHES + 1):
        started = time.perf_counter()
        answer = connection.send(request)
        times.append((time.perf_counter() - started) * 1e3)
    found = [int(log["blockNumber"], 16) for log in json.loads(answer)["result"]]
    expected = [number for number in blocks if number % MATCH_EVERY == 0]
    if found != expected:
        raise RpcFailedError(f"{len(found)} logs were found, from block {found[:1]} to {found[-1:]}, not {len(expected)}")
    return Search(len(found), len(answer), times[0], times[1:])
