"""The supervisor of `zerog up`: starts the roles in order, proves each ready, brings back what ends, and stops them in reverse."""

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import msgspec
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.devnet.endpoints import (
    CONTRACTS,
    Account,
    ChainEndpoints,
    ComputeEndpoints,
    DaEndpoints,
    Endpoints,
    StorageEndpoints,
    as_environment,
)
from zerog.devnet.errors import FewerNodesError, ForeignNetworkError, RoleFailedError
from zerog.devnet.folder import NetworkFolder, NetworkRecord
from zerog.devnet.launch import role_command, run_as_process, run_in_loop
from zerog.devnet.settings import DevnetSettings
from zerog.devnet.subsystems import SUBSYSTEMS, Subsystem, chosen_ports
from zerog.networks import NetworkParams
from zerog.primitives import checksum_address
from zerog.primitives.keys import derive_accounts
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, Verb, connect
from zerog.runtime.files import FileLock, LockHeldError, write_atomically
from zerog.runtime.ports import hold_port
from zerog.runtime.process import FolderGoneError, expected_error
from zerog.runtime.report import ReportedError, report_of

__all__ = ["Supervisor"]

log = structlog.get_logger(__name__)

READY_S_MAX: Final = 120.0
"""A role that replays a long log takes its time; one that hangs shall not be waited for for ever."""
PROBE_S_MAX: Final = 60.0
END_S_MAX: Final = 10.0
"""From the moment when a role answers no more to the end of its process."""
ASK_S_MAX: Final = 600.0
"""For a checkpoint of much data."""
ORPHAN_S_MAX: Final = 20.0
"""A role whose supervisor was killed stops by itself; this is how long the next supervisor waits for that."""
ORPHAN_LOOK_S: Final = 0.02
RESTART_S_FIRST: Final = 0.1
RESTART_S_MAX: Final = 10.0
HEALTHY_S: Final = 60.0
"""After so long without a fault the next fault counts as the first."""
FAILURES_MAX: Final = 6
"""So many faults in a row and the network stops."""


@dataclass(slots=True)
class _Slot:
    """One role under supervision."""

    subsystem: Subsystem
    ports: dict[str, int]
    """By what they are for; those that the system chooses are known once it runs."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    proven: anyio.Event = field(default_factory=anyio.Event)
    """Set once it has been ready."""
    url: str | None = None
    proof: Mapping[str, object] = field(default_factory=dict)
    """What the role's probe said."""
    genesis_hash: str | None = None
    """Of the chain that the role runs or follows, if it says so."""
    endpoints: object = None
    """Where its parts are, if it says so: the role's member of `endpoints.json`."""
    ready: bool = False
    restarts: int = 0
    cancelled: bool = False


