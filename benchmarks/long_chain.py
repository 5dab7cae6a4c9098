"""A long chain, made by the ledger in the folder from which a node then serves it. Prints its figures as JSON.

Usage: `python -m benchmarks.long_chain FOLDER transfers|logs BLOCKS`. A program of its own, so that its memory is the chain's alone. Every
transaction is signed, executed and kept as a node does it; only JSON-RPC is left out, and the blocks are made durable a thousand at a time.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.emitter import DEPLOYMENT, emit_call, emitter_address
from benchmarks.nodes import resident_bytes
from benchmarks.transfers import Sender, sign_call
from zerog._kernel import BlockEnv, Ledger, keccak256
from zerog.chain.node.chain import network_accounts, network_genesis
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.fees import next_base_fee
from zerog.devnet.folder import NetworkFolder
from zerog.networks import load

__all__ = ["HOLDERS", "TRANSFERS_A_BLOCK", "LongChain", "holder", "long_chain"]

ROOT: Final = Path(__file__).parents[1]
TRANSFERS_A_BLOCK: Final = 10
HOLDERS: Final = 10_000
SYNC_BLOCKS: Final = 1_000
TRANSFER_GAS: Final = 21_000
EMIT_GAS: Final = 100_000
DEPLOY_GAS: Final = 200_000


@dataclass(frozen=True, slots=True)
class LongChain:
    """A chain that lies in its folder. Bytes on the disk are those of a checkpoint after none, half and all of the blocks."""

    blocks: int
    transactions: int
    seconds: float
    disk_bytes: tuple[int, int, int]
    resident_bytes: int
    """Of the process that made it, at the end and with the ledger still open."""
    resident_bytes_max: int
    head_hash: str


@contextmanager
def long_chain(contents: str, blocks: int) -> Iterator[tuple[Path, LongChain]]:
    """A working folder with such a chain, made by a process of its own, for `zerog up` to serve."""
    with tempfile.TemporaryDirectory(prefix=f"benchmark-{contents}-") as folder:
        command = [sys.executable, "-m", "benchmarks.long_chain", folder, contents, str(blocks)]
        printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        made = json.loads(printed)
        yield Path(folder), LongChain(**{**made, "disk_bytes": tuple(made["disk_bytes"])})


class Maker:
    """Makes block after block; each account of the network has its nonce here."""

    def __init__(self, folder: Path) -> None:
        network = load("local")
        accounts = network_accounts(network)
        self.ledger = Ledger.open(str(folder), network_genesis(network, ChainNodeSettings(), accounts))
        self.senders = [Sender(bytes(account.private_key), bytes(account.address)) for account in accounts]
        self.nonces = [self.ledger.nonce(each.address) for each in self.senders]
        self.transactions = 0

    def sign(self, index: int, to: bytes | None, gas_limit: int, data: bytes = b"", value: int = 0) -> bytes:
        """The next transaction of an account."""
        signed = sign_call(self.senders[index], nonce=self.nonces[index], to=to, gas_limit=gas_limit, data=data, value=value)
        self.nonces[index] += 1
        return signed

    def make(self, transactions: list[bytes]) -> None:
        """One block with exactly these transactions."""
        head = self.ledger.head()
        env = BlockEnv(
            timestamp=head.timestamp + 1,
            gas_limit=head.gas_limit,
            base_fee_per_gas=next_base_fee(head.base_fee_per_gas, head.gas_used, head.gas_limit),
            beneficiary=bytes(20),
            prev_randao=keccak256(head.hash),
        )
        executed = self.ledger.execute(env, transactions)
        if len(executed.included) != len(transactions):
            raise SystemExit(f"{len(executed.dropped)} transactions were dropped, first: {executed.dropped[0][1].kind}")
        self.ledger.commit(executed, in_batch=True)
        self.transactions += len(transactions)


def holder(number: int) -> bytes:
    """An address that nobody has a key for."""
    return keccak256(b"zerog benchmark holder %d" % number)[12:]


def transfers(maker: Maker) -> Iterator[list[bytes]]:
    """Ten transfers of ether a block, each of another sender, to all holders in turn."""
    holders = [holder(number) for number in range(HOLDERS)]
    while True:
        first = maker.transactions
        yield [maker.sign(index, holders[(first + index) % HOLDERS], TRANSFER_GAS, value=1) for index in range(TRANSFERS_A_BLOCK)]


def logs(maker: Maker) -> Iterator[list[bytes]]:
    """The contract in the first block, then one transaction a block that leaves ten logs."""
    contract = emitter_address(maker.senders[0].address, maker.nonces[0])
    yield [maker.sign(0, None, DEPLOY_GAS, DEPLOYMENT)]
    while True:
        number = maker.ledger.head().number + 1
        yield [maker.sign(number % len(maker.senders), contract, EMIT_GAS, emit_call(number))]


CONTENTS: Final[dict[str, Callable[[Maker], Iterator[list[bytes]]]]] = {"transfers": transfers, "logs": logs}


def make_chain(folder: Path, contents: str, blocks: int) -> LongChain:
    """Make the chain in the network's folder of a working folder."""
    network_folder = NetworkFolder.of(folder)
    network_folder.prepare()
    with network_folder.acquire("python -m benchmarks.long_chain"):
        data = network_folder.path / "chain"
        started = time.perf_counter()
        maker = Maker(data)
        disk = [kept_bytes(maker, data)]
        for made, transactions in zip(range(1, blocks + 1), CONTENTS[contents](maker), strict=False):
            maker.make(transactions)
            if made % SYNC_BLOCKS == 0:
                maker.ledger.sync()
            if made in (blocks // 2, blocks):
                disk.append(kept_bytes(maker, data))
        resident, resident_max = resident_bytes("self")
        head = maker.ledger.head()
        maker.ledger.close()
        return LongChain(
            blocks=blocks,
            transactions=maker.transactions,
            seconds=time.perf_counter() - started,
            disk_bytes=(disk[0], disk[1], disk[2]),
            resident_bytes=resident,
            resident_bytes_max=resident_max,
            head_hash="0x" + head.hash.hex(),
        )


def kept_bytes(maker: Maker, folder: Path) -> int:
    """Bytes on the disk once everything is folded into the tables."""
    maker.ledger.sync()
    maker.ledger.checkpoint()
    return disk_bytes(folder)


def disk_bytes(folder: Path) -> int:
    """What the files of a folder take on the disk; holes take nothing."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    print(json.dumps(asdict(make_chain(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))))
