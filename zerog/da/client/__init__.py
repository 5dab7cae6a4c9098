"""How everybody else talks to DA."""

__all__: list[str] = []
