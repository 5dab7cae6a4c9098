"""A disperser that is killed as soon as it has kept a step: no blob is lost, none is announced twice, all become final."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.ledger.counts import LONG, commit_seed
from tests.unit.da.disperser.network import FINAL_S, DaNetwork, open_da, pattern
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.protocol.dispersal import Step
from zerog.da.protocol.status import BlobStatus

ROOT = Path(__file__).parents[2]
WAY = ["encoding", "encoded", "submitted", "signing", "signed", "confirming", "confirmed", "finalized"]
SEED = commit_seed()
DEATHS = WAY if LONG else [Random(f"disperser {SEED}").choice(WAY)]
BLOBS = 3 if LONG else 1


@pytest.fixture(scope="module")
async def da(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaNetwork]:
    async with open_da(tmp_path_factory.mktemp("da")) as network:
        yield network


class Lines:
    """What a driver says, line by line."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._stream = TextReceiveStream(process.stdout)
        self._rest = ""

    async def until(self, end: str) -> str:
        """The first line that begins or ends with this."""
        while True:
            line, found, rest = self._rest.partition("\n")
            if not found:
                self._rest += await self._stream.receive()
                continue
            self._rest = rest
            if line.startswith(end) or line.endswith(end):
                return line


@asynccontextmanager
async def driver(da: DaNetwork, folder: Path) -> AsyncIterator[tuple[AsyncDisperserClient, Lines, Process]]:
    command = [sys.executable, "-m", "tests.crash.disperser_driver", str(folder), da.place.client.url, da.encoder]
    process = await anyio.open_process(command, cwd=ROOT, stderr=None)
    try:
        lines = Lines(process)
        with anyio.fail_after(60):
            address = (await lines.until("serving ")).split()[1]
        async with AsyncDisperserClient(address) as client:
            yield client, lines, process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.aclose()


@pytest.mark.parametrize("step", DEATHS)
async def test_nothing_acknowledged_is_lost_or_announced_twice(da: DaNetwork, tmp_path: Path, step: str) -> None:
    blobs = [pattern(1_500, 1_000 + 10 * WAY.index(step) + number) for number in range(BLOBS)]
    async with driver(da, tmp_path) as (client, lines, process):
        ids = [await client.disperse(data) for data in blobs]
        with anyio.fail_after(FINAL_S):
            await lines.until(f" {step}")
        process.kill()
        await process.wait()
    async with driver(da, tmp_path) as (client, _, _):
        for request_id, data in zip(ids, blobs, strict=True):
            with anyio.fail_after(FINAL_S):
                while not (state := await client.status(request_id)).status.is_last:  # noqa: ASYNC110 - a client polls.
                    await anyio.sleep(0.05)
            assert state.status is BlobStatus.FINALIZED, state.reason
            assert state.name is not None
            assert await client.retrieve(state.name) == data
            assert await da.announcements(state.name.root) == 1
        assert len((await client.blobs()).blobs) == BLOBS


def test_every_step_that_is_kept_is_struck() -> None:
    assert {*WAY, "received", "failed"} == {str(step) for step in Step}
