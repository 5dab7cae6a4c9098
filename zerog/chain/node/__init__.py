"""The chain node: one role that makes blocks and answers the Ethereum JSON-RPC. Start it with `service.ChainNode`."""

__all__: list[str] = []
