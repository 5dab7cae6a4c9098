"""The key-value node: follows streams on the flow and answers for the keys in them."""

__all__: list[str] = []
