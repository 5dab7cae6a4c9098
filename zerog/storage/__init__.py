"""0G Storage: files named by the root of their Merkle tree, kept in segments by a set of nodes."""

__all__: list[str] = []
