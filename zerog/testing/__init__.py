"""Doubles that we ship, for tests and benchmarks only."""

__all__: list[str] = []
