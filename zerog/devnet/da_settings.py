"""What may differ between the DA of two local networks."""

from dataclasses import dataclass
from typing import Final

from zerog.primitives.errors import RefusalError

__all__ = ["SIGNERS_MAX", "DaServiceSettings", "DaServiceSettingsError"]

SIGNERS_MAX: Final = 3
"""As many are registered from block 0 on, with 1,024 rows each."""


@dataclass(eq=False)
class DaServiceSettingsError(RefusalError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class DaServiceSettings:
    """Raises `DaServiceSettingsError` when a value is out of its range.

    All else of each service is taken from where it takes it when it runs alone: the environment, and the tables `[da.run.encoder]`,
    `[da.run.disperser]`, `[da.run.signer]`, `[da.run.retriever]` and `[da.run.gateway]` of the network's settings.
    """

    host: str = "127.0.0.1"
    """Address to listen on."""
    gateway_port: int = 3100
    """Port of the gateway; 0 lets the system choose, as for the others."""
    disperser_port: int = 51001
    """Port of the disperser."""
    encoder_port: int = 34000
    """Port of the encoder."""
    retriever_port: int = 34005
    """Port of the retriever."""
    signer_ports: tuple[int, ...] = ()
    """Ports of the signers; what is missing the system chooses."""
    signers: int = SIGNERS_MAX
    """Signers that run, of the three that are registered."""
    chain_url: str | None = None
    """JSON-RPC of a node of the chain; by default the one that runs in this folder."""

    def __post_init__(self) -> None:
        if not 0 <= self.signers <= SIGNERS_MAX:
            raise DaServiceSettingsError(f"0 to {SIGNERS_MAX} signers can run, not {self.signers}")
        if len(self.signer_ports) > self.signers:
            raise DaServiceSettingsError(f"{self.signers} signers have no use for {len(self.signer_ports)} ports")
