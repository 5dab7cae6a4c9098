"""Rules of the marketplace as pure functions: tokens, fees, signatures, evidence and encryption. No clock, no socket, no disk."""

__all__: list[str] = []
