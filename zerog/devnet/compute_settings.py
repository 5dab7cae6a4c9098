"""What may differ between the compute of two local networks."""

from dataclasses import dataclass

__all__ = ["ComputeServiceSettings"]


@dataclass(frozen=True, kw_only=True)
class ComputeServiceSettings:
    """All else of the provider is taken from where it takes it when it runs alone: the environment, and the table `[compute.run]` of the
    network's settings.
    """

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 3080
    """Port of the provider; 0 lets the system choose."""
    engine: tuple[str, ...] = ()
    """OpenAI-compatible servers that answer; without one the exact engine does, with a model of its own."""
    model: str | None = None
    """Name of the engine's model, if it is not its first; without an engine a file of a model (GGUF), or the name of a cached one."""
    with_storage: bool = False
    """Publish receipts through the storage that runs in this folder, too."""
    with_da: bool = False
    """Publish them through the DA that runs in this folder, too."""
    chain_url: str | None = None
    """JSON-RPC of a node of the chain; by default the one that runs in this folder."""
