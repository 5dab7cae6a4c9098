"""A running gateway: what rollups store their batches with, and where anybody takes samples of blobs."""

__all__: list[str] = []
