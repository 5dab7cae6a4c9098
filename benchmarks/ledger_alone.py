"""The ledger without a network: signed transfers executed and made durable, block by block. Prints its figures as JSON.

Usage: `python -m benchmarks.ledger_alone FOLDER`. A program of its own, so that it can run under `slow_sync`.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.nodes import process_written_bytes
from benchmarks.transfers import CHAIN_ID, FUNDS_WEI, sender, sign_transfers
from zerog._kernel import BlockEnv, Ledger, keccak256
from zerog.chain.protocol.genesis import genesis_document
from zerog.networks import load

__all__ = ["LedgerFigures"]

ACCOUNTS: Final = 102_000
TRANSFERS: Final = 20_000
BLOCK_TRANSFERS: Final = 1_000
BLOCK_GAS: Final = 120_000_000
GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """Seconds cover decoding, recovery of senders, execution, roots and the durable append of every block."""

    transfers: int
    blocks: int
    seconds: float
    processor_seconds: float
    """Of all threads together: says on a busy machine what a quiet one would take."""
    open_seconds: float
    log_bytes: int
    written_bytes: int


def main(folder: Path) -> None:
    """Open a ledger in `folder`, carry out the transfers, check the root and print the figures."""
    senders = [sender(number) for number in range(TRANSFERS)]
    others = [keccak256(b"zerog benchmark account %d" % number)[12:] for number in range(ACCOUNTS - TRANSFERS)]
    recipients = [each.address for each in senders] + others
    genesis = genesis_with(recipients)
    signed = sign_transfers(senders, TRANSFERS, recipients=recipients)
    opening = time.perf_counter()
    ledger = Ledger.open(str(folder), genesis)
    open_seconds = time.perf_counter() - opening
    log_bytes, written_bytes = ledger.statistics()["log_bytes"], process_written_bytes("self")
    started, processor_started = time.perf_counter(), time.process_time()
    for first in range(0, TRANSFERS, BLOCK_TRANSFERS):
        execute_block(ledger, signed[first : first + BLOCK_TRANSFERS])
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor_started
    figures = LedgerFigures(
        transfers=TRANSFERS,
        blocks=ledger.head().number,
        seconds=seconds,
        processor_seconds=processor_seconds,
        open_seconds=open_seconds,
        log_bytes=ledger.statistics()["log_bytes"] - log_bytes,
        written_bytes=process_written_bytes("self") - written_bytes,
    )
    if ledger.recompute_root() != ledger.head().state_root:
        raise SystemExit("the root of the last block is not the one of its state")
    ledger.close()
    print(json.dumps(asdict(figures)))


def execute_block(ledger: Ledger, transactions: list[bytes]) -> None:
    """One durable block with exactly these transactions."""
    head = ledger.head()
    env = BlockEnv(timestamp=head.timestamp + 1, gas_limit=BLOCK_GAS, base_fee_per_gas=GWEI, beneficiary=bytes(20), prev_randao=bytes(32))
    executed = ledger.execute(env, transactions)
    if len(executed.included) != len(transactions):
        raise SystemExit(f"{len(executed.dropped)} transfers were dropped, first: {executed.dropped[0][1].kind}")
    ledger.commit(executed)


def genesis_with(addresses: list[bytes]) -> bytes:
    """The local genesis with these accounts funded."""
    document = json.loads(genesis_document(load("local"), "prague", (), {}))
    assert document["config"]["chainId"] == CHAIN_ID
    document["alloc"].update({"0x" + address.hex(): {"balance": hex(FUNDS_WEI)} for address in addresses})
    return json.dumps(document).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
