"""The EVM chain: its rules, its wire, a client and a node."""

__all__: list[str] = []
