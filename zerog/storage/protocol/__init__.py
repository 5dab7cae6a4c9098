"""Rules of storage as pure functions: how a file is cut, padded, hashed, submitted and proved. No clock, no socket, no disk."""

__all__: list[str] = []