class Supervisor:
    """All roles of one network. Itself a role: its status is theirs, and what it is asked goes to all of them."""

    name = "supervisor"

    def __init__(
        self, settings: DevnetSettings, folder: NetworkFolder, network: NetworkParams, subsystems: Sequence[Subsystem] = SUBSYSTEMS
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._network = network
        self._subsystems = subsystems
        self._slots: list[_Slot] = []
        self.endpoints: Endpoints | None = None

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Run the network until cancelled. Reports the chain's URL once every role is proven ready.

        Raises `ForeignNetworkError`, `PortInUseError`, `RoleFailedError`, `RecordBrokenError`.
        """
        stopping = anyio.Event()
        async with anyio.create_task_group() as outer:
            outer.start_soon(self._carry, stopping, task_status, name="supervisor.carry")
            try:
                await anyio.sleep_forever()
            finally:
                stopping.set()

    async def probe(self) -> Mapping[str, object]:
        """Probe every role."""
        return {slot.subsystem.name: await self._ask(slot, "probe", PROBE_S_MAX) for slot in self._slots}

    def status(self) -> Mapping[str, object]:
        """Each role's URL and restarts, as the supervisor knows them."""
        roles: dict[str, object] = {
            slot.subsystem.name: {"url": slot.url, "ready": slot.ready, "restarts": slot.restarts, "proof": slot.proof}
            for slot in self._slots
        }
        return {"network": self._network.name, "data_dir": str(self._folder.path), "roles": roles}

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        for slot in self._slots:  # Each follows by itself, so to ask one after the other costs little.
            try:
                await self._ask(slot, "follow", PROBE_S_MAX)
            except ReportedError as error:
                raise ReportedError(report_of(error), origin=slot.subsystem.name) from None

    async def quiesce(self, block: int) -> None:
        """The chain first, then what follows it."""
        for slot in self._slots:
            await self._ask(slot, "quiesce", ASK_S_MAX, block=block)

    async def checkpoint(self, directory: Path) -> None:
        """Each role into its own folder below `directory`."""
        for slot in self._slots:
            await self._ask(slot, "checkpoint", ASK_S_MAX, directory=directory / slot.subsystem.name)

    async def resume(self) -> None:
        """In the order of the start."""
        for slot in self._slots:
            await self._ask(slot, "resume", ASK_S_MAX)

    def is_ready(self, role: str) -> bool:
        """Whether a role runs and has been proven ready since it last started."""
        return any(slot.ready for slot in self._of(role))

    def restarts(self, role: str) -> int:
        """How often a role had to be brought back."""
        return sum(slot.restarts for slot in self._of(role))

    # The life of the network.

    async def _carry(self, stopping: anyio.Event, task_status: TaskStatus[str]) -> None:
        """Start, hold and stop the roles. Shielded, so that they stop one after the other and not all at once."""
        with anyio.CancelScope(shield=True), ExitStack() as held:
            record = None if self._settings.ephemeral else self._folder.read_record()
            self._check_network(record)
            self._settings = _with_kept_layout(self._settings, record)
            async with anyio.create_task_group() as parts:
                parts.start_soon(self._stop_in_order, stopping, name="supervisor.stop")
                for subsystem in self._wanted():
                    await self._prepare(subsystem, record, held)
                async with anyio.create_task_group() as starts:
                    for slot in self._slots:
                        starts.start_soon(self._start, slot, parts, name=f"supervisor.start.{slot.subsystem.name}")
                if not stopping.is_set():
                    self._remember(record)
                    task_status.started(self.endpoints.chain.http if self.endpoints and self.endpoints.chain else "")

    def _wanted(self) -> list[Subsystem]:
        return [subsystem for subsystem in self._subsystems if not self._settings.only or subsystem.name in self._settings.only]

    async def _prepare(self, subsystem: Subsystem, record: NetworkRecord | None, held: ExitStack) -> None:
        """A place for a role whose ports are free, and stay so for it: one that starts earlier chooses some of its own.

        Raises `PortInUseError` with the name of whoever has one.
        """
        await self._outlast_orphan(subsystem.name)
        slot = _Slot(subsystem, chosen_ports(subsystem, self._settings, record))
        for port in slot.ports.values():
            if port:
                hold_port(held, self._settings.host, port)
        self._slots.append(slot)

    async def _start(self, slot: _Slot, parts: anyio.abc.TaskGroup) -> None:
        """All at once: each waits by itself for what it needs of the others, and loads its program meanwhile."""
        await parts.start(self._keep, slot, name=f"supervisor.{slot.subsystem.name}")
        if not slot.cancelled:
            log.info("role_started", of=slot.subsystem.name, url=slot.url, proof=slot.proof)

    async def _stop_in_order(self, stopping: anyio.Event) -> None:
        await stopping.wait()
        for slot in reversed(self._slots):
            slot.cancelled = True
            slot.scope.cancel()
            await slot.ended.wait()

    async def _outlast_orphan(self, role: str) -> None:
        """A role of a supervisor that was killed may still be closing its files. Raises `LockHeldError` if it stays."""
        path = self._folder.run / f"{role}.lock"
        deadline = anyio.current_time() + ORPHAN_S_MAX
        while True:
            try:
                FileLock.acquire(path, command="zerog up").release()
            except LockHeldError:
                if anyio.current_time() > deadline:
                    raise
                await anyio.sleep(ORPHAN_LOOK_S)
            else:
                return

    # One role.

    async def _keep(self, slot: _Slot, *, task_status: TaskStatus[None]) -> None:
        """Run one role and bring it back when it ends. The first start must succeed."""
        failures = 0
        try:
            with slot.scope:
                while True:
                    started_s = anyio.current_time()
                    try:
                        await self._run_once(slot, task_status if slot.url is None else TASK_STATUS_IGNORED)
                    except Exception as error:
                        if slot.url is None or expected_error(error) is None:
                            raise
                        failures = 1 if anyio.current_time() - started_s > HEALTHY_S else failures + 1
                        self._consider(slot, error, failures)
                    await anyio.sleep(min(RESTART_S_FIRST * 2**failures, RESTART_S_MAX))
        finally:
            slot.ended.set()
        if slot.url is None:
            task_status.started()  # Cancelled before it was ready; whoever waits for it looks at `cancelled`.

    def _consider(self, slot: _Slot, error: Exception, failures: int) -> None:
        """Log a fault; give up after too many. Raises `FolderGoneError` rather than let a role make a folder anew that was removed."""
        slot.restarts += 1
        report = report_of(expected_error(error) or error)
        log.warning("role_ended", of=slot.subsystem.name, code=report.code, cause=report.cause, failures=failures)
        if not self._folder.run.exists():
            raise FolderGoneError(self._folder.path) from error
        if failures >= FAILURES_MAX:
            raise RoleFailedError(slot.subsystem.name, report, self._tail(slot.subsystem.name)) from error

    async def _run_once(self, slot: _Slot, task_status: TaskStatus[None]) -> None:
        """From a start to an end. Returns or raises when the role has ended."""
        try:
            async with anyio.create_task_group() as role:
                url = await role.start(self._runner(slot), name=f"{slot.subsystem.name}.role")
                for earlier in self._slots[: self._slots.index(slot)]:
                    await earlier.proven.wait()
                slot.proof = await self._prove(slot)
                self._learn(slot, url, await self._ask(slot, "status", PROBE_S_MAX))
                slot.ready = True
                slot.proven.set()
                task_status.started()
        except BaseExceptionGroup as group:
            raise expected_error(group) or group from None
        finally:
            slot.ready = False

    async def _prove(self, slot: _Slot) -> Mapping[str, object]:
        """What the role's probe says. A role that goes away meanwhile says more by its end, which ends this wait."""
        try:
            return await self._ask(slot, "probe", PROBE_S_MAX)
        except (ControlFaultError, RoleNotRunningError):
            await anyio.sleep(END_S_MAX)
            raise

    def _learn(self, slot: _Slot, url: str, status: Mapping[str, object]) -> None:
        """Where the role is, and which chain it knows."""
        ports = status.get("ports")
        if isinstance(ports, Mapping):
            slot.ports.update((str(use), int(port)) for use, port in ports.items())
        else:
            slot.ports[next(iter(slot.ports))] = int(url.rsplit(":", 1)[1])
        genesis = status.get("genesis")
        slot.genesis_hash = None if genesis is None else str(genesis)
        slot.endpoints = status.get("endpoints")
        slot.url = url

    def _runner(self, slot: _Slot) -> Callable[..., Coroutine[object, object, None]]:
        """The function that runs the role, here or in a process."""
        subsystem, settings = slot.subsystem, self._settings
        flags = subsystem.flags(settings, slot.ports)
        if settings.one_process:
            make = partial(subsystem.make, flags, self._folder.path, settings.ephemeral)
            return partial(run_in_loop, make, self._folder.run)
        command = role_command(subsystem.command, self._folder.path.parent, flags, ephemeral=settings.ephemeral)
        return partial(run_as_process, subsystem.name, command, ready_s_max=READY_S_MAX)

    async def _ask(
        self, slot: _Slot, verb: Verb, timeout_s: float, *, block: int | None = None, directory: Path | None = None
    ) -> Mapping[str, object]:
        async with connect(self._folder.control(slot.subsystem.name)) as role:
            return await role.ask(verb, timeout_s=timeout_s, block=block, directory=directory)

    def _of(self, role: str) -> list[_Slot]:
        """None or one."""
        return [slot for slot in self._slots if slot.subsystem.name == role]

    def _tail(self, role: str) -> tuple[str, ...]:
        """The end of a role's log."""
        path = self._folder.logs / f"{role}.jsonl"
        return tuple(path.read_text(encoding="utf-8").splitlines()[-5:]) if path.exists() else ()

    # What the network remembers and tells.

    def _check_network(self, record: NetworkRecord | None) -> None:
        """Raises `ForeignNetworkError`."""
        if record is not None and record.network != self._network.name:
            raise ForeignNetworkError(self._folder.path, f"the network {record.network!r}", f"{self._network.name!r}")
        if record is not None and record.chain_id not in (None, self._network.chain_id):
            kept = f"a network with chain id {record.chain_id}"
            raise ForeignNetworkError(self._folder.path, kept, f"one with chain id {self._network.chain_id}")

    def _remember(self, record: NetworkRecord | None) -> None:
        """Write the record, `endpoints.json` and `.env`."""
        if not self._settings.ephemeral:
            kept = record or NetworkRecord(network=self._network.name)
            base = kept.port_base if self._settings.port_base is None else self._settings.port_base
            ports = dict(kept.ports)
            ports.update((f"{slot.subsystem.name}.{use}", port) for slot in self._slots for use, port in slot.ports.items())
            self._folder.write_record(
                msgspec.structs.replace(
                    kept,
                    chain_id=self._network.chain_id,
                    genesis_hash=self._genesis_hash(kept),
                    port_base=base,
                    ports=ports,
                    nodes=self._settings.nodes,
                    replicas=self._settings.replicas,
                )
            )
        self.endpoints = self._make_endpoints()
        write_atomically(self._folder.endpoints, self.endpoints.to_json())
        write_atomically(self._folder.environment, as_environment(self.endpoints))

    def _genesis_hash(self, kept: NetworkRecord) -> str | None:
        """The chain's genesis, held against the one that the network began with. Raises `ForeignNetworkError`."""
        found = next((slot.genesis_hash for slot in self._of("chain")), None)
        if found is None:
            return kept.genesis_hash
        if kept.genesis_hash not in (None, found):
            raise ForeignNetworkError(self._folder.path, f"a chain with genesis {kept.genesis_hash}", f"genesis {found}")
        return found

    def _make_endpoints(self) -> Endpoints:
        chain = next((slot.url for slot in self._of("chain")), None)
        storage = next((slot.endpoints for slot in self._of("storage")), None)
        da = next((slot.endpoints for slot in self._of("da")), None)
        compute = next((slot.endpoints for slot in self._of("compute")), None)
        return Endpoints(
            network=self._network.name,
            chain_id=self._network.chain_id,
            pid=os.getpid(),
            data_dir=str(self._folder.path),
            logs=str(self._folder.logs),
            chain=None if chain is None else ChainEndpoints(http=chain, ws=chain.replace("http", "ws", 1)),
            storage=None if storage is None else msgspec.convert(storage, StorageEndpoints),
            da=None if da is None else msgspec.convert(da, DaEndpoints),
            compute=None if compute is None else msgspec.convert(compute, ComputeEndpoints),
            contracts={name: self._contract(known_as) for name, known_as in CONTRACTS.items()},
            accounts=self._accounts(),
        )

    def _contract(self, known_as: str) -> str | None:
        address = self._network.addresses.get(known_as)
        return None if address is None else checksum_address(address)

    def _accounts(self) -> list[Account]:
        """Test accounts are public knowledge; no other network has them."""
        genesis = self._network.genesis
        if genesis is None:
            return []
        accounts = derive_accounts(genesis.mnemonic, genesis.account_count)
        return [Account(address=str(account.address), private_key=f"0x{account.private_key.hex()}") for account in accounts]


def _with_kept_layout(settings: DevnetSettings, record: NetworkRecord | None) -> DevnetSettings:
    """The settings with as many storage nodes as the network has, unless more are asked for: then each old one's shard becomes a part of
    what it was, and new ones fetch theirs. Raises `FewerNodesError`."""
    if record is None:
        return settings
    merged = replace(settings, nodes=settings.nodes or record.nodes, replicas=settings.replicas or record.replicas)
    kept = (record.nodes or 1) * (record.replicas or 1)
    if merged.storage_node_count < kept:
        raise FewerNodesError(kept, merged.storage_node_count)
    return merged
