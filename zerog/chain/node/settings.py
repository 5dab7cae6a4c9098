"""What may differ between two chain nodes of one network."""

from dataclasses import dataclass, field
from pathlib import Path

from zerog.chain.protocol.constants import CALL_TIME_S_MAX
from zerog.chain.protocol.genesis import Hardfork
from zerog.networks import PublicName, RulesName, check_chain_id
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.guard import is_loopback_name

__all__ = ["ChainNodeSettings", "SettingsError"]


@dataclass(eq=False)
class SettingsError(RefusalError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class ChainNodeSettings:
    """Raises `SettingsError` when a value is out of its range, `ChainIdRefusedError` for a chain id."""

    data_dir: Path | None = None
    """Folder of the ledger; none keeps the chain in memory."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    rpc_port: int = 8545
    """Port for HTTP and WebSocket; 0 lets the system choose."""
    block_time_s: float | None = None
    """Seconds between two blocks that come by themselves; none makes blocks on demand only."""
    automine: bool = True
    """Make a block as soon as a transaction arrives, and answer after it."""
    hardfork: Hardfork = "prague"
    """Newest rules of the EVM, active from block 0."""
    rules: RulesName | None = None
    """Rules of 0G that Ethereum lacks (gas floor, equal timestamps, W0G's precompiled contract): all or none; by default those of the
    network."""
    like: PublicName | None = None
    """Be a local copy of this public network, under its chain id."""
    chain_id: int | None = None
    """Chain id of a network of its own, if not 31337; never that of a public network."""
    follow: str | None = None
    """URL of the node whose chain this one fetches, executes again and serves; transactions are handed on to it."""
    minimum_tip_wei: int = 0
    """Transactions that pay a lower tip are refused."""
    pool_transactions_max: int = 200_000
    """Most transactions that wait for a block; beyond it the lowest tip gives way."""
    account_transactions_max: int = 100_000
    """Most transactions of one account that wait for a block."""
    allow_unprotected: bool = False
    """Take transactions without a chain id (before EIP-155), which can be replayed on other chains."""
    call_time_s: float = CALL_TIME_S_MAX
    """Longest `eth_call` and `eth_estimateGas`."""
    dev_methods: bool = True
    """Offer unlocked accounts and the methods of `evm_`, `anvil_` and `hardhat_`; on an address that is not loopback only with a token."""
    dev_token: str | None = field(default=None, repr=False)
    """What callers of those methods send as `Authorization: Bearer …` when the address is not loopback."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine."""
    checkpoint_blocks: int = 1024
    """Blocks with a transaction between two checkpoints of the ledger; of blocks without one, sixteen times as many."""
    checkpoint_s: float = 30.0
    """Seconds between two checkpoints of the ledger."""
    history_blocks: int | None = None
    """How many blocks back state can be read; none keeps all."""

    def __post_init__(self) -> None:
        check_chain_id(self.chain_id, self.like)
        if self.block_time_s is not None and not 0 < self.block_time_s < 1e6:
            raise SettingsError(f"block time must be more than 0 s and less than a million seconds, not {self.block_time_s} s")
        if self.like is not None and self.rules is not None:
            raise SettingsError(f"a copy of {self.like} has its rules; leave the setting `rules` away")
        if self.like is not None:
            self.check_stays_here(self.like)
        if self.follow is not None and self.like is not None:
            raise SettingsError("a node that follows another has that one's network; leave the setting `like` away")
        if self.follow is not None and self.chain_id is not None:
            raise SettingsError("a node that follows another has that one's chain id; leave the setting `chain-id` away")
        if self.follow is not None and not self.follow.startswith(("http://", "https://")):
            raise SettingsError(f"{self.follow!r} is no URL of a node: it begins with http:// or https://")
        if not 0 <= self.rpc_port < 2**16:
            raise SettingsError(f"{self.rpc_port} is no port")
        if self.checkpoint_blocks < 1 or self.checkpoint_s <= 0:
            raise SettingsError("a checkpoint needs at least one block and some time")
        if self.call_time_s <= 0:
            raise SettingsError("a call needs some time")
        if self.pool_transactions_max < 1 or self.account_transactions_max < 1:
            raise SettingsError("the pool needs room for at least one transaction")
        if self.minimum_tip_wei < 0:
            raise SettingsError("the minimum tip cannot be negative")

    def check_stays_here(self, public: str) -> None:
        """Raises `SettingsError` unless a copy of the network `public` listens on this machine alone."""
        if not is_loopback_name(self.host):
            raise SettingsError(f"a copy of {public} stays on this machine: the host must be a loopback address, not {self.host!r}")

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts` one by one."""
        return tuple(name for part in (self.allowed_hosts or "").split(",") if (name := part.strip()))
