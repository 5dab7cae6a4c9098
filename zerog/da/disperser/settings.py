"""What may differ between two dispersers of one network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zerog.da.disperser.errors import DisperserSettingsError
from zerog.da.protocol.dispersal import StepLimits

__all__ = ["DaDisperserSettings"]

PORTS: Final = range(2**16)
MIB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class DaDisperserSettings:
    """Raises `DisperserSettingsError` when a value is out of its range."""

    data_dir: Path | None = None
    """Folder of the blobs and of the disperser's books; none keeps them in a temporary folder."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 51001
    """Port of gRPC; 0 lets the system choose."""
    http_port: int | None = None
    """Port of /healthz, /readyz and /metrics; 0 lets the system choose, and none leaves them out."""
    chain_url: str = "http://127.0.0.1:8545"
    """JSON-RPC of a node of the chain."""
    encoder: str = "127.0.0.1:34000"
    """Address of the encoder."""
    retriever: str = "127.0.0.1:34005"
    """Address of the retriever, which is asked for blobs that are not here any more."""
    entrance: str | None = None
    """Address of the entrance contract; by default that of the network whose chain id the chain has."""
    private_key: str | None = field(default=None, repr=False)
    """Key in hex of the account that pays for transactions, better in the environment or a file; by default the one that a network of our
    own funds for it."""
    key_file: Path | None = None
    """A file with that key in hex, which only its owner can read."""
    pending_mib: int = 2_048
    """MiB of blobs that may be under way, by their true size."""
    at_once: int = 8
    """Blobs that are carried at once. Each takes 106 MB on disk between the encoder and the signers."""
    encode_s: float = 300.0
    """Seconds that encoding a blob may take, tries together and without the wait for a turn."""
    announce_s: float = 300.0
    """Seconds until the chain must have announced an encoded blob."""
    sign_s: float = 90.0
    """Seconds until two thirds of a quorum must have signed."""
    sign_try_s: float = 30.0
    """Seconds that one try with one signer may take."""
    confirm_s: float = 300.0
    """Seconds until the chain must have confirmed a signed blob."""
    finalized_blocks: int = 50
    """Blocks on top of a final one, where the chain node does not say which blocks are final."""
    keep_s: float = 5_184_000.0
    """Seconds for which blobs are kept here once they have ended."""
    rate_limit: bool = False
    """Whether clients are held to so many calls a minute."""
    writes_per_minute: int = 60
    """Blobs of one client, if there is a limit: so far apart at least."""
    reads_per_minute: int = 60
    """Retrievals of one client, likewise."""
    client_header: str | None = None
    """Header whose last value but one is the client's address behind two proxies; by default the address of the connection."""

    def __post_init__(self) -> None:
        if self.port not in PORTS or (self.http_port is not None and self.http_port not in PORTS):
            raise DisperserSettingsError("a port is a number below 65536")
        if not self.chain_url.startswith(("http://", "https://")):
            raise DisperserSettingsError(f"{self.chain_url!r} is no URL of a chain node")
        if self.pending_mib < 32 or not 1 <= self.at_once <= 256:
            raise DisperserSettingsError("pending-mib is at least 32, and at-once from 1 to 256")
        if min(self.encode_s, self.announce_s, self.sign_s, self.sign_try_s, self.confirm_s, self.keep_s) <= 0:
            raise DisperserSettingsError("encode, announce, sign, sign-try, confirm and keep are more than 0 s")
        if min(self.writes_per_minute, self.reads_per_minute) < 1 or self.finalized_blocks < 0:
            raise DisperserSettingsError("writes-per-minute and reads-per-minute are at least 1, and finalized-blocks at least 0")
        if self.private_key is not None and self.key_file is not None:
            raise DisperserSettingsError("private-key and key-file: give one of them")

    @property
    def limits(self) -> StepLimits:
        """How long a blob may take."""
        return StepLimits(encode_s=self.encode_s, announce_s=self.announce_s, sign_s=self.sign_s, confirm_s=self.confirm_s)

    @property
    def pending_bytes_max(self) -> int:
        """`pending_mib` in bytes."""
        return self.pending_mib * MIB
