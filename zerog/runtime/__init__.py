"""Input and output without any domain: JSON-RPC, HTTP, control socket, settings, logging, files, ports, clock."""

__all__: list[str] = []
