"""Shapes of DA on the wire, and how they become values of `protocol`."""

__all__: list[str] = []
