"""What may differ between two encoders."""

from dataclasses import dataclass
from typing import Final

from zerog.da.client.setup import DEFAULT_SETUP, check_setup_name
from zerog.da.protocol.errors import DaError

__all__ = ["DaEncoderSettings", "EncoderSettingsError"]

PORTS: Final = range(2**16)


@dataclass(eq=False)
class EncoderSettingsError(DaError):
    """Settings of an encoder that cannot be."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class DaEncoderSettings:
    """Raises `EncoderSettingsError`, and `SetupNameError`, when a value is out of its range."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 34000
    """Port of gRPC; 0 lets the system choose."""
    http_port: int | None = None
    """Port of /healthz, /readyz and /metrics; 0 lets the system choose, and none leaves them out."""
    setup: str = DEFAULT_SETUP
    """Parameters: insecure-dev:SEED, made:FOLDER or official:FOLDER."""
    allow_insecure_setup: bool = False
    """Let others than this machine use the insecure setup."""
    chain_url: str | None = None
    """JSON-RPC of a node of the chain, which is asked whether it is a public network, where the insecure setup is refused."""
    at_once: int = 1
    """Blobs that are encoded at once. One uses all processors already."""
    waiting: int = 16
    """Blobs that may wait for their turn."""

    def __post_init__(self) -> None:
        check_setup_name(self.setup)
        if self.port not in PORTS or (self.http_port is not None and self.http_port not in PORTS):
            raise EncoderSettingsError("a port is a number below 65536")
        if not 1 <= self.at_once <= 64 or not 1 <= self.waiting <= 1024:
            raise EncoderSettingsError("at-once is from 1 to 64, and waiting from 1 to 1024")
