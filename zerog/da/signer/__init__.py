"""A DA node: it checks the rows that are its own, keeps them, signs for them, and gives them back."""

__all__: list[str] = []
