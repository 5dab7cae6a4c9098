"""The encoder: makes rows, commitment and proofs of a blob."""

__all__: list[str] = []
