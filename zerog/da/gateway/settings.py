"""What may differ between two gateways of one network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from zerog.da.protocol.commitments import BLOBS_MAX
from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.primitives.errors import RefusalError

__all__ = ["DaGatewaySettings", "GatewaySettingsError"]

PORT_END: Final = 1 << 16


@dataclass(eq=False)
class GatewaySettingsError(RefusalError):
    """Settings of a gateway that cannot be."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class DaGatewaySettings:
    """Raises `GatewaySettingsError` when a value is out of its range."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 3100
    """Port of everything: the OP Stack's server, Nitro's JSON-RPC, samples and lists; 0 lets the system choose."""
    disperser: str = "127.0.0.1:51001"
    """Address of the disperser that payloads go to."""
    retriever: str = "127.0.0.1:34005"
    """Address of the retriever that is asked for what the disperser no longer has."""
    chain_url: str | None = None
    """JSON-RPC of a node of the chain; by default the one that runs in this folder."""
    entrance: str | None = None
    """Address of the contract DAEntrance, if the chain is none of the networks that are known."""
    data_dir: Path | None = None
    """Where it is written down which blobs a digest stands for."""
    wait_until: Literal["confirmed", "finalized"] = "finalized"
    """How far a payload has to be before its commitment is given out."""
    put_timeout_s: float = 270.0
    """Seconds that a payload may take to get there; then the poster is told to fall back (503)."""
    payload_bytes_max: int = 4 * BLOB_BYTES_MAX
    """Longest payload; it is split into blobs."""
    blob_bytes_max: int = BLOB_BYTES_MAX
    """Longest blob that a payload is split into."""
    nitro_fallback: bool = False
    """Tell Nitro's batch poster to go on with its next DA writer when a payload cannot be stored; that may cost it more."""
    private_sockets: bool = False
    """Ask signers also at addresses of private networks and of this machine; always so on a network of our own."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < PORT_END:
            raise GatewaySettingsError("a port is a number below 65536")
        if self.put_timeout_s <= 0:
            raise GatewaySettingsError(f"the setting `put-timeout` is more than 0 seconds, not {self.put_timeout_s}")
        if not 1 <= self.blob_bytes_max <= BLOB_BYTES_MAX:
            raise GatewaySettingsError(f"the setting `blob-bytes-max` is between 1 and {BLOB_BYTES_MAX}")
        if not 1 <= self.payload_bytes_max <= BLOBS_MAX * self.blob_bytes_max:
            raise GatewaySettingsError(f"the setting `payload-bytes-max` is between 1 and {BLOBS_MAX * self.blob_bytes_max}")

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts`, one by one."""
        return tuple(name.strip() for name in (self.allowed_hosts or "").split(",") if name.strip())
