"""What may differ between two DA nodes of one network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zerog.da.signer.errors import SignerSettingsError
from zerog.primitives import Address

__all__ = ["DaSignerSettings"]

PORTS: Final = range(2**16)


@dataclass(frozen=True, kw_only=True)
class DaSignerSettings:
    """Raises `SignerSettingsError` when a value is out of its range."""

    data_dir: Path | None = None
    """Folder of the rows; none keeps them in a temporary folder."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 34010
    """Port of gRPC; 0 lets the system choose."""
    http_port: int = 9184
    """Port of `/healthz`, `/readyz`, `/metrics` and `/blobs`; 0 lets the system choose."""
    socket: str | None = None
    """What stands on chain as host and port where others reach the node; by default the address that it listens on."""
    chain_url: str = "http://127.0.0.1:8545"
    """JSON-RPC of a node of the chain."""
    signer: int = 1
    """On a network of our own, which of its funded signers this is, from 1; keys that are named count instead."""
    key_file: Path | None = None
    """A file with the private key, in hex, of the account that registers, which only its owner can read. Its balance is its weight."""
    bls_key_file: Path | None = None
    """A file with the secret that blobs are signed with, as a decimal number, which only its owner can read."""
    entrance: str | None = None
    """Address of the entrance contract; by default that of the network whose chain id the chain has."""
    setup: str = "insecure-dev:local"
    """What slices are checked with: `official:FOLDER`, `made:FOLDER` or `insecure-dev:SEED`; the same as the encoder's."""
    allow_insecure_setup: bool = False
    """Let others than this machine reach a node with the setup `insecure-dev`, whose proofs anybody can forge."""
    first_block: int = 0
    """Where to begin to read the log: the block of the entrance's creation saves the look through older ones."""
    confirmations: int = 0
    """Blocks that must stand on top of one before it is read; 0 follows the chain to its tip."""
    page_blocks: int = 999
    """Most blocks of one look into the log; fewer are asked for where the chain node refuses."""
    sync_interval_s: float = 1.0
    """Seconds between two looks at a chain node that cannot tell of new blocks by itself."""
    max_ongoing_sign_request: int = 10
    """Requests for signatures at once; one more is refused."""
    max_ongoing_retrieve_request: int = 64
    """Requests for rows at once; one more is refused."""
    max_verify_threads: int = 2
    """Threads that check and store slices at once."""
    batch_requests_max: int = 64
    """Blobs in one batch."""
    batch_rows_max: int = 16_384
    """Rows that one batch gives back."""
    message_bytes_max: int = 1 << 30
    """A longer message is not read."""
    memory_bytes_max: int = 1 << 30
    """What large messages may take together; further ones wait unread."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may ask for the pages, beside those of this machine."""
    bls_key: str | None = field(default=None, repr=False)
    """The secret itself as a decimal number, better in the environment or a file than on a command line."""

    def __post_init__(self) -> None:
        for name in ("port", "http_port"):
            if getattr(self, name) not in PORTS:
                raise SignerSettingsError(f"{name}: {getattr(self, name)} is no port")
        for name in (
            "signer",
            "page_blocks",
            "max_ongoing_sign_request",
            "max_ongoing_retrieve_request",
            "max_verify_threads",
            "batch_requests_max",
            "batch_rows_max",
            "message_bytes_max",
            "memory_bytes_max",
        ):
            if getattr(self, name) < 1:
                raise SignerSettingsError(f"{name}: {getattr(self, name)} is not above 0")
        if self.confirmations < 0 or self.first_block < 0:
            raise SignerSettingsError("confirmations and first_block are not below 0")
        if self.bls_key is not None and self.bls_key_file is not None:
            raise SignerSettingsError("bls_key and bls_key_file: give one of them")
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
            raise SignerSettingsError(f"entrance: {error}") from None
