"""Going back: what a snapshot costs, and a revert after many accounts were changed since, by transactions or by developer edits."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.connection import Connection, RpcFailedError
from benchmarks.measurements import block_number, fund
from benchmarks.nodes import Node
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_call, transaction_hashes
from zerog._kernel import keccak256

__all__ = ["snapshots"]

ACCOUNTS: Final = 100_000
ACCOUNTS_A_TRANSACTION: Final = 400
TRANSACTION_GAS: Final = 16_000_000
TRANSACTIONS_A_BATCH: Final = 10
EDITS_A_BATCH: Final = 1_000
CALL_LIMIT_S: Final = 300.0
SNAPSHOTS: Final = 9
ROUNDS: Final = 3
PEER_ROUNDS: Final = 1
"""anvil takes minutes for the changes of a round."""
SNAPSHOT_TARGET_MS: Final = 1.0
REVERT_TARGET_MS: Final = 300.0

SPRAY_ADDRESS: Final = "0x" + "72" * 20
SPRAY_CODE: Final = "0x5f355b8060203514602157805f525f5f5f5f600160205f205af1506001016002565b00"
"""Sends one wei to the address at the end of keccak256(number), for every number from the first word of the input up to the second."""

Change = Callable[[Connection, int], None]


@dataclass(frozen=True, slots=True)
class Back:
    """Milliseconds of each snapshot taken after the changes, and of each revert to before them."""

    snapshot_ms: list[float]
    revert_ms: list[float]

    @property
    def snapshot(self) -> float:
        return statistics.median(self.snapshot_ms)

    @property
    def revert(self) -> float:
        return statistics.median(self.revert_ms)


def snapshots(bench: Bench) -> None:
    """`evm_snapshot` and `evm_revert` around changes of so many accounts."""
    for how, change in (("by transfers in blocks", transfer), ("by developer edits", edit)):
        ours, theirs = bench.both(partial(measure, change=change))
        bench.details[f"snapshots, {how}"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
        bench.rows += [
            Row(
                f"evm_snapshot after {ACCOUNTS:,} accounts were changed {how}",
                "ms",
                ours.snapshot,
                theirs.snapshot,
                "≤ 1 ms",
                ours.snapshot <= SNAPSHOT_TARGET_MS,
                f"median of {len(ours.snapshot_ms)}, the longest {max(ours.snapshot_ms):.2f} ms",
            ),
            Row(
                "  evm_revert of all of it",
                "ms",
                ours.revert,
                theirs.revert,
                "≤ 300 ms",
                ours.revert <= REVERT_TARGET_MS,
                "runs: " + ", ".join(f"{each:,.0f} ms" for each in ours.revert_ms),
            ),
        ]


def measure(node: Node, change: Change) -> Back:
    """Snapshot, change, snapshots, revert to the first; again, for the median."""
    snapshot_ms, revert_ms = [], []
    with node.connect(CALL_LIMIT_S) as connection:
        fund(connection, [sender(0)])
        connection.call("anvil_setCode", SPRAY_ADDRESS, SPRAY_CODE)
        connection.call("anvil_setBalance", SPRAY_ADDRESS, hex(10**18))
        connection.call("anvil_mine", "0x1")
        for _ in range(ROUNDS if node.name == "zerog" else PEER_ROUNDS):
            first, height = connection.call("evm_snapshot"), block_number(connection)
            change(connection, ACCOUNTS)
            require_balances(connection, "0x1")
            for _ in range(SNAPSHOTS):
                started = time.perf_counter()
                connection.call("evm_snapshot")
                snapshot_ms.append((time.perf_counter() - started) * 1e3)
            started = time.perf_counter()
            reverted = connection.call("evm_revert", first)
            revert_ms.append((time.perf_counter() - started) * 1e3)
            require_balances(connection, "0x0")
            if reverted is not True or block_number(connection) != height:
                raise RpcFailedError(f"{node.name} did not go back to block {height}")
    return Back(snapshot_ms, revert_ms)


def transfer(connection: Connection, accounts: int) -> None:
    """Send one wei to each account, many in one transaction; leave when all of it is in blocks."""
    signed = [
        sign_call(
            sender(0),
            nonce=index,
            to=bytes.fromhex(SPRAY_ADDRESS[2:]),
            gas_limit=TRANSACTION_GAS,
            data=first.to_bytes(32) + min(first + ACCOUNTS_A_TRANSACTION, accounts).to_bytes(32),
        )
        for index, first in enumerate(range(0, accounts, ACCOUNTS_A_TRANSACTION))
    ]
    for first in range(0, len(signed), TRANSACTIONS_A_BATCH):
        group = signed[first : first + TRANSACTIONS_A_BATCH]
        connection.call_many([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in group])
        for each in transaction_hashes(group):
            connection.wait_for_receipt(each)


def edit(connection: Connection, accounts: int) -> None:
    """Set the balance of each account, and make one block on top."""
    for first in range(0, accounts, EDITS_A_BATCH):
        numbers = range(first, min(first + EDITS_A_BATCH, accounts))
        connection.call_many([("anvil_setBalance", ["0x" + account(number).hex(), "0x1"]) for number in numbers])
    connection.call("anvil_mine", "0x1")


def account(number: int) -> bytes:
    """The address that the contract above finds for a number."""
    return keccak256(number.to_bytes(32))[12:]


def require_balances(connection: Connection, balance: str) -> None:
    """The first, a middle and the last account have this balance."""
    for number in (0, ACCOUNTS // 2, ACCOUNTS - 1):
        found = connection.call("eth_getBalance", "0x" + account(number).hex(), "latest")
        if found != balance:
            raise RpcFailedError(f"account {number} has {found}, not {balance}")
