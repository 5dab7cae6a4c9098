"""The subsystems that `zerog up` knows: where each listens, how its process is started, how it runs in ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.devnet.folder import NetworkRecord
from zerog.devnet.settings import DEFAULT_PORT_BASE, DevnetSettings, RoleName
from zerog.runtime.role import Role

__all__ = ["SUBSYSTEMS", "Subsystem", "chosen_port"]


@dataclass(frozen=True, kw_only=True)
class Subsystem:
    """One process of a network."""

    name: RoleName
    default_port: int
    command: tuple[str, ...]
    """Its program: a module and its first arguments."""
    flags: Callable[[DevnetSettings, int], list[str]]
    """Flags of that command, for the network's settings and the role's port."""
    make: Callable[[Sequence[str], Path, bool], Role]
    """The role itself, from the same flags, the network's state folder, and whether it keeps its state in memory."""


def chosen_port(subsystem: Subsystem, settings: DevnetSettings, record: NetworkRecord | None) -> int:
    """The port to listen on; 0 lets the system choose. Ports once chosen stay for a network until other ones are asked for."""
    kept = None if record is None else record.ports.get(subsystem.name)
    if settings.port_base is None:
        return kept if kept is not None else subsystem.default_port
    if settings.port_base == 0:
        return kept if kept is not None and record is not None and record.port_base == 0 else 0
    return subsystem.default_port + settings.port_base - DEFAULT_PORT_BASE


def _chain_flags(settings: DevnetSettings, port: int) -> list[str]:
    flags = ["--host", settings.host, "--rpc-port", str(port)]
    if settings.block_time_s is not None:
        flags += ["--block-time", str(settings.block_time_s)]
    if settings.hardfork is not None:
        flags += ["--hardfork", settings.hardfork]
    if settings.rules is not None:
        flags += ["--rules", settings.rules]
    if settings.like is not None:
        flags += ["--like", settings.like]
    return flags


def _make_chain(flags: Sequence[str], state_folder: Path, ephemeral: bool) -> Role:
    from zerog.chain.node.settings import ChainNodeSettings  # Only a network in one process has the node in the supervisor.
    from zerog.devnet.chain import make_chain_node
    from zerog.runtime.settings import fill

    settings = fill(ChainNodeSettings, flags, command=("chain", "run"), state_folder=state_folder)
    return make_chain_node(settings, state_folder, ephemeral=ephemeral)


SUBSYSTEMS: Final[tuple[Subsystem, ...]] = (
    Subsystem(name="chain", default_port=8545, command=("zerog", "chain", "run"), flags=_chain_flags, make=_make_chain),
)
"""In the order in which they start; they stop in the opposite one."""
