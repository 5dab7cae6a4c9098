"""What may differ between two networks on one machine."""

from dataclasses import dataclass
from typing import Final

from zerog.networks import PublicName, RoleName, RulesName, check_chain_id
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.guard import is_loopback_name

__all__ = ["DEFAULT_PORT_BASE", "DevnetSettings", "SettingsInvalidError"]

DEFAULT_PORT_BASE: Final = 8000
PORT_BASE_MAX: Final = 22000
"""So that every default port plus the distance from 8000 is a port."""
SHARDS_MAX: Final = 64
REPLICAS_MAX: Final = 16
SIGNERS_MAX: Final = 3
"""More nodes on one machine prove nothing."""


@dataclass(eq=False)
class SettingsInvalidError(RefusalError):
    """A setting of the network is out of its range."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class DevnetSettings:
    """What `zerog up` takes. Raises `SettingsInvalidError`, `ChainIdRefusedError`."""

    only: tuple[RoleName, ...] = ()
    """Start these alone; all if none is given."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port_base: int | None = None
    """Add this minus 8000 to every default port (8000 to 22000); 0 lets the system choose. Ports once chosen stay."""
    block_time_s: float | None = None
    """Also make a block every so many seconds."""
    hardfork: str | None = None
    """Rules of the chain from block 0: prague or osaka."""
    rules: RulesName | None = None
    """Rules of 0G that Ethereum lacks: ethereum has none of them, zero-gravity all; by default those of the network."""
    like: PublicName | None = None
    """Be a local copy of a public network, under its chain id: galileo or mainnet."""
    chain_id: int | None = None
    """Be a network under another chain id than 31337; never that of a public network."""
    nodes: int | None = None
    """Shards of storage, each on a node of its own: a power of two. By default one, or as many as the network has."""
    replicas: int | None = None
    """Nodes that hold each shard."""
    mine: bool = False
    """Let the first storage node mine what it holds; its account is funded on a network of our own."""
    signers: int | None = None
    """Signers of DA that run, of the three that every network of our own has; two are enough for a quorum."""
    engine: tuple[str, ...] = ()
    """OpenAI-compatible server that answers for the provider of compute, as http://host:port/v1; without one the exact engine does."""
    model: str | None = None
    """Model of the provider of compute: a GGUF file, or the name of a cached one; with an engine its name there."""
    one_process: bool = False
    """Run all roles in one process, for tests and small machines."""
    ephemeral: bool = False
    """A throw-away network: in memory, gone when it stops."""

    def __post_init__(self) -> None:
        check_chain_id(self.chain_id, self.like)
        base = self.port_base
        if base not in (None, 0) and not DEFAULT_PORT_BASE <= base <= PORT_BASE_MAX:
            raise SettingsInvalidError(f"the port base is 0 or between {DEFAULT_PORT_BASE} and {PORT_BASE_MAX}, not {base}")
        if self.like is not None and self.rules is not None:
            raise SettingsInvalidError(f"a copy of {self.like} has its rules; leave the setting `rules` away")
        if self.like is not None and not is_loopback_name(self.host):
            raise SettingsInvalidError(
                f"a copy of {self.like} stays on this machine: the host must be a loopback address, not {self.host!r}"
            )
        if self.nodes is not None and (self.nodes.bit_count() != 1 or self.nodes > SHARDS_MAX):
            raise SettingsInvalidError(f"nodes are shards: their number is a power of two up to {SHARDS_MAX}, not {self.nodes}")
        if self.replicas is not None and not 1 <= self.replicas <= REPLICAS_MAX:
            raise SettingsInvalidError(f"there are 1 to {REPLICAS_MAX} replicas, not {self.replicas}")
        if self.signers is not None and not 0 <= self.signers <= SIGNERS_MAX:
            raise SettingsInvalidError(f"0 to {SIGNERS_MAX} signers can run, not {self.signers}")
        if self.block_time_s is not None and self.block_time_s <= 0:
            raise SettingsInvalidError(f"the block time is more than 0 seconds, not {self.block_time_s}")

    @property
    def storage_node_count(self) -> int:
        """Nodes of storage, all replicas together."""
        return (self.nodes or 1) * (self.replicas or 1)

    @property
    def signer_count(self) -> int:
        """Signers of DA that run."""
        return SIGNERS_MAX if self.signers is None else self.signers
