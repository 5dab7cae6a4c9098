"""Shapes of the chain on the wire, and how they become protocol types."""

__all__: list[str] = []
