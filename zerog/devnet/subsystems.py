"""The subsystems that `zerog up` knows: where each listens, how its process is started, how it runs in ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.devnet.folder import NetworkRecord
from zerog.devnet.settings import DEFAULT_PORT_BASE, DevnetSettings
from zerog.networks import RoleName
from zerog.runtime.role import Role

__all__ = ["SUBSYSTEMS", "Ports", "Subsystem", "chosen_ports"]

Ports = Mapping[str, int]
"""Ports of one subsystem by what they are for; 0 lets the system choose."""

PORTS_PER_NODE: Final = ("rpc", "admin", "grpc")
"""What a storage node listens on."""


@dataclass(frozen=True, kw_only=True)
class Subsystem:
    """One process of a network."""

    name: RoleName
    default_ports: Callable[[DevnetSettings], Ports]
    """Where it listens by default. The first is that of its URL, unless its status names its ports."""
    command: tuple[str, ...]
    """Its program: a module and its first arguments."""
    flags: Callable[[DevnetSettings, Ports], list[str]]
    """Flags of that command, for the network's settings and the role's ports."""
    make: Callable[[Sequence[str], Path, bool], Role]
    """The role itself, from the same flags, the network's state folder, and whether it keeps its state in memory."""


def chosen_ports(subsystem: Subsystem, settings: DevnetSettings, record: NetworkRecord | None) -> dict[str, int]:
    """The ports to listen on. Ports once chosen stay for a network until other ones are asked for."""
    kept, kept_base = ({}, None) if record is None else (record.ports, record.port_base)
    base = kept_base if settings.port_base is None else settings.port_base
    moved_by = (base or DEFAULT_PORT_BASE) - DEFAULT_PORT_BASE
    chosen: dict[str, int] = {}
    for use, default in subsystem.default_ports(settings).items():
        if base == kept_base and (port := kept.get(f"{subsystem.name}.{use}")) is not None:
            chosen[use] = port
        else:
            chosen[use] = 0 if base == 0 or default == 0 else default + moved_by
    return chosen


def _chain_flags(settings: DevnetSettings, ports: Ports) -> list[str]:
    flags = ["--host", settings.host, "--rpc-port", str(ports["rpc"])]
    if settings.block_time_s is not None:
        flags += ["--block-time", str(settings.block_time_s)]
    if settings.hardfork is not None:
        flags += ["--hardfork", settings.hardfork]
    if settings.rules is not None:
        flags += ["--rules", settings.rules]
    if settings.like is not None:
        flags += ["--like", settings.like]
    if settings.chain_id is not None:
        flags += ["--chain-id", str(settings.chain_id)]
    return flags


def _make_chain(flags: Sequence[str], state_folder: Path, ephemeral: bool) -> Role:
    from zerog.chain.node.settings import ChainNodeSettings  # Only a network in one process has the node in the supervisor.
    from zerog.devnet.chain import make_chain_node
    from zerog.runtime.settings import fill

    settings = fill(ChainNodeSettings, flags, command=("chain", "run"), state_folder=state_folder)
    return make_chain_node(settings, state_folder, ephemeral=ephemeral)


def _storage_ports(settings: DevnetSettings) -> Ports:
    """The first node, the indexer and the key-value node stand where everybody looks for them; further nodes where the system says."""
    ports = {"indexer": 12345, "kv": 6789, "rpc": 5678, "admin": 5679, "grpc": 50051}
    ports.update((f"{use}.{node}", 0) for node in range(1, settings.storage_node_count) for use in PORTS_PER_NODE)
    return ports


def _storage_flags(settings: DevnetSettings, ports: Ports) -> list[str]:
    flags = ["--host", settings.host, "--shards", str(settings.nodes or 1), "--replicas", str(settings.replicas or 1)]
    if settings.mine:
        flags.append("--mine")
    for use in ("indexer", "kv", *PORTS_PER_NODE):
        flags += [f"--{use}-port", str(ports[use])]
    for node in range(1, settings.storage_node_count):
        for use in PORTS_PER_NODE:
            flags += ["--further-ports", str(ports[f"{use}.{node}"])]
    return flags


def _make_storage(flags: Sequence[str], state_folder: Path, _ephemeral: bool) -> Role:
    from zerog.devnet.storage import StorageService
    from zerog.devnet.storage_settings import StorageServiceSettings
    from zerog.runtime.settings import fill

    settings = fill(StorageServiceSettings, flags, command=("storage", "serve"), state_folder=state_folder)
    return StorageService(settings, state_folder)


def _da_ports(settings: DevnetSettings) -> Ports:
    """Each service stands where everybody looks for it, the signers one after another."""
    ports = {"gateway": 3100, "disperser": 51001, "encoder": 34000, "retriever": 34005}
    ports.update((f"signer.{index}", 34010 + index) for index in range(settings.signer_count))
    return ports


def _da_flags(settings: DevnetSettings, ports: Ports) -> list[str]:
    flags = ["--host", settings.host, "--signers", str(settings.signer_count)]
    for use in ("gateway", "disperser", "encoder", "retriever"):
        flags += [f"--{use}-port", str(ports[use])]
    for index in range(settings.signer_count):
        flags += ["--signer-ports", str(ports[f"signer.{index}"])]
    return flags


def _make_da(flags: Sequence[str], state_folder: Path, _ephemeral: bool) -> Role:
    from zerog.devnet.da import DaService
    from zerog.devnet.da_settings import DaServiceSettings
    from zerog.runtime.settings import fill

    settings = fill(DaServiceSettings, flags, command=("da", "serve"), state_folder=state_folder)
    return DaService(settings, state_folder)


def _compute_flags(settings: DevnetSettings, ports: Ports) -> list[str]:
    flags = ["--host", settings.host, "--port", str(ports["http"])]
    for engine in settings.engine:
        flags += ["--engine", engine]
    if settings.model is not None:
        flags += ["--model", settings.model]
    for other in ("storage", "da"):
        if any(subsystem.name == other for subsystem in SUBSYSTEMS) and (not settings.only or other in settings.only):
            flags.append(f"--with-{other}")
    return flags


def _make_compute(flags: Sequence[str], state_folder: Path, _ephemeral: bool) -> Role:
    from zerog.devnet.compute import ComputeService
    from zerog.devnet.compute_settings import ComputeServiceSettings
    from zerog.runtime.settings import fill

    settings = fill(ComputeServiceSettings, flags, command=("compute", "serve"), state_folder=state_folder)
    return ComputeService(settings, state_folder)


SUBSYSTEMS: Final[tuple[Subsystem, ...]] = (
    Subsystem(name="chain", default_ports=lambda _: {"rpc": 8545}, command=("zerog", "chain", "run"), flags=_chain_flags, make=_make_chain),
    Subsystem(
        name="storage", default_ports=_storage_ports, command=("zerog", "storage", "serve"), flags=_storage_flags, make=_make_storage
    ),
    Subsystem(name="da", default_ports=_da_ports, command=("zerog", "da", "serve"), flags=_da_flags, make=_make_da),
    Subsystem(
        name="compute",
        default_ports=lambda _: {"http": 3080},
        command=("zerog", "compute", "serve"),
        flags=_compute_flags,
        make=_make_compute,
    ),
)
"""In the order in which they are proven ready; they stop in the opposite one."""
