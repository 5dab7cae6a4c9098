"""The role: follows the entrance, stays registered, signs for rows, gives them back, and answers for itself."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, create_task_group, to_thread
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.da.client.chain import BlobEvent
from zerog.da.client.setup import Setup, open_setup
from zerog.da.following import BlockMark, EntranceFollower, FollowOptions
from zerog.da.signer.assignments import Assignments
from zerog.da.signer.errors import BadRequestError, NodeFaultError, SignerStoppedError
from zerog.da.signer.giving import Giving
from zerog.da.signer.metrics import render_metrics
from zerog.da.signer.place import SignerPlace, find_place, folder_of
from zerog.da.signer.registering import Registrar
from zerog.da.signer.settings import DaSignerSettings
from zerog.da.signer.signing import Signing
from zerog.da.signer.store import HeldBlob, SignerStore
from zerog.da.wire.signer import (
    BATCH_RETRIEVE,
    BATCH_SIGN,
    FILE,
    GET_STATUS,
    RETRIEVE_STREAM,
    SAMPLE,
    SIGN_STREAM,
    NodeStatus,
    RetrieveBatch,
    RowBatch,
    SignBatch,
    SignPart,
)
from zerog.primitives import Account
from zerog.runtime.clock import Clock, SystemClock
from zerog.runtime.gate import Gate
from zerog.runtime.grpc.methods import Caller, CallPool, Served, ServerCounters, served_stream, served_unary, served_upload
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc
from zerog.runtime.http.guard import AccessRules
from zerog.runtime.http.pages import RolePages
from zerog.runtime.http.side import serve_side_pages

__all__ = ["DaSigner", "RunningSigner"]

log = structlog.get_logger(__name__)

STATUS_CODE: Final = 200
SIGN_BYTES: Final = 128 << 20
"""What a request for a third of the rows takes: its message, the slices and the rows out of it."""
GIVE_BYTES: Final = 96 << 20
LIST_MAX: Final = 1_000
LIST_DEFAULT: Final = 100
READY_S_MAX: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSigner:
    """The parts of a node, while it runs."""

    place: SignerPlace
    setup: Setup
    store: SignerStore
    follower: EntranceFollower
    assignments: Assignments
    signing: Signing
    giving: Giving
    registrar: Registrar
    socket: str
    """What stands on chain."""


class DaSigner:
    """One DA node."""

    def __init__(
        self,
        settings: DaSignerSettings,
        clock: Clock | None = None,
        *,
        account: Account | None = None,
        setup: Setup | None = None,
        name: str = "da-signer",
    ) -> None:
        """`account` registers, by default the one of the settings; `setup` replaces that of the settings, for roles of one process that
        share it. `name` is that of the control socket."""
        self.name: Final = name
        self.settings: Final = settings
        self.clock: Final = clock or SystemClock()
        self.address: str | None = None
        """Host and port of gRPC."""
        self.http_url: str | None = None
        self._account: Final = account
        self._setup: Final = setup
        self._counters: Final = ServerCounters()
        self._gate: Final = Gate()
        self._running: RunningSigner | None = None

    @property
    def running(self) -> RunningSigner:
        """The parts of a node that runs. Raises `SignerStoppedError`."""
        if self._running is None:
            raise SignerStoppedError
        return self._running

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports host and port of gRPC once it answers; a part that fails stops the whole node.

        Raises `NodeUnreachableError` when no chain answers, `SignerSettingsError`, `EntranceUnknownError`, what opening setup and store
        raise, and `PortInUseError`.
        """
        with folder_of(self.settings) as folder:
            async with AsyncChainClient(self.settings.chain_url) as client:
                place = await patiently(partial(find_place, client, self.settings, self._account))
                setup = self._setup
                if setup is None:
                    setup = await to_thread.run_sync(self._open_setup, place.chain.is_own)
                store = await to_thread.run_sync(SignerStore, folder, self.clock)
                try:
                    await to_thread.run_sync(store.bind, str(place))
                    await self._serve_all(place, setup, store, task_status)
                finally:
                    self._running, self.address, self.http_url = None, None, None
                    with anyio.CancelScope(shield=True):
                        await to_thread.run_sync(store.close)

    def _open_setup(self, is_own_network: bool) -> Setup:
        settings = self.settings
        return open_setup(
            settings.setup, host=settings.host, is_own_network=is_own_network, allow_remote=settings.allow_insecure_setup, prove=False
        )

    async def _serve_all(self, place: SignerPlace, setup: Setup, store: SignerStore, task_status: TaskStatus[str]) -> None:
        settings = self.settings
        async with create_task_group() as parts:
            sink = _Sink(store)
            follower = EntranceFollower(place.chain, sink, _follow_options(settings))
            assignments = Assignments(place.chain, place.account.address)
            requests_max, threads = settings.batch_requests_max, settings.max_verify_threads
            signing = Signing(setup.amt, place.secret, assignments, store, requests_max=requests_max, threads=threads)
            giving = Giving(assignments, store, requests_max=requests_max, rows_max=settings.batch_rows_max, threads=threads)
            methods = self._methods(place, setup, signing, giving)
            limits = GrpcLimits(message_bytes_max=settings.message_bytes_max, memory_bytes_max=settings.memory_bytes_max)
            serve_all = partial(serve_grpc, methods, [FILE], settings.host, settings.port, limits=limits, counters=self._counters)
            address = await parts.start(serve_all, name=f"{self.name}.grpc")
            socket = settings.socket or address
            registrar = Registrar(place.chain, place.account, place.secret, socket, follower=follower, assignments=assignments, store=store)
            sink.went_back = (assignments.forget, registrar.forget)
            self.address = address
            self._running = RunningSigner(
                place=place,
                setup=setup,
                store=store,
                follower=follower,
                assignments=assignments,
                signing=signing,
                giving=giving,
                registrar=registrar,
                socket=socket,
            )
            parts.start_soon(follower.run, name=f"{self.name}.follow")
            parts.start_soon(registrar.run, name=f"{self.name}.register")
            self.http_url = await parts.start(self._serve_pages, name=f"{self.name}.http")
            log.info("signer_ready", address=address, http=self.http_url, signer=str(place.account.address), setup=setup.fingerprint.hex())
            task_status.started(address)

    def _methods(self, place: SignerPlace, setup: Setup, signing: Signing, giving: Giving) -> list[Served]:
        signs = CallPool(self.settings.max_ongoing_sign_request)
        gives = CallPool(self.settings.max_ongoing_retrieve_request)

        async def sign(batch: SignBatch, caller: Caller) -> Sequence[bytes]:
            async with self._gate.passing():
                return await signing.batch(batch, caller)

        async def sign_stream(parts: AsyncIterator[SignPart], caller: Caller) -> bytes:
            async with self._gate.passing():
                return await signing.stream(parts, caller)

        async def give(batch: RetrieveBatch, caller: Caller) -> RowBatch:
            return await giving.batch(batch, caller)

        async def status(_request: None, _caller: Caller) -> NodeStatus:
            return NodeStatus(code=STATUS_CODE, entrance=place.chain.entrance.hex(), setup_fingerprint=setup.fingerprint)

        return [
            served_unary(BATCH_SIGN, sign, pool=signs, memory_bytes=SIGN_BYTES),
            served_upload(SIGN_STREAM, sign_stream, pool=signs, memory_bytes=SIGN_BYTES),
            served_unary(BATCH_RETRIEVE, give, pool=gives, memory_bytes=GIVE_BYTES),
            served_stream(RETRIEVE_STREAM, giving.stream, pool=gives),
            served_unary(SAMPLE, giving.sample, pool=gives),
            served_unary(GET_STATUS, status),
        ]

    async def _serve_pages(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        settings = self.settings
        access = AccessRules(bind_host=settings.host, allowed_hosts=settings.allowed_host_names, dev_methods=False)
        pages = RolePages(probe=self.probe, metrics=self.metrics)
        await serve_side_pages(pages, access, settings.http_port, {"/blobs": self._list}, task_status=task_status)

    async def _list(self, query: Mapping[str, str]) -> object:
        """A page of the blobs that were signed, the newest epochs first."""
        try:
            limit = int(query.get("limit", LIST_DEFAULT))
        except ValueError:
            limit = 0
        if not 1 <= limit <= LIST_MAX:
            raise BadRequestError(f"limit: a number from 1 to {LIST_MAX}")
        page, cursor = await to_thread.run_sync(self.running.store.held, query.get("cursor", ""), limit)
        return {"blobs": [_shown(each) for each in page], "next_cursor": cursor}

    def metrics(self) -> bytes:
        """What the node counts, in the text format of Prometheus."""
        return render_metrics(self.running, self._counters)

    async def probe(self) -> Mapping[str, object]:
        """See that the chain is read to its tip and has this signer with its socket. Adds nothing. Raises a `ZerogError`."""
        running = self.running
        with anyio.move_on_after(READY_S_MAX):
            while not (running.follower.is_synced and running.registrar.is_registered and running.registrar.epoch is not None):
                if running.registrar.trouble is not None or running.follower.trouble is not None:
                    break
                await anyio.sleep(0.02)
        trouble = running.follower.trouble or running.registrar.trouble
        if trouble is not None or not running.registrar.is_registered:
            raise NodeFaultError(trouble or "the signer is not registered yet")
        return {"signer": str(running.place.account.address), "socket": running.socket, "epoch": running.assignments.epoch}

    def status(self) -> Mapping[str, object]:
        """What the node knows about itself; JSON values only."""
        running = self.running
        count, size_bytes = running.store.totals()
        return {
            "address": self.address,
            "http_url": self.http_url,
            "signer": str(running.place.account.address),
            "entrance": str(running.place.chain.entrance),
            "chain_id": running.place.chain.chain_id,
            "socket": running.socket,
            "setup": running.setup.fingerprint.hex(),
            "setup_kind": running.setup.kind,
            "epoch": running.assignments.epoch,
            "epoch_window": running.assignments.window,
            "registered": running.registrar.is_registered,
            "registration_trouble": running.registrar.trouble,
            "blobs": count,
            "bytes": size_bytes,
            "signed": running.signing.counters.signed,
            "refused": running.signing.counters.refused,
            **running.follower.status(),
        }

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self.running.follower.wait_until_level()

    async def quiesce(self, block: int) -> None:
        """Read no block after `block`, and let signatures end that are under way; others wait."""
        self.running.follower.limit(block)
        await self._gate.close()
        await self.running.follower.wait_until_read(block)

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the rows and of what is known of them in `directory`."""
        await to_thread.run_sync(self.running.store.copy, directory)

    async def resume(self) -> None:
        """Go on."""
        self._gate.open()
        self.running.follower.limit(None)


class _Sink:
    """Where the follower's events go."""

    def __init__(self, store: SignerStore) -> None:
        self._store: Final = store
        self.went_back: Sequence[Callable[[], None]] = ()

    def mark(self) -> BlockMark | None:
        return self._store.mark()

    def marks(self) -> Sequence[BlockMark]:
        return self._store.marks()

    async def take(self, mark: BlockMark, events: Sequence[BlobEvent]) -> None:
        await to_thread.run_sync(self._store.take, mark, events)

    async def unwind(self, mark: BlockMark | None) -> None:
        await to_thread.run_sync(self._store.unwind, mark)
        for tell in self.went_back:
            tell()


def _follow_options(settings: DaSignerSettings) -> FollowOptions:
    return FollowOptions(
        first_block=settings.first_block,
        confirmations=settings.confirmations,
        page_blocks=settings.page_blocks,
        interval_s=settings.sync_interval_s,
    )


def _shown(held: HeldBlob) -> dict[str, object]:
    signed = held.signed
    return {
        "root": str(signed.blob.root),
        "epoch": signed.blob.epoch,
        "quorum_id": signed.blob.quorum_id,
        "rows": signed.row_count,
        "bytes": signed.size_bytes,
        "signed_ms": signed.signed_ms,
        "verified": held.is_verified,
    }
