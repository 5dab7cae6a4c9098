"""The indexer of storage: which nodes there are, one full node in front of all of them, and files over plain HTTP."""

__all__: list[str] = []
