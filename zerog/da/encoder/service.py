"""The role: encodes blobs for whoever asks, one after another, and says what it computes with."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog._kernel import EncodedBlob
from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.da.client.chain import DaChain
from zerog.da.client.setup import Setup, open_setup
from zerog.da.encoder.metrics import EncoderCounters, render_metrics
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.protocol.blob import check_encoder_size
from zerog.da.protocol.constants import ENCODED_ROWS
from zerog.da.protocol.errors import DaError
from zerog.primitives import Hash32
from zerog.runtime.background import BackgroundThreads
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.pages import RolePages
from zerog.runtime.http.side import serve_side_pages

__all__ = ["DaEncoder", "EncoderStoppedError"]

log = structlog.get_logger(__name__)

PROBE: Final = b"zerog"


@dataclass(eq=False)
class EncoderStoppedError(DaError):
    """The encoder does not run, or not yet."""

    code = "encoder_stopped"
    remedy = "start it and wait until it reports its address"
    http_status = 503

    def __str__(self) -> str:
        return "the encoder is not running"


class DaEncoder:
    """One encoder with its gRPC server."""

    def __init__(
        self, settings: DaEncoderSettings, clock: Clock | None = None, *, setup: Setup | None = None, name: str = "encoder"
    ) -> None:
        """`setup` is one that is open already, in place of that of the settings."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.address: str | None = None
        """`host:port` of gRPC, while it runs."""
        self.http_url: str | None = None
        self.counters: Final = EncoderCounters()
        self._setup = setup
        self._threads: BackgroundThreads | None = None

    @property
    def setup(self) -> Setup:
        """What it computes with. Raises `EncoderStoppedError`."""
        if self._setup is None:
            raise EncoderStoppedError
        return self._setup

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports its address (`host:port`) once it answers; a part that fails stops the whole encoder.

        Raises `PortInUseError`, what opening the setup raises, and the chain client's errors where a chain is named and does not answer.
        """
        if self._setup is None:
            self._setup = await self._open_setup()
        self._threads = BackgroundThreads("encoder", self.settings.at_once, waiting_max=self.settings.waiting)
        try:
            async with create_task_group() as parts:
                if self.settings.http_port is not None:
                    pages = RolePages(probe=self.probe, metrics=self.metrics)
                    access = AccessRules(bind_host=self.settings.host, dev_methods=False)
                    self.http_url = await parts.start(serve_side_pages, pages, access, self.settings.http_port)
                self.address = await parts.start(self._serve, name=f"{self.name}.grpc")
                log.info("encoder_ready", address=self.address, setup=self.setup.kind, fingerprint=self.setup.fingerprint.hex())
                task_status.started(self.address)
        finally:
            self._threads.close()
            self._threads, self.address, self.http_url = None, None, None

    async def _open_setup(self) -> Setup:
        settings = self.settings
        is_own = True
        if settings.chain_url is not None:
            async with AsyncChainClient(settings.chain_url) as client:
                is_own = (await patiently(partial(DaChain.find, client))).is_own
        opening = partial(open_setup, settings.setup, host=settings.host, is_own_network=is_own, allow_remote=settings.allow_insecure_setup)
        return await to_thread.run_sync(opening)

    async def _serve(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        from zerog.da.encoder.rpc import serve_encoder  # It loads grpcio.

        await serve_encoder(self, task_status=task_status)

    async def encode(self, data: bytes) -> EncodedBlob:
        """Encode in turn, at lower priority. Raises `EncoderBlobTooLargeError`, `BackgroundBusyError`, `EncoderStoppedError`."""
        check_encoder_size(len(data))
        if self._threads is None:
            raise EncoderStoppedError
        begun_s = self.clock.monotonic_s()
        encoded = await self._threads.run(partial(self.setup.amt.encode, data))
        self.counters.blobs += 1
        self.counters.bytes += len(data)
        self.counters.seconds += self.clock.monotonic_s() - begun_s
        return encoded

    async def slices(self, encoded: EncodedBlob, slices_a_part: int) -> AsyncIterator[list[bytes]]:
        """All slices in row order, some at a time."""
        for first in range(0, ENCODED_ROWS, slices_a_part):
            yield await to_thread.run_sync(encoded.slices, first, min(ENCODED_ROWS, first + slices_a_part))

    @property
    def waiting(self) -> int:
        """Blobs that wait for their turn."""
        return 0 if self._threads is None else self._threads.waiting

    def metrics(self) -> bytes:
        """What the encoder counts, in the text format of Prometheus."""
        return render_metrics(self.counters, waiting=self.waiting)

    async def probe(self) -> Mapping[str, object]:
        """Encode a blob of a few bytes, and check one of its slices. Leaves nothing. Raises a `ZerogError`."""
        encoded = await self.encode(PROBE)
        [row] = await to_thread.run_sync(self.setup.amt.verify_slices, encoded.slices(0, 1), encoded.data_root, encoded.commitment)
        return {"root": str(Hash32(encoded.data_root)), "row": row, "setup": self.setup.kind, "fingerprint": self.setup.fingerprint.hex()}

    def status(self) -> Mapping[str, object]:
        """What the encoder knows about itself; JSON values only."""
        setup = self._setup
        return {
            "address": self.address,
            "setup": None if setup is None else setup.kind,
            "fingerprint": None if setup is None else setup.fingerprint.hex(),
            "blobs": self.counters.blobs,
            "bytes": self.counters.bytes,
            "waiting": self.waiting,
        }

    async def quiesce(self, block: int) -> None:
        """It keeps nothing."""

    async def checkpoint(self, directory: Path) -> None:
        """It keeps nothing."""

    async def resume(self) -> None:
        """It never stopped."""
