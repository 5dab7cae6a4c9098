"""All of DA in one event loop: a chain, three signers, an encoder, a disperser; and the ways in which tests disturb them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskStatus

from tests.unit.da.place import Node, Place, open_place, setup_of
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.disperser.service import DaDisperser
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.disperser.steps import Carried
from zerog.da.encoder.service import DaEncoder
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobState, BlobStatus
from zerog.da.wire.signer import FILE as SIGNER_FILE
from zerog.runtime.grpc.methods import Served
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc

__all__ = ["FINAL_S", "DaNetwork", "Disperser", "open_da", "pattern"]

FINAL_S = 100.0
"""More than a blob takes on the slowest machine."""


def pattern(size_bytes: int, seed: int = 0) -> bytes:
    """Bytes that differ from blob to blob."""
    return bytes((7 * index + 3 + seed * 31 + (index >> 8)) % 256 for index in range(min(size_bytes, 1 << 16))).ljust(size_bytes, b"\x5a")


@dataclass
class Disperser:
    """A disperser that runs, and a client of it."""

    role: DaDisperser
    client: AsyncDisperserClient
    address: str
    _stop: anyio.CancelScope = field(repr=False)
    _ended: anyio.Event = field(repr=False)

    async def stop(self) -> None:
        await self.client.close()
        self._stop.cancel()
        with anyio.fail_after(30):
            await self._ended.wait()

    async def wait(self, request_id: bytes, *statuses: BlobStatus) -> BlobState:
        """Until a blob has one of these statuses, or else has ended, and the role is done with it."""
        with anyio.fail_after(FINAL_S):
            while True:
                state = await self.client.status(request_id)
                if state.status.is_last:
                    await self._let_go(request_id)
                    return state
                if state.status in statuses:
                    return state
                await anyio.sleep(0.02)

    async def _let_go(self, request_id: bytes) -> None:
        """Until the role has tidied up behind a blob that has ended: its end can be read before."""
        running = self.role.running
        row = await running.parts.store.by_request_id(request_id.decode())
        blob = None if row is None else running.carrier.blobs.get(row.seq)
        if blob is not None:
            await blob.ended.wait()

    async def finalized(self, request_id: bytes) -> BlobName:
        state = await self.wait(request_id, BlobStatus.FINALIZED)
        assert state.status is BlobStatus.FINALIZED, state.reason
        assert state.name is not None
        return state.name


class DaNetwork:
    """What runs beside the dispersers that tests start."""

    def __init__(self, place: Place, encoder: str, signers: list[Node], folder: Path) -> None:
        self.place = place
        self.encoder = encoder
        self.signers = signers
        self.folder = folder
        self._numbers = 0

    def new_folder(self) -> Path:
        self._numbers += 1
        return self.folder / f"disperser-{self._numbers}"

    async def start(
        self, data_dir: Path | None = None, *, on_step: Callable[[Carried], Awaitable[None]] | None = None, **changes: Any
    ) -> Disperser:
        settings: Mapping[str, Any] = {
            "data_dir": data_dir or self.new_folder(),
            "port": 0,
            "chain_url": self.place.client.url,
            "encoder": self.encoder,
        } | changes
        role = DaDisperser(DaDisperserSettings(**settings), on_step=on_step)
        address, stop, ended = await self.place.start(role.run)
        return Disperser(role, AsyncDisperserClient(address), address, stop, ended)

    @asynccontextmanager
    async def disperser(self, data_dir: Path | None = None, **changes: Any) -> AsyncIterator[Disperser]:
        running = await self.start(data_dir, **changes)
        try:
            yield running
        finally:
            with anyio.CancelScope(shield=True):
                await running.stop()

    async def restart_signer(self, index: int) -> None:
        """Start a signer again that was stopped, with its data."""
        folder = self.signers[index].role.settings.data_dir
        assert folder is not None
        self.signers[index] = await self.place.signer(index + 1, folder)

    @asynccontextmanager
    async def in_place_of(self, index: int, *methods: Served) -> AsyncIterator[None]:
        """Have a server with these methods answer where the chain says that a signer is; afterwards the signer is there again."""
        await self.signers[index].stop()

        async def serve(*, task_status: TaskStatus[str]) -> None:
            limits = GrpcLimits(message_bytes_max=1 << 30)
            await serve_grpc(methods, [SIGNER_FILE], "127.0.0.1", 0, limits=limits, task_status=task_status)

        address, stop, ended = await self.place.start(serve)
        await self.place.chain.update_socket(self.signers[index].account, address)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                stop.cancel()
                await ended.wait()
                await self.restart_signer(index)

    async def announcements(self, root: bytes) -> int:
        """How often a root was announced."""
        head = await self.place.client.block_number()
        return sum(1 for event in await self.place.chain.events(0, int(head)) if event.blob.root == root and not event.is_verified)


@asynccontextmanager
async def open_da(folder: Path) -> AsyncIterator[DaNetwork]:
    """Everything but a disperser."""
    async with open_place() as place:
        setup = await to_thread.run_sync(setup_of)
        encoder = DaEncoder(DaEncoderSettings(port=0), setup=setup)
        address, _, _ = await place.start(encoder.run)
        signers = [await place.signer(index, folder / f"signer-{index}") for index in (1, 2, 3)]
        yield DaNetwork(place, address, signers, folder)
