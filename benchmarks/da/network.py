"""DA on a whole local network: how soon a blob is confirmed, how many at once, and what the chain feels of it."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from benchmarks.bench import Bench
from benchmarks.connection import RpcFailedError, rpc_body
from benchmarks.measurements import fund, require_accepted
from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, Node, stop_zerog
from benchmarks.report import Row
from benchmarks.transfers import sender, sign_transfers
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.da.protocol.status import BlobStatus

__all__ = ["beside", "dispersing", "encode_beside", "transfer"]

MEBIBYTE: Final = 1 << 20
ONE_BY_ONE: Final = 7
AT_ONCE: Final = 20
AT_ONCE_BYTES: Final = 128 << 10
BLOB_LIMIT_S: Final = 180.0
LOOK_S: Final = 0.02
TRANSFERS_MAX: Final = 20_000
TRANSFERS_MIN: Final = 50
ENCODING: Final = "encoding"


@dataclass(frozen=True, slots=True)
class Network:
    """A local network that runs."""

    folder: Path
    pid: int
    chain: str
    disperser: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncDisperserClient]:
        client = AsyncDisperserClient(self.disperser)
        try:
            yield client
        finally:
            await client.close()

    def signed_bytes(self) -> int:
        """What the signers keep on the disk."""
        files = (self.folder / ".zerog" / "da").glob("signer*/**/*")
        return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


@contextmanager
def network(bench: Bench) -> Iterator[Network]:
    """`zerog up --wait` with chain and DA, durable as by default."""
    with tempfile.TemporaryDirectory(prefix="benchmark-da-") as name:
        folder = Path(name)
        command = [*ZEROG_COMMAND, "up", "--only", "chain", "--only", "da", "--wait", "--dir", name, "--port-base", "0"]
        environment = {**os.environ, **bench.environment}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=START_LIMIT_S)
        try:
            endpoints = json.loads((folder / ".zerog" / "endpoints.json").read_text())
            yield Network(folder, endpoints["pid"], endpoints["chain"]["http"], endpoints["da"]["disperser"])
        finally:
            stop_zerog(folder)


def dispersing(bench: Bench) -> None:
    """Blobs of 1 MiB one after another, then twenty of 128 KiB at once."""
    with network(bench) as net:
        seconds = anyio.run(one_by_one, net)
        before = net.signed_bytes()
        whole_s = anyio.run(at_once, net)
        per_blob = (net.signed_bytes() - before) / AT_ONCE / MEBIBYTE
    rate, middle = AT_ONCE / whole_s, statistics.median(seconds)
    bench.details["dispersing"] = {"one_by_one_s": seconds, "at_once_s": whole_s, "disk_bytes_per_blob": per_blob * MEBIBYTE}
    reference = "the reference takes about a minute and its encoding, by the intervals of its README"
    disk = "three signers keep all rows of a blob, 96 MiB, whatever its size; rows of zeros take none"
    bench.rows += [
        Row("1 MiB until CONFIRMED, p50", "s", middle, None, "≤ 5 s", middle <= 5, reference),
        Row(f"{AT_ONCE} blobs of 128 KiB at once until FINALIZED", "/s", rate, None, "≥ 0.3 /s", rate >= 0.3),
        Row("  disk a blob", "MiB", per_blob, None, "", None, disk),
    ]


async def one_by_one(net: Network) -> list[float]:
    """Seconds of each."""
    seconds = []
    async with net.client() as client:
        for index in range(ONE_BY_ONE):
            started = time.perf_counter()
            await follow(client, await client.disperse(payload(MEBIBYTE, index)), BlobStatus.CONFIRMED)
            seconds.append(time.perf_counter() - started)
    return seconds


async def at_once(net: Network) -> float:
    """Seconds until the last one is final."""
    started = time.perf_counter()
    async with net.client() as client, anyio.create_task_group() as group:
        for index in range(AT_ONCE):
            request = await client.disperse(payload(AT_ONCE_BYTES, 1_000 + index))
            group.start_soon(follow, client, request, BlobStatus.FINALIZED)
    return time.perf_counter() - started


async def follow(client: AsyncDisperserClient, request: bytes, until: BlobStatus) -> None:
    """Wait until a blob is so far. Raises `RpcFailedError` when it has failed."""
    with anyio.fail_after(BLOB_LIMIT_S):
        while True:
            state = await client.status(request)
            if state.status in (until, BlobStatus.FINALIZED):
                return
            if state.status is BlobStatus.FAILED:
                raise RpcFailedError(f"a blob has failed: {state.reason}")
            await anyio.sleep(LOOK_S)  # The service has no way to wait, as its official clients have none.


def payload(size: int, salt: int) -> bytes:
    """Bytes that no other blob has."""
    return (salt.to_bytes(8, "big") * (size // 8 + 1))[:size]


def beside(bench: Bench) -> None:
    """Transfers one by one while nothing else happens, then while a full blob is encoded."""
    with network(bench) as net:
        senders = [sender(0)]
        node = Node("zerog", net.chain, net.pid)
        with node.connect() as connection:
            fund(connection, senders)
        signed = sign_transfers(senders, TRANSFERS_MAX)
        idle = transfer(node, signed[:1_000])
        busy = anyio.run(encode_beside, net.disperser, node, signed[1_000:])
    quiet, loaded = (statistics.quantiles(each, n=100)[94] * 1e3 for each in (idle, busy))
    bench.details["beside"] = {"idle_p95_ms": quiet, "encoding_p95_ms": loaded, "transfers": len(busy)}
    note = f"{len(busy)} transfers while the blob was encoded; {quiet:.2f} ms while nothing else happened"
    bench.rows.append(Row("one transfer while a full blob encodes, p95", "ms", loaded, None, "≤ 5 ms", loaded <= 5, note))


async def encode_beside(disperser: str, node: Node, signed: Sequence[bytes], *, salt: int = 0) -> list[float]:
    """Disperse a full blob; seconds of the transfers that were sent to `node` while it was at the encoder.

    Raises `RpcFailedError` when it was never seen there.
    """
    sent: list[tuple[float, float]] = []
    spans: list[tuple[float, float]] = []
    done = anyio.Event()

    async def watch() -> None:
        spans.append(await span_of_encoding(disperser, salt))
        done.set()

    def send(first: int) -> None:
        at = time.perf_counter()
        for seconds in transfer(node, signed[first : first + TRANSFERS_MIN]):
            sent.append((at, seconds))
            at += seconds

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for first in range(0, len(signed), TRANSFERS_MIN):
            if done.is_set():
                break
            await to_thread.run_sync(send, first)
    [(began, ended)] = spans
    return [seconds for at, seconds in sent if began <= at < ended]


async def span_of_encoding(disperser: str, salt: int) -> tuple[float, float]:
    """When a full blob came to the encoder and when it left it. Raises `RpcFailedError` when it was never seen there."""
    began = None
    client = AsyncDisperserClient(disperser)
    try:
        request = await client.disperse(payload(BLOB_BYTES_MAX, salt))
        with anyio.fail_after(BLOB_LIMIT_S):
            while (state := await client.status(request)).status is BlobStatus.PROCESSING:
                now = time.perf_counter()
                if state.step == ENCODING:
                    began = began or now
                elif began is not None:
                    return began, now
                await anyio.sleep(LOOK_S)
    finally:
        await client.close()
    raise RpcFailedError("the blob was never seen at the encoder")


def transfer(node: Node, signed: Sequence[bytes]) -> list[float]:
    """Send them one by one on a connection; seconds of each until its answer, which comes when it is in a block."""
    with node.connect() as connection:
        requests = [connection.prepare(rpc_body("eth_sendRawTransaction", "0x" + raw.hex())) for raw in signed]
        seconds, answers = [], []
        for request in requests:
            started = time.perf_counter()
            answers.append(connection.send(request))
            seconds.append(time.perf_counter() - started)
    require_accepted(answers)
    return seconds
