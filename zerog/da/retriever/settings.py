"""What may differ between two retrievers of one network."""

from dataclasses import dataclass
from typing import Final

from zerog.da.retriever.errors import RetrieverSettingsError
from zerog.primitives import Address

__all__ = ["DaRetrieverSettings"]

PORTS: Final = range(2**16)


@dataclass(frozen=True, kw_only=True)
class DaRetrieverSettings:
    """Raises `RetrieverSettingsError` when a value is out of its range."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 34005
    """Port of gRPC; 0 lets the system choose."""
    http_port: int = 0
    """Port of `/healthz`, `/readyz` and `/metrics`; 0 lets the system choose."""
    chain_url: str = "http://127.0.0.1:8545"
    """JSON-RPC of a node of the chain."""
    entrance: str | None = None
    """Address of the entrance contract; by default that of the network whose chain id the chain has."""
    max_ongoing_retrieve_request: int = 10
    """Blobs that are on their way back at once; one more is refused. Each takes up to 200 MiB of memory."""
    late_s: float = 2.0
    """A signer that takes longer for its rows is not counted on: others are asked for as many."""
    signer_timeout_s: float = 30.0
    """A signer that takes longer is given up."""
    timeout_s: float = 120.0
    """For a whole blob."""
    signers_at_once: int = 64
    """Signers that are asked at once for one blob."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may ask for the pages, beside those of this machine."""

    def __post_init__(self) -> None:
        for name in ("port", "http_port"):
            if getattr(self, name) not in PORTS:
                raise RetrieverSettingsError(f"{name}: {getattr(self, name)} is no port")
        for name in ("max_ongoing_retrieve_request", "signers_at_once"):
            if getattr(self, name) < 1:
                raise RetrieverSettingsError(f"{name}: {getattr(self, name)} is not above 0")
        for name in ("late_s", "signer_timeout_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise RetrieverSettingsError(f"{name.removesuffix('_s')}: {getattr(self, name)} is not above 0")
        if self.entrance is not None:
            self._read_entrance(self.entrance)

    @property
    def entrance_address(self) -> Address | None:
        """The contract that somebody named."""
        return None if self.entrance is None else self._read_entrance(self.entrance)

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """The same one by one."""
        return tuple(name.strip() for name in (self.allowed_hosts or "").split(",") if name.strip())

    @staticmethod
    def _read_entrance(text: str) -> Address:
        try:
            return Address.from_json(text)
        except ValueError as error:
            raise RetrieverSettingsError(f"entrance: {error}") from None
